//! The cache on a disk that is full, damaged, or shared with strangers.

use super::*;

const LENGTH: usize = 150_000;

fn cache(dir: &Path, size: u64) -> Cache {
    let settings = CacheSettings {
        dir: dir.to_owned(),
        size,
    };
    Cache::open(&settings, Metrics::default()).unwrap()
}

fn key_of(number: u8) -> Key {
    Key {
        blob: BlobId::from_bytes([number; 32]),
        segment: SegmentIndex(number.into()),
    }
}

fn bytes_of(number: u8) -> Bytes {
    let bytes = (0..=250).cycle().map(|at: u8| at ^ number);
    bytes.take(LENGTH).collect()
}

/// The whole segment, if every block of it is what was put there.
fn whole(cache: &Cache, number: u8) -> Option<Vec<u8>> {
    let cached = cache.get(key_of(number), LENGTH)?;
    let mut all = Vec::new();
    for block in 0..LENGTH.div_ceil(BLOCK) {
        match cached.block(block) {
            Ok(bytes) => all.extend_from_slice(&bytes),
            Err(Damaged) => {
                cache.damaged(&key_of(number));
                return None;
            }
        }
    }
    Some(all)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = folders
        .filter(|path| path.is_dir())
        .flat_map(|path| fs::read_dir(path).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn what_is_put_is_there_after_a_restart_and_the_least_used_goes() {
    let dir = tempfile::tempdir().unwrap();
    let first = cache(dir.path(), 3 * unit::size(LENGTH));
    for number in 1..=3 {
        first.put(key_of(number), &bytes_of(number)).unwrap();
    }
    assert!(whole(&first, 1).is_some());
    first.put(key_of(4), &bytes_of(4)).unwrap();
    assert!(whole(&first, 2).is_none(), "the one not used longest");
    let settings = CacheSettings {
        dir: dir.path().to_owned(),
        size: 1,
    };
    let second = Cache::open(&settings, Metrics::default()).unwrap_err();
    assert!(second.to_string().contains("another gateway"), "{second}");
    drop(first);

    // As a killed gateway and a stranger leave things.
    let folder = files(dir.path())[0].parent().unwrap().to_owned();
    let (torn, strange) = (folder.join(".new-abc"), folder.join("notes.txt"));
    fs::write(&torn, b"half").unwrap();
    fs::write(&strange, b"mine").unwrap();
    let again = cache(dir.path(), 3 * unit::size(LENGTH));
    for number in [1, 3, 4] {
        assert_eq!(whole(&again, number).unwrap(), bytes_of(number));
    }
    assert!(!torn.exists() && strange.exists());
    drop(again);

    let smaller = cache(dir.path(), unit::size(LENGTH));
    assert_eq!(files(dir.path()).len(), 2, "one segment and the stranger's");
    assert_eq!(smaller.metrics.cached_bytes.get(), unit::size(LENGTH));
}

/// Something done to a segment, beside another one.
type Spoil<'a> = &'a dyn Fn(&Path, &Path);

#[test]
fn damage_of_every_kind_is_found_dropped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(dir.path(), 1 << 30);
    let spoil: [Spoil<'_>; 6] = [
        &|file, _| flip(file, 0),
        &|file, _| flip(file, LENGTH as u64),
        &|file, _| {
            File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_len(9)
                .unwrap()
        },
        &|file, other| fs::copy(other, file).map(drop).unwrap(),
        &|file, _| fs::remove_file(file).unwrap(),
        &|file, _| fs::write(file, b"").unwrap(),
    ];
    for (count, spoil) in (1..).zip(spoil) {
        for number in [1, 2] {
            cache.put(key_of(number), &bytes_of(number)).unwrap();
        }
        let [file, other] = [1, 2].map(|number| cache.path(&key_of(number)));
        spoil(&file, &other);
        assert!(whole(&cache, 1).is_none());
        assert_eq!(whole(&cache, 2).unwrap(), bytes_of(2));
        assert_eq!(cache.metrics.damaged.get(), count);
        assert!(!file.exists() && !cache.index().touch(&key_of(1)));
    }
}

fn flip(file: &Path, at: u64) {
    use std::os::unix::fs::FileExt;
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}
