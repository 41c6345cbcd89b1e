//! The store on a disk that loses power: whatever a seed decides to drop, tear or reorder, nothing
//! that was acknowledged is lost, nothing wrong is read, and the store opens.
//!
//! A seed runs a workload over several boots, each ended by a power cut at a random operation, now
//! and then by a failed sync instead, or by a second cut while the first is being recovered from.
//! `FLOE_SEEDS=5000 cargo test -p floe-storage --release --test simulated_disk` runs more seeds;
//! `FLOE_SEED=7` runs only that one.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use floe_codec::{Axis, ShardIndex};
use floe_storage::{
    Applied, Dropping, EventBatch, ShardState, SliverKey, Storage,
    backend::{Faults, FaultyBackend},
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use support::{
    Chain, blob, certified, deleted, epoch, extended, key, pair, registered, settings, sliver,
    stamp, started,
};

const SEEDS: u64 = 200;
const BOOTS: usize = 4;
const STEPS: usize = 14;
const KEPT: [ShardIndex; 2] = [ShardIndex(0), ShardIndex(1)];

#[test]
fn nothing_acknowledged_is_lost_whatever_a_power_cut_leaves() {
    let only = std::env::var("FLOE_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap());
    let seeds = std::env::var("FLOE_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let mut seen = Seen::default();
    for seed in only.map_or(0..seeds, |seed| seed..seed + 1) {
        seen.add(&World::run(seed).seen);
    }
    println!("{seen:?}");
    if only.is_none() {
        seen.assert_everything_happened();
    }
}

#[test]
fn a_seed_repeats_exactly() {
    for seed in [3, 1_000_003] {
        let (first, second) = (World::run(seed), World::run(seed));
        assert_eq!(
            first.trace.finalize(),
            second.trace.finalize(),
            "seed {seed}"
        );
        assert_ne!(
            first.trace.finalize(),
            World::run(seed + 1).trace.finalize()
        );
    }
}

/// How often each kind of trouble happened: a run in which it did not proves nothing about it.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: u64,
    unanswered: u64,
    power_cuts: u64,
    cuts_while_opening: u64,
    failed_syncs: u64,
    cut_bytes: u64,
    adopted: u64,
    reopened: u64,
    collected: u64,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.unanswered += other.unanswered;
        self.power_cuts += other.power_cuts;
        self.cuts_while_opening += other.cuts_while_opening;
        self.failed_syncs += other.failed_syncs;
        self.cut_bytes += other.cut_bytes;
        self.adopted += other.adopted;
        self.reopened += other.reopened;
        self.collected += other.collected;
    }

    fn assert_everything_happened(&self) {
        let Self {
            acknowledged,
            unanswered,
            power_cuts,
            cuts_while_opening,
            failed_syncs,
            cut_bytes,
            adopted,
            reopened,
            collected,
        } = self;
        for count in [
            acknowledged,
            unanswered,
            power_cuts,
            cuts_while_opening,
            failed_syncs,
            cut_bytes,
            adopted,
            reopened,
            collected,
        ] {
            assert!(*count > 0, "{self:?}");
        }
    }
}

/// All slivers there can be.
fn every_sliver() -> impl Iterator<Item = (u8, ShardIndex, Axis)> {
    (1..=20).flat_map(|number| {
        KEPT.into_iter()
            .flat_map(move |shard| Axis::BOTH.map(move |axis| (number, shard, axis)))
    })
}

/// One seed's disk, and what the store said about it.
struct World {
    random: ChaCha8Rng,
    disk: FaultyBackend,
    /// What was acknowledged.
    slivers: BTreeSet<(u8, SliverKey)>,
    shards: BTreeSet<ShardIndex>,
    /// Batches of events, all of them in order; the first `applied` were acknowledged.
    batches: Vec<EventBatch>,
    applied: usize,
    chain: Chain,
    /// Blobs and the ends of their registrations that are not deleted.
    ends: BTreeMap<u8, u32>,
    certified: BTreeSet<u8>,
    epoch: u32,
    trace: blake3::Hasher,
    seen: Seen,
}

impl World {
    fn run(seed: u64) -> Self {
        let mut world = World {
            random: ChaCha8Rng::seed_from_u64(seed),
            disk: FaultyBackend::new(seed),
            slivers: BTreeSet::new(),
            shards: BTreeSet::new(),
            batches: Vec::new(),
            applied: 0,
            chain: Chain::default(),
            ends: BTreeMap::new(),
            certified: BTreeSet::new(),
            epoch: 0,
            trace: blake3::Hasher::new(),
            seen: Seen::default(),
        };
        for _ in 0..BOOTS {
            world.live_through(seed);
            // After a failed sync the store may be opened again on a machine that goes on running:
            // what it says then must be true after the next power cut as well.
            while world.disk.is_powered() && world.random.random_bool(0.5) {
                world.seen.reopened += 1;
                world.live_through(seed);
            }
            world.power_cut();
        }
        let storage = world.open();
        world.check(&storage, seed);
        world
    }

    fn live_through(&mut self, seed: u64) {
        let storage = self.open();
        self.check(&storage, seed);
        self.plan_trouble();
        self.work(&storage);
    }

    /// Opens the store; now and then the power goes out while it opens.
    fn open(&mut self) -> Storage {
        loop {
            let cut = self
                .random
                .random_bool(0.3)
                .then(|| self.random.random_range(1..40));
            self.disk.set_faults(Faults {
                power_cut_at: cut,
                ..Faults::default()
            });
            let opened = Storage::open_inline(Arc::new(self.disk.clone()), stamp(), &settings());
            match opened {
                Ok((storage, report)) => {
                    self.seen.cut_bytes += report.cut_bytes;
                    self.seen.adopted += report.adopted.values().sum::<u64>();
                    assert_eq!(report.short, [], "no volume may lose committed bytes");
                    return storage;
                }
                Err(error) => {
                    assert!(!self.disk.is_powered(), "the store does not open: {error}");
                    self.seen.cuts_while_opening += 1;
                    self.power_cut();
                }
            }
        }
    }

    fn power_cut(&mut self) {
        self.disk.power_cut();
        self.seen.power_cuts += 1;
        self.trace.update(&self.disk.fingerprint());
    }

    fn plan_trouble(&mut self) {
        let mut faults = Faults::default();
        if self.random.random_bool(0.25) {
            faults.failed_sync = Some(self.random.random_range(1..30));
        } else {
            faults.power_cut_at = Some(self.random.random_range(1..200));
        }
        if self.random.random_bool(0.2) {
            faults.longest_write = Some(self.random.random_range(1..600));
        }
        self.disk.set_faults(faults);
    }

    /// Everything acknowledged is there, and nothing wrong is.
    fn check(&mut self, storage: &Storage, seed: u64) {
        assert_eq!(storage.audit().unwrap(), [], "seed {seed}");
        for (number, key) in &self.slivers {
            let held = storage.has_sliver(key).unwrap();
            assert!(held, "seed {seed}: lost the {key}");
            let read = storage.get_sliver(key).unwrap();
            assert_eq!(read, Some(sliver(*number, key)), "seed {seed}: {key}");
        }
        for shard in &self.shards {
            assert!(storage.shards().unwrap().contains_key(shard), "seed {seed}");
        }
        let at = storage.position().unwrap().cursor;
        let applied = self
            .batches
            .iter()
            .take_while(|batch| batch.up_to <= at)
            .count();
        assert!(applied >= self.applied, "seed {seed}: the ledger went back");
        self.applied = applied;
        self.trace.update(&at.to_key());
        // What was on its way may be there, if it is whole, and then it is there for good: a node
        // that sees it confirms it.
        for (number, shard, axis) in every_sliver() {
            let key = key(number, 0, shard.get(), axis);
            if let Some(read) = storage.get_sliver(&key).unwrap() {
                assert_eq!(read, sliver(number, &key), "seed {seed}: {key}");
                self.slivers.insert((number, key));
                self.trace.update(key.to_string().as_bytes());
            }
        }
    }

    /// Does things until the disk fails or the boot is long enough.
    fn work(&mut self, storage: &Storage) {
        // What was not acknowledged is applied again: both outcomes are right.
        for index in self.applied..self.batches.len() {
            if !self.apply(storage, index) {
                return self.fail(storage);
            }
        }
        for shard in KEPT {
            let dropped = storage.shards().unwrap().get(&shard) == Some(&ShardState::Dropped);
            if dropped && !self.drop_shard(storage, shard) {
                return self.fail(storage);
            }
            if storage.keep_shard(shard, epoch(1)).unwrap().wait().is_err() {
                return self.fail(storage);
            }
            self.shards.insert(shard);
        }
        for _ in 0..STEPS {
            let done = match self.random.random_range(0..20) {
                0..=5 => self.next_events(storage),
                6..=7 => self.collect(storage),
                8 => storage.compact(self.random.random_range(1..5000)).is_ok(),
                9 => {
                    storage
                        .leave_shard(KEPT[1], epoch(2))
                        .unwrap()
                        .wait()
                        .is_ok()
                        && self.drop_shard(storage, KEPT[1])
                        && storage
                            .keep_shard(KEPT[1], epoch(2))
                            .unwrap()
                            .wait()
                            .is_ok()
                }
                _ => self.put(storage),
            };
            if !done {
                return self.fail(storage);
            }
        }
    }

    fn collect(&mut self, storage: &Storage) -> bool {
        let plan = storage.plan_collection(3).unwrap();
        for (_, blob) in &plan.collect {
            self.slivers.retain(|(_, key)| key.blob != *blob);
        }
        loop {
            match storage.collect(plan.clone(), 3).unwrap().wait() {
                Ok(step) => {
                    self.seen.collected += step.slivers;
                    if step.finished {
                        return true;
                    }
                }
                Err(_) => return false,
            }
        }
    }

    fn drop_shard(&mut self, storage: &Storage, shard: ShardIndex) -> bool {
        self.slivers.retain(|(_, key)| key.shard != shard);
        self.shards.remove(&shard);
        let mut from = None;
        loop {
            match storage.drop_shard(shard, from, 7).unwrap().wait() {
                Ok(Dropping::Continue(next)) => from = Some(next),
                Ok(Dropping::Done) => return storage.remove_retired().is_ok(),
                Err(_) => return false,
            }
        }
    }

    /// The store has failed: it must refuse everything.
    fn fail(&mut self, storage: &Storage) {
        self.seen.unanswered += 1;
        let refused = storage.keep_shard(KEPT[0], epoch(1)).unwrap().wait();
        assert!(refused.is_err(), "acknowledged after a failure");
        assert!(storage.failure().is_some());
        self.seen.failed_syncs += u64::from(self.disk.is_powered());
    }

    fn apply(&mut self, storage: &Storage, index: usize) -> bool {
        let pending = storage.apply(self.batches[index].clone()).unwrap();
        match pending.wait() {
            Ok(applied) => {
                assert!(applied != Applied::Partly, "too little expires here");
                self.applied = index + 1;
                self.seen.acknowledged += 1;
                true
            }
            Err(error) => {
                assert!(storage.failure().is_some(), "{error}");
                false
            }
        }
    }

    fn next_events(&mut self, storage: &Storage) -> bool {
        let mut events = Vec::new();
        if self.epoch == 0 {
            self.epoch = 1;
            events.push(started(1));
        }
        for _ in 0..self.random.random_range(1..6) {
            let number = self.random.random_range(1..=20);
            let end = self.ends.get(&number).copied();
            match (end, self.random.random_range(0..10)) {
                (None, _) => {
                    let end = self.epoch + self.random.random_range(2..5);
                    self.ends.insert(number, end);
                    events.push(registered(number, number, end));
                }
                (Some(end), 0..=4) if !self.certified.contains(&number) => {
                    self.certified.insert(number);
                    events.push(certified(number, number, end));
                }
                (Some(end), 5) => {
                    self.ends.insert(number, end + 1);
                    events.push(extended(number, number, end + 1));
                }
                (Some(_), 6) => {
                    self.forget(number);
                    events.push(deleted(number, number));
                }
                (Some(_), 7) => {
                    self.epoch += 1;
                    events.push(started(self.epoch));
                    let over = self.ends.iter().filter(|(_, end)| **end <= self.epoch);
                    let over: Vec<u8> = over.map(|(number, _)| *number).collect();
                    over.into_iter().for_each(|number| self.forget(number));
                }
                _ => {}
            }
        }
        self.batches.push(self.chain.batch(events));
        self.apply(storage, self.batches.len() - 1)
    }

    /// The registration of a blob has ended.
    fn forget(&mut self, number: u8) {
        self.ends.remove(&number);
        self.certified.remove(&number);
    }

    fn put(&mut self, storage: &Storage) -> bool {
        let numbers: Vec<u8> = self.ends.keys().copied().collect();
        let Some(&number) = numbers.choose(&mut self.random) else {
            return true;
        };
        let shard = KEPT.choose(&mut self.random).unwrap();
        let slivers = pair(number, shard.get());
        let keys: Vec<SliverKey> = slivers.iter().map(|(key, _)| *key).collect();
        match storage.put_slivers(slivers).unwrap().wait() {
            Ok(()) => {
                self.slivers
                    .extend(keys.into_iter().map(|key| (number, key)));
                self.seen.acknowledged += 1;
                true
            }
            Err(error) => {
                assert!(
                    storage.failure().is_some(),
                    "{error} for {}",
                    blob(number).0
                );
                false
            }
        }
    }
}
