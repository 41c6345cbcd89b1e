//! Following the chain: exactly once, and always in step with what is held.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use bytes::Bytes;
use floe_chain::{event::ChainEvent, id::ObjectId};
use floe_codec::{Axis, BlobLayout, SegmentIndex, ShardIndex};
use floe_storage::{
    Applied, ApplyError, BlobSeq, LedgerError, SliverKey, Storage, backend::MemoryBackend,
};
use support::{
    Chain, SHARDS, blob, certified, deleted, epoch, extended, inconsistent, key, open, put,
    registered, started, started_store,
};

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
    // Batches may overlap.
    let mut both = batch.clone();
    both.events.extend(lost.events.clone());
    both.up_to = lost.up_to;
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
    assert_eq!(apply(both), Ok(Applied::New));
    assert_eq!(storage.position().unwrap().next_seq, BlobSeq(2));
    assert_eq!(apply(lost), Ok(Applied::Before));
}

#[test]
fn an_epoch_that_ends_much_begins_in_several_commits() {
    let storage = open(&MemoryBackend::default());
    let mut chain = Chain::default();
    let register = (0..10_000u32).map(|number| {
        let mut event = registered(1, 1, 2);
        if let ChainEvent::BlobRegistered(event) = &mut event {
            let mut object = [7; 32];
            object[..4].copy_from_slice(&number.to_be_bytes());
            event.object = ObjectId::from_bytes(object);
        }
        event
    });
    let batch = chain.batch(std::iter::once(started(1)).chain(register).collect());
    storage.apply(batch).unwrap().wait().unwrap();
    let batch = chain.batch(vec![registered(2, 2, 9), started(2), registered(3, 3, 9)]);
    let mut registrations = Vec::new();
    loop {
        let applied = storage.apply(batch.clone()).unwrap().wait().unwrap();
        let registered = storage.blob(&blob(1).0).unwrap().unwrap().registered;
        registrations.push((registered, storage.position().unwrap().epoch.get()));
        assert_eq!(storage.audit().unwrap(), []);
        if applied == Applied::New {
            break;
        }
        assert_eq!(applied, Applied::Partly);
    }
    assert_eq!(registrations, [(5904, 1), (1808, 1), (0, 2)]);
    assert!(storage.blob(&blob(3).0).unwrap().is_some());
    assert_eq!(storage.apply(batch).unwrap().wait(), Ok(Applied::Before));
}

#[test]
fn a_blob_of_several_segments_is_held_when_all_of_them_are() {
    let storage = open(&MemoryBackend::default());
    let mut chain = Chain::default();
    let capacity = BlobLayout::for_shards(SHARDS, 1)
        .unwrap()
        .segment_capacity() as u64;
    let layout = BlobLayout::for_shards(SHARDS, 2 * capacity + 1).unwrap();
    let mut event = registered(1, 1, 5);
    if let ChainEvent::BlobRegistered(event) = &mut event {
        event.size = layout.length();
    }
    let batch = chain.batch(vec![started(1), event, certified(1, 1, 5)]);
    storage.apply(batch).unwrap().wait().unwrap();
    let shard = ShardIndex(0);
    storage.keep_shard(shard, epoch(1)).unwrap().wait().unwrap();
    let held = |storage: &Storage| {
        let missing = Axis::BOTH.map(|axis| storage.inventory(shard, axis).unwrap().missing);
        (missing, storage.has_all(&blob(1).0, &[shard]).unwrap())
    };
    let slivers = |axis, segments: [u32; 2]| {
        let keys = segments.map(|segment| key(1, segment, 0, axis));
        keys.map(|key| {
            let size = layout.segment(key.segment).unwrap().sliver_size(axis);
            (key, vec![7; size].into())
        })
    };
    let put = |slivers: &[(SliverKey, Bytes)]| {
        storage
            .put_slivers(slivers.to_vec())
            .unwrap()
            .wait()
            .unwrap();
    };
    put(&slivers(Axis::Primary, [2, 1]));
    assert_eq!(held(&storage), ([1, 1], false));
    let missing = |axis| {
        let from = SegmentIndex(0);
        storage
            .missing_segments(&blob(1).0, (shard, axis), from, 9)
            .unwrap()
    };
    assert_eq!(missing(Axis::Primary), [SegmentIndex(0)]);
    put(&slivers(Axis::Primary, [0, 1]));
    assert_eq!(held(&storage), ([0, 1], false));
    assert_eq!(missing(Axis::Primary), []);
    put(&slivers(Axis::Secondary, [0, 1]));
    put(&slivers(Axis::Secondary, [1, 2]));
    assert_eq!(held(&storage), ([0, 0], true));
    assert_eq!(storage.audit().unwrap(), []);
    // Disowning a segment takes the blob out of the inventory again.
    let disown =
        |key: &SliverKey, _: &[u8]| (key.segment, key.axis) != (SegmentIndex(1), Axis::Primary);
    assert_eq!(
        storage.scrub(None, u64::MAX, disown).unwrap().damaged.len(),
        1
    );
    assert_eq!(held(&storage), ([1, 0], false));
    assert_eq!(storage.audit().unwrap(), []);
}
