//! Two peers, every message, both directions, equal bytes: the same over every transport.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod world;

use std::sync::Arc;

use bytes::Bytes;
use floe_chain::blob::BlobState;
use floe_codec::{BlobId, SegmentIndex};
use floe_p2p::{
    Item, ItemSize,
    address::PeerAddress,
    client::CallError,
    control::{
        book::AddressBook,
        plane::ControlPlane,
        record::Bootstrap,
        respond::NoRespond,
        settings::{ControlSettings, Role},
    },
    identity::Identity,
    plane::DataPlane,
    server::ServerSettings,
    transport::{DataTransport, sim::SimNetwork},
    wire::{
        ItemStatus, Status,
        message::{
            Confirm, GetBlobStatus, GetCommittee, GetInconsistency, GetMetadata, PutInconsistency,
            PutMetadata,
        },
    },
};
use world::{
    BLOB, METADATA, MemoryService, OBJECT, Pair, SLIVER, anonymous, content, get_sliver, keys,
    options, put_sliver, segments,
};

/// Every story over one transport.
macro_rules! over {
    ($transport:ident: $pair:expr) => {
        mod $transport {
            #[tokio::test]
            async fn slivers_of_many_shards_ride_on_one_stream_and_come_back_equal() {
                super::slivers_of_many_shards_ride_on_one_stream_and_come_back_equal($pair).await;
            }

            #[tokio::test]
            async fn metadata_travels_in_ranges() {
                super::metadata_travels_in_ranges($pair).await;
            }

            #[tokio::test]
            async fn questions_are_answered() {
                super::questions_are_answered($pair).await;
            }

            #[tokio::test]
            async fn refusals_are_typed() {
                super::refusals_are_typed($pair).await;
            }

            #[tokio::test]
            async fn a_refusal_in_the_middle_of_an_upload_reaches_the_caller() {
                super::a_refusal_in_the_middle_of_an_upload_reaches_the_caller($pair).await;
            }

            #[tokio::test]
            async fn a_thousand_requests_at_once_share_one_connection() {
                super::a_thousand_requests_at_once_share_one_connection($pair).await;
            }
        }
    };
}

over!(quic: super::world::pair());
over!(sim: super::over_sim());
over!(streams_on_tcp: super::over_streams("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1").await);
over!(streams_by_name: super::over_streams("/ip4/127.0.0.1/tcp/0", "/dns4/localhost").await);
over!(streams_on_quic: super::over_streams("/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1").await);

fn served(
    transport: Arc<dyn DataTransport>,
    also: Option<Arc<dyn DataTransport>>,
    asks: Arc<dyn DataTransport>,
) -> Pair {
    let service = MemoryService::default();
    let store = Arc::clone(&service.0);
    let to = PeerAddress {
        peer: transport.local_peer(),
        addresses: vec![],
    };
    let server = DataPlane::start(
        transport,
        service,
        Arc::new(anonymous),
        ServerSettings::default(),
    );
    if let Some(also) = also {
        server.serve_also(also);
    }
    let plane = DataPlane::client_only(asks);
    let client = plane.client().clone();
    Pair {
        server,
        store,
        plane,
        client,
        to,
    }
}

fn over_sim() -> Pair {
    let network = SimNetwork::new(1);
    let [node, me] = [1, 2].map(|n| Arc::new(network.join(Identity::from_seed([n; 32]).peer_id())));
    served(node, None, me)
}

/// A node whose QUIC nobody knows, and a client that speaks only libp2p and knows the node by one
/// address, at the host of this name.
async fn over_streams(listen: &str, host: &str) -> Pair {
    let node = Identity::from_seed([1; 32]);
    let book = || Arc::new(AddressBook::new(world::NETWORK));
    let settings = ControlSettings {
        role: Role::Node,
        local_network: true,
        ..ControlSettings::node(vec![listen.parse().unwrap()])
    };
    let (serving, news) =
        ControlPlane::start(&node, &settings, book(), Arc::new(NoRespond), None).unwrap();
    let mut listening = serving.listening();
    let address = listening.wait_for(|all| !all.is_empty()).await.unwrap()[0].clone();
    let address = address.to_string().replace("/ip4/127.0.0.1", host);
    let known = book();
    known.add_bootstrap(Bootstrap {
        peer: node.peer_id(),
        address: address.parse().unwrap(),
    });
    let (asking, unheard) = ControlPlane::start(
        &Identity::generate(),
        &ControlSettings::client(),
        known,
        Arc::new(NoRespond),
        None,
    )
    .unwrap();
    for mut news in [news, unheard] {
        tokio::spawn(async move { while news.recv().await.is_some() {} });
    }
    let elsewhere = Arc::new(SimNetwork::new(1).join(node.peer_id()));
    served(
        elsewhere,
        Some(Arc::clone(serving.data_transport()) as Arc<dyn DataTransport>),
        Arc::clone(asking.data_transport()) as Arc<dyn DataTransport>,
    )
}

async fn slivers_of_many_shards_ride_on_one_stream_and_come_back_equal(pair: Pair) {
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

async fn metadata_travels_in_ranges(pair: Pair) {
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

async fn questions_are_answered(pair: Pair) {
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

async fn refusals_are_typed(pair: Pair) {
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

async fn a_refusal_in_the_middle_of_an_upload_reaches_the_caller(pair: Pair) {
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

async fn a_thousand_requests_at_once_share_one_connection(pair: Pair) {
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
