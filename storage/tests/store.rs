//! The store as a node uses it: what it accepts, keeps, refuses and finds again.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use floe_chain::id::NodeId;
use floe_codec::{Axis, SegmentIndex, ShardIndex};
use floe_storage::{
    Applied, ApplyError, BlobSeq, Dropping, GetError, LedgerError, OpenError, PutError,
    RecordDamage, Settings, ShardError, ShardState, Stamp, Storage,
    backend::{Backend, DiskBackend, FaultyBackend, FileName, MemoryBackend},
};
use support::{
    Chain, blob, certified, deleted, epoch, extended, inconsistent, key, open, pair, registered,
    settings, sliver, stamp, started,
};

const BOTH: [ShardIndex; 2] = [ShardIndex(0), ShardIndex(1)];

/// A store in epoch 1 that keeps shards 0 and 1 and knows blobs 1 to 9, registered to epoch 5.
fn started_store(backend: &(impl Backend + Clone)) -> (Storage, Chain) {
    let storage = open(backend);
    let mut chain = Chain::default();
    let mut events = vec![started(1)];
    events.extend((1..=9).map(|number| registered(number, number, 5)));
    storage.apply(chain.batch(events)).unwrap().wait().unwrap();
    for shard in BOTH {
        storage.keep_shard(shard, epoch(1)).unwrap().wait().unwrap();
    }
    (storage, chain)
}

fn put(storage: &Storage, number: u8, shard: u16) {
    let pending = storage.put_slivers(pair(number, shard)).unwrap();
    pending.wait().unwrap();
}

#[test]
fn what_was_put_is_read_after_reopening() {
    let backend = MemoryBackend::default();
    let (storage, _) = started_store(&backend);
    put(&storage, 3, 0);
    assert!(storage.has_all(&blob(3).0, &BOTH[..1]).unwrap());
    assert!(!storage.has_all(&blob(3).0, &BOTH).unwrap());
    put(&storage, 3, 1);
    put(&storage, 3, 1);
    let metadata = storage.put_metadata(blob(3).0, SegmentIndex(0), "metadata".into());
    metadata.unwrap().wait().unwrap();
    drop(storage);

    let storage = open(&backend);
    assert!(storage.has_all(&blob(3).0, &BOTH).unwrap());
    for axis in Axis::BOTH {
        let key = key(3, 0, 1, axis);
        assert_eq!(storage.get_sliver(&key).unwrap(), Some(sliver(3, &key)));
    }
    assert_eq!(
        storage.get_sliver(&key(4, 0, 1, Axis::Primary)).unwrap(),
        None
    );
    let metadata = storage.get_metadata(&blob(3).0, SegmentIndex(0)).unwrap();
    assert_eq!(metadata, Some("metadata".into()));
}

#[test]
fn slivers_that_may_not_be_stored_are_refused() {
    let (storage, mut chain) = started_store(&MemoryBackend::default());
    let batch = chain.batch(vec![inconsistent(2), deleted(3, 3)]);
    storage.apply(batch).unwrap().wait().unwrap();
    let put = |slivers| storage.put_slivers(slivers).unwrap().wait().unwrap_err();
    assert_eq!(put(pair(20, 0)), PutError::NotRegistered(blob(20).0));
    assert_eq!(put(pair(2, 0)), PutError::Invalid(blob(2).0));
    assert_eq!(put(pair(3, 0)), PutError::NotRegistered(blob(3).0));
    assert_eq!(put(pair(1, 3)), PutError::WrongShard(ShardIndex(3)));
    let mut cut = pair(1, 0);
    cut[1].1.truncate(10);
    assert!(matches!(put(cut), PutError::WrongShape { length: 10, .. }));
    let mut beyond = pair(1, 0);
    beyond[0].0.segment = SegmentIndex(1);
    assert!(matches!(put(beyond), PutError::WrongShape { .. }));
    assert!(!storage.has_sliver(&key(1, 0, 0, Axis::Primary)).unwrap());
}

#[test]
fn the_inventory_meets_the_ledger_both_ways() {
    let (storage, mut chain) = started_store(&MemoryBackend::default());
    let summary = |shard, axis| {
        let summary = storage.inventory(ShardIndex(shard), axis).unwrap();
        (summary.complete_up_to.get(), summary.missing)
    };
    // Sliver first, number second.
    put(&storage, 1, 0);
    let batch = chain.batch(vec![certified(1, 1, 5), certified(2, 2, 5)]);
    storage.apply(batch).unwrap().wait().unwrap();
    assert_eq!(
        storage.blob(&blob(2).0).unwrap().unwrap().live,
        Some(BlobSeq(1))
    );
    assert_eq!(summary(0, Axis::Primary), (1, 1));
    assert_eq!(summary(1, Axis::Secondary), (0, 2));
    let missing = storage.missing((ShardIndex(0), Axis::Primary), BlobSeq(0), 10);
    assert_eq!(missing.unwrap(), [(BlobSeq(1), blob(2).0)]);
    // Number first, sliver second.
    put(&storage, 2, 0);
    assert_eq!(summary(0, Axis::Primary), (2, 0));
    // What is not live need not be held: blob 1 ends early, the others with epoch 5.
    let batch = chain.batch(vec![deleted(1, 1), extended(2, 2, 7), started(2)]);
    storage.apply(batch).unwrap().wait().unwrap();
    assert_eq!(summary(1, Axis::Secondary), (1, 1));
    let boundary = storage.boundary(epoch(2)).unwrap().unwrap();
    assert_eq!((boundary.next_seq, boundary.runs.len()), (BlobSeq(2), 1));
    let batch = chain.batch(vec![started(5), started(7)]);
    storage.apply(batch).unwrap().wait().unwrap();
    assert_eq!(storage.blob(&blob(2).0).unwrap().unwrap().registered, 0);
    assert_eq!(summary(1, Axis::Secondary), (2, 0));
    assert_eq!(storage.boundary(epoch(1)).unwrap(), None);
    // All blobs ended: nothing is left to sum.
    let boundary = storage.boundary(epoch(7)).unwrap().unwrap();
    assert_eq!(boundary.runs, [Default::default()]);
}

#[test]
fn a_second_registration_keeps_the_number_and_a_second_life_gets_a_new_one() {
    let (storage, mut chain) = started_store(&MemoryBackend::default());
    let mut apply = |events| {
        storage.apply(chain.batch(events)).unwrap().wait().unwrap();
        storage.blob(&blob(1).0).unwrap().and_then(|blob| blob.live)
    };
    assert_eq!(
        apply(vec![certified(1, 1, 5), registered(1, 99, 6)]),
        Some(BlobSeq(0))
    );
    assert_eq!(
        apply(vec![certified(1, 99, 6), deleted(1, 1)]),
        Some(BlobSeq(0))
    );
    assert_eq!(apply(vec![started(6)]), None);
    assert_eq!(
        apply(vec![registered(1, 98, 9), certified(1, 98, 9)]),
        Some(BlobSeq(1))
    );
    assert_eq!(apply(vec![inconsistent(1)]), None);
    assert_eq!(apply(vec![registered(1, 97, 9), certified(1, 97, 9)]), None);
}

#[test]
fn events_are_applied_exactly_once_and_in_order() {
    let backend = MemoryBackend::default();
    let (storage, mut chain) = started_store(&backend);
    let apply = |batch| storage.apply(batch).unwrap().wait();
    let batch = chain.batch(vec![certified(1, 1, 5)]);
    assert_eq!(apply(batch.clone()), Ok(Applied::New));
    assert_eq!(apply(batch.clone()), Ok(Applied::Before));
    let lost = chain.batch(vec![certified(2, 2, 5)]);
    let next = chain.batch(vec![certified(3, 3, 5)]);
    let gap = LedgerError::Gap {
        at: batch.up_to,
        after: next.after,
    };
    assert_eq!(apply(next), Err(ApplyError::Ledger(gap)));
    // A batch that contradicts the ledger leaves no trace of its good events.
    let mut wrong = lost.clone();
    wrong.up_to.checkpoint += 1;
    wrong.events.push((wrong.up_to, certified(1, 1, 5)));
    let refused = apply(wrong).unwrap_err();
    assert!(matches!(
        refused,
        ApplyError::Ledger(LedgerError::Contradiction { .. })
    ));
    assert_eq!(storage.position().unwrap().next_seq, BlobSeq(1));
    assert_eq!(apply(lost), Ok(Applied::New));
    assert_eq!(storage.position().unwrap().next_seq, BlobSeq(2));
}

#[test]
fn damage_is_told_taken_out_of_the_inventory_and_healed_by_a_put() {
    let disk = FaultyBackend::new(1);
    let (storage, mut chain) = started_store(&disk);
    put(&storage, 7, 0);
    let batch = chain.batch(vec![certified(7, 7, 5)]);
    storage.apply(batch).unwrap().wait().unwrap();
    let shard = ShardIndex(0);
    let missing = |axis| storage.inventory(shard, axis).unwrap().missing;
    assert_eq!((missing(Axis::Primary), missing(Axis::Secondary)), (0, 0));

    disk.flip_bits(2000, |name| name.as_str().ends_with(".slivers"));
    let mut corrupt = 0;
    for axis in Axis::BOTH {
        match storage.get_sliver(&key(7, 0, 0, axis)) {
            Err(GetError::Corrupt { damage, .. }) => {
                assert_ne!(damage, RecordDamage::Truncated);
                corrupt += 1;
            }
            other => assert_eq!(other.unwrap(), Some(sliver(7, &key(7, 0, 0, axis)))),
        }
    }
    assert!(
        corrupt > 0,
        "2,000 flipped bits in 1,500 bytes hit something"
    );
    assert_eq!(missing(Axis::Primary) + missing(Axis::Secondary), corrupt);
    assert!(!storage.has_all(&blob(7).0, &BOTH[..1]).unwrap());

    put(&storage, 7, 0);
    assert!(storage.has_all(&blob(7).0, &BOTH[..1]).unwrap());
    assert_eq!((missing(Axis::Primary), missing(Axis::Secondary)), (0, 0));
}

#[test]
fn a_directory_belongs_to_one_node_of_one_network_and_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let open = |stamp: Stamp| {
        let backend = Arc::new(DiskBackend::open(directory.path()).unwrap());
        Storage::open(backend, stamp, &settings())
    };
    let (storage, _) = open(stamp()).unwrap();
    assert!(matches!(open(stamp()), Err(OpenError::Locked)));
    drop(storage);
    let other = Stamp {
        node: NodeId::from_bytes([9; 32]),
        ..stamp()
    };
    let refused = open(other).unwrap_err().to_string();
    assert!(
        refused.starts_with("the data directory has node 0x0101"),
        "{refused}"
    );
    assert!(
        refused.ends_with(&format!("this node has {}", other.node)),
        "{refused}"
    );
    assert!(open(stamp()).is_ok());
}

#[test]
fn volumes_without_a_stamp_are_left_alone() {
    let backend = MemoryBackend::default();
    let name = FileName::new("00000-0000000000.slivers").unwrap();
    backend.create(&name).unwrap();
    let refused = Storage::open_inline(Arc::new(backend.clone()), stamp(), &settings());
    assert!(matches!(refused, Err(OpenError::Unstamped { volumes: 1 })));
    assert_eq!(backend.list().unwrap(), [name]);
}

#[test]
fn a_lost_index_is_rebuilt_from_the_volumes_and_the_chain() {
    let backend = MemoryBackend::default();
    let (storage, mut chain) = started_store(&backend);
    for number in 1..=9 {
        put(&storage, number, 0);
        put(&storage, number, 1);
    }
    let batch = chain.batch((1..=9).map(|number| certified(number, number, 5)).collect());
    storage.apply(batch).unwrap().wait().unwrap();
    drop(storage);

    Storage::discard_index(&backend, &stamp()).unwrap();
    let (storage, report) =
        Storage::open_inline(Arc::new(backend.clone()), stamp(), &settings()).unwrap();
    assert_eq!(report.adopted.values().sum::<u64>(), 36);
    let left = ShardState::Left { since: epoch(0) };
    assert_eq!(storage.shards().unwrap()[&ShardIndex(1)], left);
    let mut chain = Chain::default();
    let mut events = vec![started(1)];
    events.extend((1..=9).map(|number| registered(number, number, 5)));
    events.extend((1..=9).map(|number| certified(number, number, 5)));
    storage.apply(chain.batch(events)).unwrap().wait().unwrap();
    for shard in BOTH {
        storage.keep_shard(shard, epoch(1)).unwrap().wait().unwrap();
        for axis in Axis::BOTH {
            let summary = storage.inventory(shard, axis).unwrap();
            assert_eq!((summary.complete_up_to, summary.missing), (BlobSeq(9), 0));
        }
    }
    for number in 1..=9 {
        assert!(storage.has_all(&blob(number).0, &BOTH).unwrap());
        let key = key(number, 0, 1, Axis::Secondary);
        assert_eq!(
            storage.get_sliver(&key).unwrap(),
            Some(sliver(number, &key))
        );
    }
}

#[test]
fn many_callers_share_commits_and_a_full_queue_is_busy() {
    let directory = tempfile::tempdir().unwrap();
    let backend = Arc::new(DiskBackend::open(directory.path()).unwrap());
    let settings = Settings {
        queue_jobs: 4,
        ..settings()
    };
    let (storage, _) = Storage::open(backend, stamp(), &settings).unwrap();
    let mut chain = Chain::default();
    let mut events = vec![started(1)];
    events.extend((1..=200).map(|number| registered(number, number, 5)));
    storage.apply(chain.batch(events)).unwrap().wait().unwrap();
    storage
        .keep_shard(ShardIndex(0), epoch(1))
        .unwrap()
        .wait()
        .unwrap();
    let mut waiting = Vec::new();
    let mut busy = 0;
    for number in 1..=200 {
        while waiting.len() < usize::from(number) {
            match storage.put_slivers(pair(number, 0)) {
                Ok(pending) => waiting.push(pending),
                Err(_) => {
                    busy += 1;
                    std::thread::yield_now();
                }
            }
        }
    }
    assert!(busy > 0, "200 puts do not fit into a queue of 4");
    for pending in waiting {
        futures::executor::block_on(pending).unwrap();
    }
    for number in 1..=200 {
        assert!(storage.has_all(&blob(number).0, &BOTH[..1]).unwrap());
    }
}

/// Runs a plan of garbage collection in steps of two slivers.
fn collect_all(storage: &Storage) -> u64 {
    let plan = storage.plan_collection(100).unwrap();
    let mut slivers = 0;
    loop {
        let step = storage.collect(plan.clone(), 2).unwrap().wait().unwrap();
        slivers += step.slivers;
        if step.finished {
            return slivers;
        }
    }
}

fn volume_bytes(backend: &MemoryBackend) -> u64 {
    let names = backend.list().unwrap();
    let volumes = names
        .iter()
        .filter(|name| name.as_str().ends_with(".slivers"));
    volumes
        .map(|name| backend.open(name).unwrap().size().unwrap())
        .sum()
}

#[test]
fn garbage_is_collected_after_a_tombstone_and_its_space_given_back() {
    let backend = MemoryBackend::default();
    let (storage, mut chain) = started_store(&backend);
    for number in 1..=9 {
        put(&storage, number, 0);
        put(&storage, number, 1);
    }
    let mut events: Vec<_> = (1..=8).map(|number| deleted(number, number)).collect();
    events.push(certified(9, 9, 5));
    storage.apply(chain.batch(events)).unwrap().wait().unwrap();
    assert!(
        storage.plan_collection(100).unwrap().is_empty(),
        "no tombstone yet"
    );
    // Blob 8 is registered again before its time has come.
    let batch = chain.batch(vec![started(2), registered(8, 80, 9), started(3)]);
    storage.apply(batch).unwrap().wait().unwrap();
    let plan = storage.plan_collection(100).unwrap();
    assert_eq!((plan.collect.len(), plan.spare.len()), (7, 1));
    assert_eq!(collect_all(&storage), 7 * 4);
    assert!(storage.plan_collection(100).unwrap().is_empty());
    assert_eq!(storage.blob(&blob(3).0).unwrap(), None);
    assert!(!storage.has_sliver(&key(3, 0, 0, Axis::Primary)).unwrap());

    let before = volume_bytes(&backend);
    while !storage.compact(500).unwrap().finished {}
    let after = volume_bytes(&backend);
    let live: u64 = [8, 9]
        .iter()
        .flat_map(|number| [pair(*number, 0), pair(*number, 1)].concat())
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    assert!(after < before / 2, "{before} -> {after}, {live} live");
    for number in [8, 9] {
        assert!(storage.has_all(&blob(number).0, &BOTH).unwrap());
        let key = key(number, 0, 1, Axis::Secondary);
        assert_eq!(
            storage.get_sliver(&key).unwrap(),
            Some(sliver(number, &key))
        );
    }
    assert_eq!(storage.audit().unwrap(), []);
    drop(storage);
    assert_eq!(open(&backend).audit().unwrap(), []);
}

#[test]
fn compaction_puts_what_it_cannot_read_up_for_recovery() {
    let disk = FaultyBackend::new(5);
    let (storage, mut chain) = started_store(&disk);
    for number in 1..=9 {
        put(&storage, number, 0);
    }
    disk.flip_bits(3, |name| name.as_str().ends_with(".slivers"));
    let events = (1..=6).map(|number| deleted(number, number)).collect();
    storage.apply(chain.batch(events)).unwrap().wait().unwrap();
    let batch = chain.batch(vec![started(2), started(3)]);
    storage.apply(batch).unwrap().wait().unwrap();
    collect_all(&storage);
    while !storage.compact(u64::MAX).unwrap().finished {}
    assert_eq!(storage.audit().unwrap(), []);
    let lost: Vec<_> = storage.recovery_tasks(None, 10).unwrap();
    for number in 7..=9 {
        for axis in Axis::BOTH {
            let key = key(number, 0, 0, axis);
            let condemned = lost.iter().any(|(lost, _)| *lost == key);
            assert_eq!(storage.has_sliver(&key).unwrap(), !condemned, "{key}");
        }
    }
}

#[test]
fn scrubbing_finds_every_damaged_sliver_in_one_pass_and_resumes() {
    let disk = FaultyBackend::new(2);
    let (storage, _) = started_store(&disk);
    for number in 1..=9 {
        put(&storage, number, 0);
        put(&storage, number, 1);
    }
    let scrub = |verify: &dyn Fn(u8) -> bool| {
        let (mut from, mut slivers, mut damaged) = (None, 0, Vec::new());
        loop {
            let step = storage
                .scrub(from, 300, |key, _| verify(key.blob.as_bytes()[0]))
                .unwrap();
            slivers += step.slivers;
            damaged.extend(step.damaged);
            from = step.next;
            if from.is_none() {
                return (slivers, damaged);
            }
        }
    };
    assert_eq!(scrub(&|_| true), (36, vec![]));
    disk.flip_bits(20, |name| name.as_str().ends_with(".slivers"));
    let (slivers, damaged) = scrub(&|_| true);
    assert_eq!(slivers, 36);
    assert!(!damaged.is_empty());
    let tasks: Vec<_> = storage.recovery_tasks(None, 100).unwrap();
    assert!(tasks.iter().map(|(key, _)| key).eq(&damaged));
    // What is left is intact; what the caller knows better is damaged all the same.
    assert_eq!(scrub(&|_| true).1, []);
    let (_, disowned) = scrub(&|number| number != 4);
    assert!(!disowned.is_empty() && disowned.iter().all(|key| key.blob == blob(4).0));
    assert_eq!(storage.audit().unwrap(), []);
    for number in 1..=9 {
        put(&storage, number, 0);
        put(&storage, number, 1);
    }
    assert_eq!(scrub(&|_| true), (36, vec![]));
    assert_eq!(storage.recovery_tasks(None, 100).unwrap(), []);
}

#[test]
fn a_shard_that_was_left_can_be_dropped_and_come_back() {
    let backend = MemoryBackend::default();
    let (storage, mut chain) = started_store(&backend);
    for number in 1..=9 {
        put(&storage, number, 0);
        put(&storage, number, 1);
    }
    let events = (1..=9).map(|number| certified(number, number, 5)).collect();
    storage.apply(chain.batch(events)).unwrap().wait().unwrap();
    let shard = ShardIndex(1);
    let drop_step = |from| storage.drop_shard(shard, from, 5).unwrap().wait();
    assert_eq!(drop_step(None), Err(ShardError::Kept(shard)));
    storage
        .leave_shard(shard, epoch(2))
        .unwrap()
        .wait()
        .unwrap();
    let served = key(2, 0, 1, Axis::Primary);
    assert!(storage.get_sliver(&served).unwrap().is_some());
    assert!(!storage.has_all(&blob(2).0, &BOTH).unwrap());

    let mut from = None;
    while let Dropping::Continue(next) = drop_step(from).unwrap() {
        from = Some(next);
        let refused = storage.keep_shard(shard, epoch(3)).unwrap().wait();
        assert_eq!(refused, Err(ShardError::BeingDropped(shard)));
    }
    assert!(storage.remove_retired().unwrap() > 0);
    assert_eq!(storage.shards().unwrap().len(), 1);
    assert_eq!(storage.get_sliver(&served).unwrap(), None);
    assert_eq!(storage.audit().unwrap(), []);

    storage.keep_shard(shard, epoch(3)).unwrap().wait().unwrap();
    let missing = |shard| storage.inventory(shard, Axis::Primary).unwrap().missing;
    assert_eq!((missing(ShardIndex(0)), missing(shard)), (0, 9));
    put(&storage, 2, 1);
    assert_eq!(missing(shard), 8);
    assert!(storage.has_all(&blob(2).0, &BOTH).unwrap());
    assert_eq!(storage.audit().unwrap(), []);
}

#[test]
fn no_flipped_bit_is_ever_returned() {
    let mut told = 0;
    for seed in 0..40 {
        let disk = FaultyBackend::new(seed);
        let (storage, _) = started_store(&disk);
        put(&storage, 9, 0);
        disk.flip_bits(1, |name| name.as_str().ends_with(".slivers"));
        for axis in Axis::BOTH {
            let key = key(9, 0, 0, axis);
            match storage.get_sliver(&key) {
                Ok(read) => assert_eq!(read, Some(sliver(9, &key))),
                Err(error) => {
                    assert!(matches!(error, GetError::Corrupt { .. }), "{error}");
                    told += 1;
                }
            }
        }
    }
    // The rest hit the volume's header, which no read depends on.
    assert!(told > 30, "{told} of 40 flips told");
}
