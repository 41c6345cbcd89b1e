//! Two peers over real QUIC on loopback: every message, both directions, equal bytes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod world;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use floe_chain::blob::BlobState;
use floe_codec::{BlobId, SegmentIndex};
use floe_p2p::{
    Item, ItemSize,
    address::PeerAddress,
    client::CallError,
    server::ServerSettings,
    wire::{
        ItemStatus, Status,
        message::{
            Confirm, GetBlobStatus, GetCommittee, GetInconsistency, GetMetadata, PutInconsistency,
            PutMetadata,
        },
    },
};
use tokio::net::UdpSocket;
use world::{
    BLOB, METADATA, OBJECT, SLIVER, content, get_sliver, keys, options, pair, put_sliver, segments,
};

#[tokio::test]
async fn slivers_of_many_shards_ride_on_one_stream_and_come_back_equal() {
    let pair = pair();
    let keys = keys(0..8);
    let mut items = vec![content(99, METADATA)];
    items.extend((0..16).map(|i| content(i, SLIVER)));
    let reply = pair
        .client
        .put_sliver(&pair.to, &put_sliver(0, keys), &items, &options())
        .await;
    assert_eq!(reply.unwrap().confirmation, None);
    assert_eq!(pair.store.slivers.lock().unwrap().len(), 16);
    assert_eq!(
        pair.store.metadata.lock().unwrap()[&(BLOB, SegmentIndex(0))],
        items[0]
    );

    // Shard 8 was not stored: its item says so, the others arrive.
    let request = get_sliver(0..9, 1);
    let mut reader = pair
        .client
        .get_sliver(&pair.to, &request, &options())
        .await
        .unwrap();
    for shard in 0..8 {
        let item = reader.next(|_| ItemSize::Exactly(SLIVER)).await.unwrap();
        assert_eq!(item, Some(Item::Present(items[1 + 2 * shard].clone())));
    }
    let item = reader.next(|_| ItemSize::Exactly(SLIVER)).await.unwrap();
    assert_eq!(item, Some(Item::Absent(ItemStatus::NotHeld)));
    assert_eq!(
        reader.next(|_| ItemSize::Exactly(SLIVER)).await.unwrap(),
        None
    );
    assert!(pair.client.peers().get(&pair.to.peer).throughput.is_some());
}

#[tokio::test]
async fn metadata_travels_in_ranges() {
    let pair = pair();
    let put = PutMetadata {
        blob: BLOB,
        object: OBJECT,
        segments: segments(20),
    };
    let items: Vec<Bytes> = (0..20).map(|i| content(i, METADATA)).collect();
    pair.client
        .put_metadata(&pair.to, &put, &items, &options())
        .await
        .unwrap();

    let get = GetMetadata {
        blob: BLOB,
        segments: segments(20),
    };
    let mut reader = pair
        .client
        .get_metadata(&pair.to, &get, &options())
        .await
        .unwrap();
    for sent in items {
        let item = reader.next(|_| ItemSize::Exactly(METADATA)).await.unwrap();
        assert_eq!(item.and_then(Item::into_bytes), Some(sent));
    }
    assert_eq!(reader.left(), 0);
}

#[tokio::test]
async fn questions_are_answered() {
    let pair = pair();
    let (client, to) = (&pair.client, &pair.to);
    let info = client.get_node_info(to, &options()).await.unwrap();
    assert_eq!(
        (info.epoch.get(), info.software.as_str()),
        (3, "floe-test/0")
    );
    assert!(
        client
            .health(to, &options())
            .await
            .unwrap()
            .not_ready
            .is_empty()
    );

    let get = GetBlobStatus {
        blob: BLOB,
        object: Some(OBJECT),
    };
    let status = client.get_blob_status(to, &get, &options()).await.unwrap();
    assert_eq!(status.state, BlobState::Registered);
    assert!(status.missing.is_empty());

    let proof = content(5, 1_100_000);
    let put = PutInconsistency {
        blob: BLOB,
        segment: SegmentIndex(4),
    };
    client
        .put_inconsistency(to, &put, proof.clone(), &options())
        .await
        .unwrap();
    let get = GetInconsistency { blob: BLOB };
    let found = client
        .get_inconsistency(to, &get, &options())
        .await
        .unwrap();
    assert_eq!(found, (SegmentIndex(4), proof));

    let (reply, committee) = client
        .get_committee(to, &GetCommittee { epoch: None }, &options())
        .await
        .unwrap();
    assert_eq!((reply.handover, committee.len()), (None, 39_000));
}

#[tokio::test]
async fn refusals_are_typed() {
    let pair = pair();
    let other = BlobId::from_bytes([9; 32]);
    let get = GetInconsistency { blob: other };
    let error = pair
        .client
        .get_inconsistency(&pair.to, &get, &options())
        .await
        .unwrap_err();
    let CallError::Refused(refusal) = error else {
        panic!("{error}")
    };
    assert_eq!(refusal.status, Status::NotHeld);
    assert_eq!(refusal.to_string(), "not held: no proof of that");

    // A method the service leaves out.
    let confirm = Confirm {
        blob: BLOB,
        object: OBJECT,
    };
    let error = pair
        .client
        .confirm(&pair.to, &confirm, &options())
        .await
        .unwrap_err();
    let CallError::Refused(refusal) = error else {
        panic!("{error}")
    };
    let Status::Unsupported { versions } = refusal.status else {
        panic!("{refusal}")
    };
    assert_eq!(*versions, [1]);
    assert_eq!(
        pair.client.peers().get(&pair.to.peer).failing,
        0.0,
        "answers are no failures"
    );
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_an_upload_reaches_the_caller() {
    let pair = pair();
    let mut request = put_sliver(0, keys(0..100));
    request.blob = BlobId::from_bytes([9; 32]);
    let mut items = vec![content(0, METADATA)];
    items.extend(std::iter::repeat_n(content(1, SLIVER), 200));
    let error = pair
        .client
        .put_sliver(&pair.to, &request, &items, &options())
        .await
        .unwrap_err();
    let CallError::Refused(refusal) = error else {
        panic!("{error}")
    };
    assert!(matches!(refusal.status, Status::NotRegistered { .. }));
}

#[tokio::test]
async fn a_thousand_requests_at_once_share_one_connection() {
    let pair = pair();
    let put = PutMetadata {
        blob: BLOB,
        object: OBJECT,
        segments: segments(1),
    };
    let stored = content(0, METADATA);
    let items = [stored.clone()];
    pair.client
        .put_metadata(&pair.to, &put, &items, &options())
        .await
        .unwrap();

    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (client, to) = (pair.client.clone(), pair.to.clone());
        calls.spawn(async move {
            let get = GetMetadata {
                blob: BLOB,
                segments: segments(1),
            };
            let mut reader = client.get_metadata(&to, &get, &options()).await?;
            reader.next(|_| ItemSize::Exactly(METADATA)).await
        });
    }
    while let Some(result) = calls.join_next().await {
        let item = result.unwrap().unwrap().and_then(Item::into_bytes);
        assert_eq!(item.as_ref(), Some(&stored));
    }
    assert_eq!(pair.server.connections(), 1);
}

/// Forwards datagrams between one client and a server that can be exchanged behind its back.
struct Forwarder {
    address: SocketAddr,
    server: Arc<Mutex<SocketAddr>>,
}

impl Forwarder {
    async fn start(server: SocketAddr) -> Self {
        let front = Arc::new(UdpSocket::bind(world::loopback()).await.unwrap());
        let back = Arc::new(UdpSocket::bind(world::loopback()).await.unwrap());
        let address = front.local_addr().unwrap();
        let (server, client) = (Arc::new(Mutex::new(server)), Arc::new(Mutex::new(None)));
        let (inward, outward) = (Arc::clone(&front), Arc::clone(&back));
        let (to, from) = (Arc::clone(&server), Arc::clone(&client));
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, sender)) = inward.recv_from(&mut buffer).await {
                *from.lock().unwrap() = Some(sender);
                let target = *to.lock().unwrap();
                let _ = outward.send_to(&buffer[..length], target).await;
            }
        });
        let to = Arc::clone(&server);
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, sender)) = back.recv_from(&mut buffer).await {
                let target = *client.lock().unwrap();
                let current = *to.lock().unwrap();
                if let (true, Some(target)) = (sender == current, target) {
                    let _ = front.send_to(&buffer[..length], target).await;
                }
            }
        });
        Self { address, server }
    }
}

#[tokio::test]
async fn a_killed_and_restarted_peer_is_noticed_before_its_idle_timeout() {
    let settings = ServerSettings::default();
    let at = |to: &PeerAddress| to.addresses[0].to_string().parse().unwrap();
    let (_first, _, to) = world::serve(1, world::loopback(), settings);
    let forwarder = Forwarder::start(at(&to)).await;
    let plane = world::client();
    let to = PeerAddress::new(to.peer, forwarder.address);
    plane.client().health(&to, &options()).await.unwrap();

    // The first server never says good-bye; the second one knows nothing of the connection but has
    // the same identity.
    let (_second, _, again) = world::serve(1, world::loopback(), settings);
    *forwarder.server.lock().unwrap() = at(&again);
    // The deadline is shorter than the idle timeout of 30 s, and the handshake must fit in too.
    plane.client().health(&to, &options()).await.unwrap();
}
