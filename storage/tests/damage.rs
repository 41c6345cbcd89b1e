//! What fails under the store: rotten bits, lost indexes, failed syncs, full disks.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use floe_codec::{Axis, ShardIndex};
use floe_storage::{
    BlobSeq, GetError, PutError, RecordDamage, Settings, ShardState, SliverKey, Storage,
    backend::{Backend, Faults, FaultyBackend, FileName, MemoryBackend},
};
use support::{
    BOTH, Chain, blob, certified, collect_all, deleted, epoch, key, open, pair, put, registered,
    settings, sliver, stamp, started, started_store,
};

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
    let is_lost = |key: &SliverKey| storage.recovery_task(key).unwrap().is_some();
    assert!(damaged.iter().all(is_lost));
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
    assert!(!damaged.iter().chain(&disowned).any(is_lost));
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
    for number in 7..=9 {
        for axis in Axis::BOTH {
            let key = key(number, 0, 0, axis);
            let condemned = storage.recovery_task(&key).unwrap().is_some();
            assert_eq!(storage.has_sliver(&key).unwrap(), !condemned, "{key}");
        }
    }
}

#[test]
fn a_damaged_index_is_told_or_harmless_and_can_be_made_anew() {
    let (mut refused, mut opened) = (0, 0);
    for seed in 0..30 {
        let disk = FaultyBackend::new(seed);
        let (storage, _) = started_store(&disk);
        for number in 1..=9 {
            put(&storage, number, 0);
        }
        drop(storage);
        disk.flip_bits(1 + 20 * (seed % 3), |name| name.as_str() == "index.redb");
        let open = || Storage::open_inline(Arc::new(disk.clone()), stamp(), &settings());
        let check = |storage: &Storage, all: bool| {
            for number in 1..=9 {
                for axis in Axis::BOTH {
                    let key = key(number, 0, 0, axis);
                    match storage.get_sliver(&key) {
                        Ok(Some(read)) => assert_eq!(read, sliver(number, &key)),
                        other => assert!(!all, "seed {seed}: {key}: {other:?}"),
                    }
                }
            }
        };
        match open() {
            Ok((storage, _)) => {
                opened += 1;
                check(&storage, false);
            }
            Err(error) => {
                refused += 1;
                assert!(error.is_index_damage(), "seed {seed}: {error}");
            }
        }
        // Damage that was not looked at yet would be found by the commits of a new start.
        Storage::discard_index(&disk, &stamp()).unwrap();
        let backend = Arc::new(disk.clone());
        let (storage, _) = Storage::open_or_rebuild(backend, stamp(), &settings()).unwrap();
        check(&storage, true);
    }
    assert!(
        refused > 0 && opened > 0,
        "{refused} refused, {opened} opened"
    );
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
fn after_any_failed_sync_nothing_is_acknowledged_and_nothing_acknowledged_is_lost() {
    let mut failures = 0;
    for nth in 1..=40 {
        let disk = FaultyBackend::new(nth);
        let (storage, _) = started_store(&disk);
        disk.set_faults(Faults {
            failed_sync: Some(nth),
            ..Faults::default()
        });
        let mut acknowledged = Vec::new();
        let mut failed = false;
        for number in 1..=9 {
            let answer = storage.put_slivers(pair(number, 0)).unwrap().wait();
            assert!(
                answer.is_err() || !failed,
                "acknowledged after sync {nth} failed"
            );
            match answer {
                Ok(()) => acknowledged.push(number),
                Err(_) => failed = true,
            }
        }
        failures += u64::from(failed);
        drop(storage);
        disk.set_faults(Faults::default());
        if nth % 2 == 0 {
            disk.power_cut();
        }
        let storage = open(&disk);
        for number in acknowledged {
            assert!(
                storage.has_all(&blob(number).0, &BOTH[..1]).unwrap(),
                "sync {nth}"
            );
            let key = key(number, 0, 0, Axis::Secondary);
            assert_eq!(
                storage.get_sliver(&key).unwrap(),
                Some(sliver(number, &key))
            );
        }
        put(&storage, 9, 0);
        assert_eq!(storage.audit().unwrap(), []);
    }
    assert!(failures > 20, "{failures} of 40");
}

#[test]
fn a_full_disk_refuses_slivers_and_goes_on_once_something_was_collected() {
    let disk = FaultyBackend::new(3);
    let (storage, mut chain) = started_store(&disk);
    drop(storage);
    let reserve = Settings {
        reserve_bytes: 1 << 20,
        ..settings()
    };
    let (storage, _) = Storage::open_inline(Arc::new(disk.clone()), stamp(), &reserve).unwrap();
    for number in 1..=4 {
        put(&storage, number, 0);
    }
    // What is used by now, the reserve, and a little.
    let used = u64::MAX - disk.free_bytes().unwrap();
    disk.set_faults(Faults {
        capacity: Some(used + (1 << 20) + 3000),
        ..Faults::default()
    });
    let fill = || {
        (5..=9).find(|number| {
            let put = storage.put_slivers(pair(*number, 0)).unwrap().wait();
            put.is_err_and(|error| error == PutError::DiskFull)
        })
    };
    let full = fill().unwrap();
    assert_eq!(storage.failure(), None);
    let first = key(1, 0, 0, Axis::Primary);
    assert_eq!(storage.get_sliver(&first).unwrap(), Some(sliver(1, &first)));

    let batch = chain.batch((1..=4).map(|number| deleted(number, number)).collect());
    storage.apply(batch).unwrap().wait().unwrap();
    let batch = chain.batch(vec![started(2), started(3)]);
    storage.apply(batch).unwrap().wait().unwrap();
    collect_all(&storage);
    while !storage.compact(u64::MAX).unwrap().finished {}
    put(&storage, full, 0);
    assert_eq!(storage.audit().unwrap(), []);
}

#[test]
fn a_damaged_header_of_the_index_is_told_or_harmless() {
    let backend = MemoryBackend::default();
    let (storage, _) = started_store(&backend);
    put(&storage, 1, 0);
    drop(storage);
    let file = backend.open(&FileName::new("index.redb").unwrap()).unwrap();
    let mut whole = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    file.read_exact_at(0, &mut whole).unwrap();
    // Every bit passes; a step of 5 meets each position in a byte.
    for bit in (0..320 * 8).step_by(5) {
        file.set_len(0).unwrap();
        file.write_all_at(0, &whole).unwrap();
        file.write_all_at(
            bit / 8,
            &[whole[usize::try_from(bit / 8).unwrap()] ^ 1 << (bit % 8)],
        )
        .unwrap();
        match Storage::open_inline(Arc::new(backend.clone()), stamp(), &settings()) {
            Ok((storage, _)) => {
                let key = key(1, 0, 0, Axis::Primary);
                let read = storage.get_sliver(&key).unwrap();
                assert!(read.is_none_or(|read| read == sliver(1, &key)), "bit {bit}");
            }
            Err(error) => assert!(error.is_index_damage(), "bit {bit}: {error:?}"),
        }
    }
}

#[test]
fn an_index_whose_first_bytes_are_wrong_is_damaged_and_no_panic() {
    let whole = MemoryBackend::default();
    let (storage, mut chain) = started_store(&whole);
    for number in 1..=5 {
        put(&storage, number, 0);
        put(&storage, number, 1);
        let batch = chain.batch(vec![certified(number, number, 5)]);
        storage.apply(batch).unwrap().wait().unwrap();
    }
    drop(storage);
    let files: Vec<(FileName, Vec<u8>)> = (whole.list().unwrap().into_iter())
        .map(|name| {
            let file = whole.open(&name).unwrap();
            let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
            file.read_exact_at(0, &mut bytes).unwrap();
            (name, bytes)
        })
        .collect();
    for offset in 0..32 {
        for value in [0x00, 0x2c, 0xff] {
            let disk = MemoryBackend::default();
            for (name, bytes) in &files {
                let file = disk.create(name).unwrap();
                file.write_all_at(0, bytes).unwrap();
                if name.as_str() == "index.redb" {
                    file.write_all_at(offset, &[value]).unwrap();
                }
            }
            let opened = Storage::open_inline(Arc::new(disk), stamp(), &settings());
            if let Err(error) = opened {
                assert!(error.is_index_damage(), "{offset}: {error}");
            }
        }
    }
}
