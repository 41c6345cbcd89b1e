//! The store as a node uses it: what it accepts, keeps, refuses and finds again.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use floe_chain::id::NodeId;
use floe_codec::{Axis, SegmentIndex, ShardIndex};
use floe_storage::{
    OpenError, PutError, Settings, Stamp, Storage,
    backend::{Backend, DiskBackend, FileName, MemoryBackend},
};
use support::{
    BOTH, Chain, blob, collect_all, deleted, epoch, inconsistent, key, open, pair, put, registered,
    settings, sliver, stamp, started, started_store,
};

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
fn the_first_proof_against_a_blob_is_kept_until_the_blob_is_collected() {
    let backend = MemoryBackend::default();
    let (storage, mut chain) = started_store(&backend);
    let prove = |storage: &Storage, number, proof: &'static str| {
        let put = storage.put_inconsistency(blob(number).0, SegmentIndex(0), proof.into());
        put.unwrap().wait()
    };
    prove(&storage, 3, "first").unwrap();
    prove(&storage, 3, "second").unwrap();
    let unknown = prove(&storage, 99, "of what?").unwrap_err();
    assert_eq!(unknown, PutError::NotRegistered(blob(99).0));
    drop(storage);

    let storage = open(&backend);
    let kept = storage.get_inconsistency(&blob(3).0).unwrap();
    assert_eq!(kept, Some((SegmentIndex(0), "first".into())));
    let batch = chain.batch(vec![inconsistent(3), started(2), started(3)]);
    storage.apply(batch).unwrap().wait().unwrap();
    collect_all(&storage);
    assert!(!storage.has_inconsistency(&blob(3).0).unwrap());
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

#[test]
fn what_is_written_to_removed_files_is_not_acknowledged() {
    let of_volumes = |name: &str| name.ends_with(".slivers");
    let of_index = |name: &str| name == "index.redb";
    for removed in [of_volumes as fn(&str) -> bool, of_index] {
        let directory = tempfile::tempdir().unwrap();
        let backend = Arc::new(DiskBackend::open(directory.path()).unwrap());
        let (storage, _) = Storage::open(backend, stamp(), &settings()).unwrap();
        let mut chain = Chain::default();
        let events = vec![started(1), registered(1, 1, 5), registered(2, 2, 5)];
        storage.apply(chain.batch(events)).unwrap().wait().unwrap();
        let keep = storage.keep_shard(ShardIndex(0), epoch(1)).unwrap();
        keep.wait().unwrap();
        storage.put_slivers(pair(1, 0)).unwrap().wait().unwrap();
        storage.probe().unwrap().wait().unwrap();
        assert!(storage.failure().is_none());
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            if removed(entry.file_name().to_str().unwrap()) {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        let refused = storage.put_slivers(pair(2, 0)).unwrap().wait();
        assert!(matches!(refused, Err(PutError::Failed(_))), "{refused:?}");
        let reason = storage.probe().unwrap().wait().unwrap_err().to_string();
        assert!(reason.contains("was removed"), "{reason}");
    }
}

#[test]
fn a_probe_finds_out_that_the_index_was_removed() {
    let directory = tempfile::tempdir().unwrap();
    let backend = Arc::new(DiskBackend::open(directory.path()).unwrap());
    let (storage, _) = Storage::open(backend, stamp(), &settings()).unwrap();
    storage.probe().unwrap().wait().unwrap();
    std::fs::remove_file(directory.path().join("index.redb")).unwrap();
    assert!(storage.probe().unwrap().wait().is_err());
    assert!(storage.probe().unwrap().wait().is_err());
    assert!(storage.failure().is_some());
}
