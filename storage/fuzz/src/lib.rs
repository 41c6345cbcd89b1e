//! What must hold for every input, one function for each fuzz target.
//!
//! `cargo fuzz run files` in `storage/`, on stable with `RUSTC_BOOTSTRAP=1`.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::sync::{Arc, OnceLock};

use floe_codec::Axis;
use floe_storage::{
    Storage,
    backend::{Backend, FileName, MemoryBackend},
};
use support::{certified, key, put, settings, sliver, stamp, started_store};

/// Files of a store with some blobs, as they lie on disk.
fn whole() -> &'static [(FileName, Vec<u8>)] {
    static FILES: OnceLock<Vec<(FileName, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let disk = MemoryBackend::default();
        let (storage, mut chain) = started_store(&disk);
        for number in 1..=5 {
            put(&storage, number, 0);
            put(&storage, number, 1);
            let batch = chain.batch(vec![certified(number, number, 5)]);
            storage.apply(batch).expect("room").wait().expect("applied");
        }
        drop(storage);
        let names = disk.list().expect("memory lists");
        let read = |name: FileName| {
            let file = disk.open(&name).expect("it was listed");
            let size = usize::try_from(file.size().expect("memory knows")).expect("it is small");
            let mut bytes = vec![0; size];
            file.read_exact_at(0, &mut bytes).expect("it is so long");
            (name, bytes)
        };
        names.into_iter().map(read).collect()
    })
}

/// Whatever happens to the files of a store, opening, reading, scrubbing and auditing it end without
/// a panic, and no sliver comes back with other bytes than it was stored with.
///
/// The input is a list of edits: `file u8 | operation u8 | offset u24 | length u8 | bytes`.
pub fn files(data: &[u8]) {
    let mut files = whole().to_vec();
    let mut rest = data;
    while let [file, operation, a, b, c, length, tail @ ..] = rest {
        let (bytes, after) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = after;
        let at = usize::from(*file) % files.len();
        let offset = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        edit(&mut files, at, *operation, offset, bytes);
    }
    let disk = MemoryBackend::default();
    for (name, bytes) in &files {
        let file = disk.create(name).expect("names are different");
        file.write_all_at(0, bytes).expect("memory takes it");
    }
    let opened = Storage::open_inline(Arc::new(disk.clone()), stamp(), &settings());
    let opened = match opened {
        Err(error) if error.is_index_damage() => Storage::discard_index(&disk, &stamp())
            .and_then(|()| Storage::open_inline(Arc::new(disk), stamp(), &settings())),
        opened => opened,
    };
    let Ok((storage, _)) = opened else { return };
    for number in 1..=9 {
        for shard in 0..2 {
            for axis in Axis::BOTH {
                let key = key(number, 0, shard, axis);
                if let Ok(Some(bytes)) = storage.get_sliver(&key) {
                    assert_eq!(bytes, sliver(number, &key), "another sliver came back");
                }
            }
        }
    }
    let _ = storage.scrub(None, u64::MAX, |_, _| true);
    let _ = storage.scrub_metadata(None, usize::MAX);
    let _ = storage.audit();
}

fn edit(files: &mut [(FileName, Vec<u8>)], at: usize, operation: u8, offset: usize, bytes: &[u8]) {
    let other = offset % files.len();
    let Some((_, file)) = files.get_mut(at) else {
        return;
    };
    let offset = offset % (file.len() + 1);
    match operation % 5 {
        0 => {
            for (old, new) in file.iter_mut().skip(offset).zip(bytes) {
                *old = *new;
            }
        }
        1 => {
            for (old, new) in file.iter_mut().skip(offset).zip(bytes) {
                *old ^= *new;
            }
        }
        2 => file.truncate(offset),
        3 => file.extend_from_slice(bytes),
        _ => {
            let aside = std::mem::take(file);
            let swapped = std::mem::replace(&mut files[other].1, aside);
            files[at].1 = swapped;
        }
    }
}
