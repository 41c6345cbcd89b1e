//! What is not wanted any more goes, and its space comes back.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use floe_codec::{Axis, ShardIndex};
use std::sync::Arc;

use floe_storage::{
    Dropping, Settings, ShardError, Storage,
    backend::{Backend, MemoryBackend},
};
use support::{
    BOTH, Chain, blob, certified, collect_all, deleted, epoch, key, open, pair, put, registered,
    settings, sliver, stamp, started, started_store,
};

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
fn what_is_acknowledged_while_its_volume_is_emptied_stays() {
    let backend = MemoryBackend::default();
    let settings = Settings {
        volume_bytes: 1 << 20,
        ..settings()
    };
    let (storage, _) = Storage::open(Arc::new(backend), stamp(), &settings).unwrap();
    let mut chain = Chain::default();
    let mut events = vec![started(1)];
    events.extend((1..=250).map(|number| registered(number, number, 5)));
    storage.apply(chain.batch(events)).unwrap().wait().unwrap();
    for shard in BOTH {
        storage.keep_shard(shard, epoch(1)).unwrap().wait().unwrap();
    }
    for number in (1..=249).step_by(2) {
        // The volumes that are appended to hold something dead, too.
        BOTH.iter()
            .for_each(|shard| put(&storage, number, shard.get()));
        let dead = blob(number).0;
        storage
            .scrub(None, u64::MAX, |key, _| key.blob != dead)
            .unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| storage.compact(u64::MAX).unwrap());
            put(&storage, number + 1, 0);
            put(&storage, number + 1, 1);
        });
    }
    let lost = (2..=250_u8)
        .step_by(2)
        .filter(|&number| !storage.has_all(&blob(number).0, &BOTH).unwrap());
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<u8>::new());
    assert_eq!(storage.audit().unwrap(), []);
}
