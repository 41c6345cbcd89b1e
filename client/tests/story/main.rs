//! Whole journeys against a network in one process: real codec, real signatures, real QUIC.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

mod eclipse;
mod epoch;
mod node;
#[path = "../../../p2p/tests/attacker/protobuf.rs"]
mod protobuf;
mod sybil;
mod world;

use std::{collections::BTreeSet, time::Duration};

use floe_chain::rpc::ChainRead;
use floe_client::{
    advice::{Advice, ErrorKind},
    disk::source::Source,
    plan::ByteRange,
    progress::Event,
    read::ReadError,
    store::{StoreError, StoreOptions},
};
use floe_codec::BlobId;

use crate::{
    node::Fault,
    world::{Node, OPTIONS, World},
};

/// Bytes that differ everywhere.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&next());
    }
    bytes.truncate(length);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_read_back_whole_and_in_ranges() {
    let world = World::new(10).await;
    for length in [0, 1, 1 << 20, 9 << 20] {
        let bytes = sample(length);
        let stored = world.store(bytes.clone()).await.unwrap();
        assert!(!stored.already);
        let back = world.read(stored.blob, ByteRange::All).await.unwrap();
        assert!(back == bytes, "{length} bytes differ");
        let certified = world
            .chain
            .blob(stored.object)
            .await
            .unwrap()
            .unwrap()
            .certified;
        assert!(certified.is_some());
        for (first, last) in [(0, 0), (length / 3, length / 2), (length / 2, length)] {
            if first >= length {
                continue;
            }
            let range = ByteRange::Closed(first as u64, last as u64);
            let part = world.read(stored.blob, range).await.unwrap();
            assert!(
                part == bytes[first..(last + 1).min(length)],
                "{first}-{last} of {length}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_of_the_shards_dead_stops_nothing_and_one_more_stops_writes_only() {
    let mut world = World::new(10).await;
    let bytes = sample(300_000);
    let before = world.store(bytes.clone()).await.unwrap();
    world.kill(3).await;
    assert!(world.read(before.blob, ByteRange::All).await.unwrap() == bytes);
    let during = world.store(sample(200_000)).await.unwrap();
    assert!(world.read(during.blob, ByteRange::All).await.unwrap() == sample(200_000));

    world.kill(1).await;
    assert!(world.read(before.blob, ByteRange::All).await.unwrap() == bytes);
    let error = world.store(sample(100_000)).await.unwrap_err();
    let StoreError::QuorumLost(lost) = &error else {
        panic!("{error}")
    };
    assert_eq!((lost.needed, lost.total, lost.failures.len()), (7, 10, 4));
    assert_eq!(error.kind(), ErrorKind::Retry);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_store_goes_on_without_paying_or_sending_twice() {
    let world = World::new(10).await;
    let segments = 3;
    let bytes = sample(9 << 20);
    // Four nodes refuse, but only when the six others have everything.
    world.set_fault(0..4, Fault::FullAfter(6 * 2 * segments));
    let error = world.store(bytes.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::QuorumLost(_)), "{error}");
    let owner = world.client().wallet().unwrap().address();
    let paid = world.chain.balance(owner).await.unwrap().wal;
    let sent = world.received();
    assert_eq!(sent, 6 * 2 * segments);

    world.set_fault(0..4, Fault::None);
    world.take_events();
    let stored = world.store(bytes.clone()).await.unwrap();
    assert_eq!(
        world.chain.balance(owner).await.unwrap().wal,
        paid,
        "paid once"
    );
    assert_eq!(
        world.chain.owned_blobs(owner).await.unwrap().len(),
        1,
        "registered once"
    );
    assert!(world.received() <= 10 * 2 * segments, "no sliver twice");
    let resumed = Event::Resumed { slivers: sent };
    assert!(world.take_events().contains(&resumed));
    assert!(world.read(stored.blob, ByteRange::All).await.unwrap() == bytes);

    let sent = world.received();
    let again = world.store(bytes).await.unwrap();
    assert!(again.already);
    assert_eq!(
        (again.blob, again.object, again.end),
        (stored.blob, stored.object, stored.end)
    );
    assert_eq!(world.received(), sent, "certified bytes are not sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_slivers_are_refused_and_their_sender_is_named() {
    let world = World::new(10).await;
    let bytes = sample(500_000);
    let stored = world.store(bytes.clone()).await.unwrap();
    // Who has source rows is asked for them.
    assert!(world.read(stored.blob, ByteRange::All).await.unwrap() == bytes);
    let asked = |node: &&Node| node.node.state().served > 0;
    let liars: Vec<_> = world.nodes.iter().filter(asked).take(3).collect();
    let mut ids = BTreeSet::new();
    for liar in &liars {
        let mut state = liar.node.state();
        state.fault = Fault::Garbage;
        ids.insert(state.id.to_string());
    }
    assert_eq!(ids.len(), 3);
    world.take_events();
    let mut named = BTreeSet::new();
    // One that is slow may be passed over for once.
    for _ in 0..20 {
        assert!(world.read(stored.blob, ByteRange::All).await.unwrap() == bytes);
        let range = ByteRange::Closed(1000, 450_000);
        let part = world.read(stored.blob, range).await.unwrap();
        assert!(part == bytes[1000..=450_000]);
        for event in world.take_events() {
            if let Event::NodeFailed { node, .. } = event {
                named.insert(node);
            }
        }
        if named == ids {
            return;
        }
    }
    panic!("{ids:?} lied, {named:?} were named");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_fell_silent_are_not_waited_for_again_and_again() {
    const READS: usize = 40;
    let world = World::new(10).await;
    let bytes = sample(500_000);
    let stored = world.store(bytes.clone()).await.unwrap();
    let client = world.client();
    world.set_fault(0..3, Fault::Silent);
    for _ in 0..READS {
        let read = world.read_with(&client, stored.blob, ByteRange::All).await;
        assert!(read.unwrap() == bytes);
    }
    for node in &world.nodes[..3] {
        let ignored = node.node.state().ignored;
        assert!(
            ignored < READS / 2,
            "asked {ignored} times in {READS} reads"
        );
    }
}

/// On one thread, so that nothing happens between the beginning of the read and the loss.
#[tokio::test]
async fn metadata_of_the_first_segment_are_asked_for_once() {
    let world = World::new(10).await;
    let bytes = sample(300_000);
    let blob = world.store(bytes.clone()).await.unwrap().blob;
    let client = world.client();
    let reader = client.read(blob, ByteRange::All, world.listener()).await;
    for node in &world.nodes {
        node.node.state().metadata.clear();
    }
    let mut reader = reader.unwrap();
    assert!(reader.next().await.unwrap().unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_slivers_are_told_when_patience_ends_and_not_when_requests_do() {
    let world = World::new(10).await;
    let stored = world.store(sample(500_000)).await.unwrap();
    world.set_fault(0..7, Fault::Silent);
    let begun = std::time::Instant::now();
    let error = world.read(stored.blob, ByteRange::All).await.unwrap_err();
    let too_few = matches!(
        &error,
        ReadError::Unavailable {
            here: 3,
            need: 4,
            ..
        }
    );
    assert!(too_few, "{error}");
    // A request to a silent node alone may take 10 s; these readers' patience is 2 s.
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_confirmations_count_for_nothing() {
    let world = World::new(10).await;
    world.set_fault(0..3, Fault::ForgedConfirmation);
    world.store(sample(1000)).await.unwrap();
    world.set_fault(0..4, Fault::ForgedConfirmation);
    let error = world.store(sample(2000)).await.unwrap_err();
    assert!(matches!(error, StoreError::QuorumLost(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_replays_the_confirmation_of_another_harms_only_itself() {
    let mut world = World::new(10).await;
    world.kill(2).await;
    // Seeds are numbers from 1: the first node left has the third.
    let (victim, seed) = (world.nodes[0].node.state().id, 3);
    let replay = Fault::Replay { node: victim, seed };
    world.set_fault(0..7, Fault::Hold);
    world.set_fault(7..8, replay);
    let (client, listener) = (world.client(), world.listener());
    let source = Source::Memory(sample(300_000).into());
    let storing = tokio::spawn(async move { client.store(source, OPTIONS, listener).await });
    let liar = world.nodes[7].node.state().id.to_string();
    let told = |event: &Event| matches!(event, Event::NodeFailed { node, .. } if *node == liar);
    world.until(&storing, told).await;
    // Now the victim itself, then all others: seven of ten, no one can be missed.
    world.set_fault(0..1, Fault::None);
    let confirmed = |event: &Event| matches!(event, Event::Confirmed { .. });
    world.until(&storing, confirmed).await;
    world.set_fault(1..7, Fault::None);
    storing.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_wishes_are_not_answered_by_what_was_stored_before() {
    let world = World::new(10).await;
    let path = world.state.path().join("file");
    std::fs::write(&path, sample(50_000)).unwrap();
    let store = async |options: StoreOptions| {
        let client = world.client();
        let source = Source::open(&path).unwrap();
        let plan = client.plan_store(&source, &options).await.unwrap();
        let (stored, tail) = client
            .store(source, options, world.listener())
            .await
            .unwrap();
        assert_eq!(
            (plan.is_done(), plan.payment.total),
            (stored.already, stored.paid)
        );
        assert_eq!(plan.period.end, stored.end);
        drop(tail);
        stored
    };
    let longer = StoreOptions {
        epochs: 4,
        ..OPTIONS
    };
    let permanent = StoreOptions {
        deletable: false,
        ..longer.clone()
    };
    let first = store(OPTIONS).await;
    assert!(store(OPTIONS).await.already);
    let second = store(longer.clone()).await;
    assert!(!second.already && second.end > first.end);
    assert_eq!(
        store(OPTIONS).await.object,
        second.object,
        "it lasts longer than asked"
    );
    let third = store(permanent.clone()).await;
    assert!(!third.already && third.object != second.object);
    assert_eq!(store(permanent).await.object, third.object);
    assert_eq!(store(longer).await.object, second.object);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_blob_is_not_found_only_on_the_word_of_a_quorum() {
    let mut world = World::new(10).await;
    let unknown = BlobId::from_bytes([3; 32]);
    let error = world.read(unknown, ByteRange::All).await.unwrap_err();
    assert!(matches!(error, ReadError::NotFound { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    world.kill(4).await;
    let error = world.read(unknown, ByteRange::All).await.unwrap_err();
    assert!(matches!(error, ReadError::Unavailable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_to_be_had_is_rebuilt_from_symbols() {
    let mut world = World::new(10).await;
    let bytes = sample(400_000);
    let stored = world.store(bytes.clone()).await.unwrap();
    // Whose row it is follows from the blob's id: every row is read, three of ten owners are dead.
    world.kill(3).await;
    world.take_served();
    for first in (0..400_000).step_by(50_000) {
        let range = ByteRange::Closed(first, first + 99);
        let part = world.read(stored.blob, range).await.unwrap();
        let first = usize::try_from(first).unwrap();
        assert!(part == bytes[first..first + 100]);
    }
    let (slivers, symbols) = world.take_served();
    assert!(symbols > 0, "a source row of four is with a dead node");
    assert!(slivers <= 8, "never the whole segment: {slivers}");

    // A wrong symbol costs a whole read, not the truth.
    world.set_fault(0..1, Fault::Garbage);
    let range = ByteRange::Closed(0, 399_998);
    for range in [range, ByteRange::Closed(10, 19), ByteRange::Last(10)] {
        let part = world.read(stored.blob, range).await.unwrap();
        let expected = match range {
            ByteRange::Closed(first, last) => {
                &bytes[usize::try_from(first).unwrap()..=usize::try_from(last).unwrap()]
            }
            _ => &bytes[399_990..],
        };
        assert!(part == expected);
    }
}
