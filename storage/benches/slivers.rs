//! P10: 64 KiB slivers in durable batches of 32, against values inline in redb, in the same run.
//!
//! Both sides commit in two phases with the allocator state saved, take turns batch by batch on
//! the same file system, and are read back in random order after their pages were evicted.
//!
//! `cargo bench -p floe-storage --bench slivers -- [DIRECTORY]`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program that prints ratios"
)]

use std::{
    fs::File,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use floe_chain::{
    epoch::Epoch,
    event::{BlobRegistered, ChainEvent, EventCursor},
    id::{ChainId, NetworkId, NodeId, ObjectId, SystemId},
};
use floe_codec::{Axis, BlobId, BlobLayout, SegmentIndex, ShardCount, ShardIndex};
use floe_storage::{EventBatch, Settings, SliverKey, Stamp, Storage, backend::DiskBackend};
use rand::{RngCore, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use redb::{Database, ReadableDatabase, TableDefinition};

/// With 4 shards, the secondary slivers of a blob of this size have 64 KiB.
const BLOB_SIZE: u64 = 6 * 32 * 1024;
const SLIVER: usize = 64 * 1024;
const BATCH: usize = 32;
const BATCHES: usize = 48;
const CACHE: usize = 32 << 20;
const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("inline");

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` is to run nothing of this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let base = arguments.iter().find(|argument| !argument.starts_with('-'));
    let base = base.map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(base).unwrap();
    println!("{BATCHES} batches of {BATCH} slivers of {SLIVER} bytes\n");
    for shards in [1, 4] {
        run(&directory.path().join(shards.to_string()), shards);
    }
}

fn run(directory: &Path, shards: u16) {
    let mut random = ChaCha8Rng::seed_from_u64(u64::from(shards));
    let floe_directory = directory.join("floe");
    let redb_file = directory.join("inline.redb");
    let storage = open(&floe_directory);
    register(&storage, shards);
    let database = open_inline(&redb_file);

    let mut sliver = vec![0; SLIVER];
    let (mut floe, mut inline) = (Vec::new(), Vec::new());
    for batch in 0..BATCHES {
        let mut slivers = Vec::new();
        for number in batch * BATCH..(batch + 1) * BATCH {
            random.fill_bytes(&mut sliver);
            slivers.push((key(number, shards), Bytes::copy_from_slice(&sliver)));
        }
        let copy = slivers.clone();
        let put = || storage.put_slivers(copy).unwrap().wait().unwrap();
        let insert = || insert(&database, &slivers);
        // Who goes first alternates as well.
        if batch % 2 == 0 {
            floe.push(timed(put));
            inline.push(timed(insert));
        } else {
            inline.push(timed(insert));
            floe.push(timed(put));
        }
    }
    report(&format!("write, {shards} shards"), &floe, &inline);
    drop((storage, database));

    let payload = (BATCHES * BATCH * SLIVER) as f64;
    let (a, b) = (disk_use(&floe_directory), disk_use(&redb_file));
    println!(
        "space: floe {:.3} x payload, inline {:.3} x",
        a as f64 / payload,
        b as f64 / payload
    );

    let storage = open(&floe_directory);
    let database = open_inline(&redb_file);
    evict(&floe_directory);
    evict(directory);
    let mut numbers: Vec<usize> = (0..BATCHES * BATCH).collect();
    numbers.shuffle(&mut random);
    let (mut floe, mut inline) = (Vec::new(), Vec::new());
    for numbers in numbers.chunks(BATCH) {
        floe.push(timed(|| {
            for &number in numbers {
                let read = storage.get_sliver(&key(number, shards)).unwrap();
                assert_eq!(read.map(|sliver| sliver.len()), Some(SLIVER));
            }
        }));
        inline.push(timed(|| {
            for &number in numbers {
                let table = database.begin_read().unwrap().open_table(TABLE).unwrap();
                let row = table.get(&row_key(&key(number, shards))[..]).unwrap();
                assert_eq!(row.unwrap().value().to_vec().len(), SLIVER);
            }
        }));
    }
    report(&format!("cold read, {shards} shards"), &floe, &inline);
    println!();
}

fn open(directory: &Path) -> Storage {
    let stamp = Stamp {
        node: NodeId::from_bytes([1; 32]),
        network: NetworkId {
            chain: ChainId::from_bytes([2; 32]),
            system: SystemId::from_bytes([3; 32]),
        },
        shards: ShardCount::MIN,
    };
    let settings = Settings {
        index_cache_bytes: CACHE,
        ..Settings::default()
    };
    let backend = Arc::new(DiskBackend::open(directory).unwrap());
    Storage::open(backend, stamp, &settings).unwrap().0
}

fn open_inline(file: &Path) -> Database {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).create(file).unwrap()
}

fn register(storage: &Storage, shards: u16) {
    let layout = BlobLayout::for_shards(ShardCount::MIN, BLOB_SIZE).unwrap();
    let mut at = EventCursor::START;
    let mut events = Vec::new();
    for number in 0..BATCHES * BATCH {
        at.checkpoint += 1;
        let event = BlobRegistered {
            epoch: Epoch::FIRST,
            blob: blob(number),
            size: BLOB_SIZE,
            encoding: layout.encoding(),
            end: Epoch::new(9),
            deletable: false,
            object: ObjectId::from_bytes(*blob(number).as_bytes()),
        };
        events.push((at, ChainEvent::BlobRegistered(event)));
    }
    let batch = EventBatch {
        after: EventCursor::START,
        events,
        up_to: at,
    };
    storage.apply(batch).unwrap().wait().unwrap();
    for shard in 0..shards {
        let kept = storage.keep_shard(ShardIndex(shard), Epoch::FIRST);
        kept.unwrap().wait().unwrap();
    }
}

fn blob(number: usize) -> BlobId {
    BlobId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// The slivers of one blob lie on all shards.
fn key(number: usize, shards: u16) -> SliverKey {
    SliverKey {
        blob: blob(number / usize::from(shards)),
        segment: SegmentIndex(0),
        shard: ShardIndex(u16::try_from(number % usize::from(shards)).unwrap()),
        axis: Axis::Secondary,
    }
}

fn row_key(key: &SliverKey) -> Vec<u8> {
    [&key.blob.as_bytes()[..], &key.shard.get().to_be_bytes()].concat()
}

fn insert(database: &Database, slivers: &[(SliverKey, Bytes)]) {
    let mut transaction = database.begin_write().unwrap();
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    let mut table = transaction.open_table(TABLE).unwrap();
    for (key, sliver) in slivers {
        table.insert(&row_key(key)[..], &sliver[..]).unwrap();
    }
    drop(table);
    transaction.commit().unwrap();
}

fn timed(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

/// Times are of one batch each.
fn report(what: &str, floe: &[Duration], inline: &[Duration]) {
    let rate = |seconds: f64| (BATCH * SLIVER) as f64 / seconds / 1e6;
    let (floe, inline) = (median(floe), median(inline));
    println!(
        "{what}: floe {:.2} ms ({:.0} MB/s), inline {:.2} ms ({:.0} MB/s), ratio {:.2}",
        floe * 1e3,
        rate(floe),
        inline * 1e3,
        rate(inline),
        inline / floe
    );
}

/// Bytes of the blocks of a file, or of the files in a directory.
fn disk_use(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    if path.is_dir() {
        let files = path.read_dir().unwrap();
        return files.map(|file| disk_use(&file.unwrap().path())).sum();
    }
    path.metadata().unwrap().blocks() * 512
}

/// Takes the files of a directory out of the page cache.
fn evict(directory: &Path) {
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let file = File::open(path).unwrap();
            file.sync_all().unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
    }
}
