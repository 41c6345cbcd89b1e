//! Whole journeys against a network in one process: real codec, real signatures, real QUIC.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test"
)]

mod node;
mod world;

use floe_chain::rpc::ChainRead;
use floe_client::{
    advice::{Advice, ErrorKind},
    plan::ByteRange,
    progress::Event,
    read::ReadError,
    store::StoreError,
};
use floe_codec::BlobId;

use crate::{node::Fault, world::World};

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
    world.take_events();
    world.set_fault(0..3, Fault::Garbage);
    for _ in 0..3 {
        assert!(world.read(stored.blob, ByteRange::All).await.unwrap() == bytes);
        let range = world
            .read(stored.blob, ByteRange::Closed(1000, 450_000))
            .await
            .unwrap();
        assert!(range == bytes[1000..=450_000]);
    }
    let liars = [0, 1, 2].map(|n| world.nodes[n].node.state().id.to_string());
    for event in world.take_events() {
        if let Event::NodeFailed { node, reason } = event {
            assert!(liars.contains(&node), "{node}: {reason}");
        }
    }
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
async fn a_client_of_the_last_epoch_goes_on_in_the_new_one() {
    let world = World::new(10).await;
    let client = world.client();
    assert_eq!(client.network().await.unwrap().epoch().get(), 1);
    world.begin_epoch(3_600_000).await;
    let source = floe_client::disk::source::Source::Memory(sample(400_000).into());
    let options = floe_client::store::StoreOptions {
        epochs: 2,
        deletable: false,
        spooled: false,
    };
    let (stored, _) = client
        .store(source, options, world.listener())
        .await
        .unwrap();
    assert!(
        world
            .take_events()
            .contains(&Event::EpochChanged { epoch: 2 })
    );
    let registration = world.chain.blob(stored.object).await.unwrap().unwrap();
    assert_eq!(registration.certified.map(|epoch| epoch.get()), Some(2));
    assert!(world.read(stored.blob, ByteRange::All).await.unwrap() == sample(400_000));
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
