//! A small chain and slivers made up from their keys, for the tests of the store.
#![allow(dead_code, reason = "each test program uses its part")]

use std::sync::Arc;

use bytes::Bytes;
use floe_chain::{
    amount::Wal,
    cost::Prices,
    epoch::{ChainTime, Epoch},
    event::{
        BlobCertified, BlobDeleted, BlobExtended, BlobInconsistent, BlobRegistered, ChainEvent,
        EpochStarted, EventCursor,
    },
    id::{ChainId, NetworkId, NodeId, ObjectId, SystemId},
};
use floe_codec::{Axis, BlobId, BlobLayout, SegmentIndex, ShardCount, ShardIndex};
use floe_storage::{EventBatch, Settings, SliverKey, Stamp, Storage, backend::Backend};

/// n of the small network.
pub(crate) const SHARDS: ShardCount = match ShardCount::new(4) {
    Ok(shards) => shards,
    Err(_) => panic!("4 shards are enough"),
};

pub(crate) fn stamp() -> Stamp {
    Stamp {
        node: NodeId::from_bytes([1; 32]),
        network: NetworkId {
            chain: ChainId::from_bytes([2; 32]),
            system: SystemId::from_bytes([3; 32]),
        },
        shards: SHARDS,
    }
}

/// Small volumes and no reserve, so that little data exercises everything.
pub(crate) fn settings() -> Settings {
    Settings {
        volume_bytes: 4096,
        reserve_bytes: 0,
        index_cache_bytes: 1 << 20,
        ..Settings::default()
    }
}

pub(crate) fn open(backend: &(impl Backend + Clone)) -> Storage {
    let (storage, _) =
        Storage::open_inline(Arc::new(backend.clone()), stamp(), &settings()).unwrap();
    storage
}

pub(crate) fn epoch(number: u32) -> Epoch {
    Epoch::new(number)
}

/// Blob number `number`, and its size.
pub(crate) fn blob(number: u8) -> (BlobId, u64) {
    (
        BlobId::from_bytes([number; 32]),
        100 * u64::from(number) + 1,
    )
}

/// Events, each in a transaction of its own.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    at: EventCursor,
    epoch: Epoch,
}

impl Chain {
    /// A batch of the next events.
    pub(crate) fn batch(&mut self, events: Vec<ChainEvent>) -> EventBatch {
        let after = self.at;
        let mut at = after;
        let events: Vec<_> = events
            .into_iter()
            .map(|event| {
                at.checkpoint += 1;
                if let ChainEvent::EpochStarted(event) = &event {
                    self.epoch = event.epoch;
                }
                (at, event)
            })
            .collect();
        self.at = at;
        EventBatch {
            after,
            events,
            up_to: at,
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }
}

pub(crate) fn object(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 32])
}

pub(crate) fn registered(number: u8, object_number: u8, end: u32) -> ChainEvent {
    let (blob, size) = blob(number);
    ChainEvent::BlobRegistered(BlobRegistered {
        epoch: epoch(1),
        object: object(object_number),
        blob,
        size,
        encoding: BlobLayout::for_shards(SHARDS, size).unwrap().encoding(),
        deletable: true,
        end: epoch(end),
    })
}

pub(crate) fn certified(number: u8, object_number: u8, end: u32) -> ChainEvent {
    let (blob, size) = blob(number);
    ChainEvent::BlobCertified(BlobCertified {
        epoch: epoch(1),
        object: object(object_number),
        blob,
        size,
        encoding: BlobLayout::for_shards(SHARDS, size).unwrap().encoding(),
        end: epoch(end),
        deletable: true,
    })
}

pub(crate) fn extended(number: u8, object_number: u8, end: u32) -> ChainEvent {
    ChainEvent::BlobExtended(BlobExtended {
        epoch: epoch(1),
        object: object(object_number),
        blob: blob(number).0,
        end: epoch(end),
        deletable: true,
    })
}

pub(crate) fn deleted(number: u8, object_number: u8) -> ChainEvent {
    ChainEvent::BlobDeleted(BlobDeleted {
        epoch: epoch(1),
        object: object(object_number),
        blob: blob(number).0,
        certified: true,
    })
}

pub(crate) fn inconsistent(number: u8) -> ChainEvent {
    ChainEvent::BlobInconsistent(BlobInconsistent {
        epoch: epoch(1),
        blob: blob(number).0,
    })
}

pub(crate) fn started(number: u32) -> ChainEvent {
    ChainEvent::EpochStarted(EpochStarted {
        epoch: epoch(number),
        at: ChainTime::from_ms(0),
        prices: Prices {
            storage: Wal::ZERO,
            write: Wal::ZERO,
        },
        capacity: 0,
        burned: Wal::ZERO,
    })
}

pub(crate) fn key(number: u8, segment: u32, shard: u16, axis: Axis) -> SliverKey {
    SliverKey {
        blob: blob(number).0,
        segment: SegmentIndex(segment),
        shard: ShardIndex(shard),
        axis,
    }
}

/// The bytes of a sliver: a function of its key.
pub(crate) fn sliver(number: u8, key: &SliverKey) -> Bytes {
    let layout = BlobLayout::for_shards(SHARDS, blob(number).1).unwrap();
    let size = layout.segment(key.segment).unwrap().sliver_size(key.axis);
    let mut bytes = vec![0; size];
    blake3::Hasher::new()
        .update(key.to_string().as_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    Bytes::from(bytes)
}

/// Both slivers of a one-segment blob for a shard.
pub(crate) fn pair(number: u8, shard: u16) -> Vec<(SliverKey, Bytes)> {
    Axis::BOTH
        .map(|axis| key(number, 0, shard, axis))
        .map(|key| (key, sliver(number, &key)))
        .to_vec()
}

/// The shards that are kept.
pub(crate) const BOTH: [ShardIndex; 2] = [ShardIndex(0), ShardIndex(1)];

/// A store in epoch 1 that keeps shards 0 and 1 and knows blobs 1 to 9, registered to epoch 5.
pub(crate) fn started_store(backend: &(impl Backend + Clone)) -> (Storage, Chain) {
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

/// Stores a blob's pair for a shard.
pub(crate) fn put(storage: &Storage, number: u8, shard: u16) {
    let pending = storage.put_slivers(pair(number, shard)).unwrap();
    pending.wait().unwrap();
}

/// Runs a plan of garbage collection in steps of two slivers.
pub(crate) fn collect_all(storage: &Storage) -> u64 {
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
