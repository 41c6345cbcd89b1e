//! Two peers over the simulated network, in virtual time: what takes minutes there takes none here.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use floe_p2p::{
    Item, ItemSize,
    address::PeerAddress,
    client::{CallError, CallOptions, DataClient},
    identity::{Identity, PeerId},
    plane::DataPlane,
    server::ServerSettings,
    transport::{
        Connection, DataTransport, DialError, StreamError,
        fallback::Fallback,
        sim::{LinkProfile, SimNetwork, SimTransport},
    },
    wire::{CloseCode, Head, Request, RequestHead, ResetCode, ResponseHead, Status, TrafficClass},
};
use futures::future::BoxFuture;
use tokio::time::Instant;
use world::{
    METADATA, MemoryService, Pair, SLIVER, anonymous, content, get_sliver, keys, options,
    put_sliver, segments,
};

struct Sim {
    network: SimNetwork,
    pair: Pair,
    me: Identity,
}

fn sim(seed: u64) -> Sim {
    let network = SimNetwork::new(seed);
    let (node, me) = (Identity::from_seed([1; 32]), Identity::from_seed([2; 32]));
    let service = MemoryService::default();
    let store = Arc::clone(&service.0);
    let transport = Arc::new(network.join(node.peer_id()));
    let settings = ServerSettings::default();
    let server = DataPlane::start(transport, service, Arc::new(anonymous), settings);
    let plane = DataPlane::client_only(Arc::new(network.join(me.peer_id())));
    let client = plane.client().clone();
    let to = PeerAddress {
        peer: node.peer_id(),
        addresses: vec![],
    };
    Sim {
        network,
        pair: Pair {
            server,
            store,
            plane,
            client,
            to,
        },
        me,
    }
}

async fn store(pair: &Pair, shards: u16) -> Vec<bytes::Bytes> {
    let mut items = vec![content(0, METADATA)];
    items.extend((0..u64::from(shards) * 2).map(|i| content(i + 1, SLIVER)));
    let put = put_sliver(0, keys(0..shards));
    pair.client
        .put_sliver(&pair.to, &put, &items, &options())
        .await
        .unwrap();
    items
}

async fn read(pair: &Pair, shards: u16, options: &CallOptions) -> Result<Vec<Item>, CallError> {
    let request = get_sliver(0..shards, 1);
    let mut reader = pair.client.get_sliver(&pair.to, &request, options).await?;
    let mut items = Vec::new();
    while let Some(item) = reader.next(|_| ItemSize::Exactly(SLIVER)).await? {
        items.push(item);
    }
    Ok(items)
}

/// How long a store and a read of twenty slivers take over a lossy long path.
async fn run(seed: u64) -> Duration {
    let sim = sim(seed);
    let profile = LinkProfile {
        loss: 0.05,
        ..LinkProfile::WAN
    };
    sim.network.set_default(profile);
    let start = Instant::now();
    let stored = store(&sim.pair, 10).await;
    let read = read(&sim.pair, 10, &options()).await.unwrap();
    for (item, bytes) in read.into_iter().zip(stored[1..].iter().step_by(2)) {
        assert_eq!(item, Item::Present(bytes.clone()));
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_seed_gives_the_same_run_and_another_seed_another_one() {
    let (first, second) = (run(1).await, run(1).await);
    assert_eq!(first, second);
    assert!(
        first > Duration::from_millis(160),
        "two round trips and losses: {first:?}"
    );
    assert_ne!(first, run(2).await);
}

#[tokio::test(start_paused = true)]
async fn a_partition_ends_in_an_error_and_heals() {
    let sim = sim(1);
    store(&sim.pair, 1).await;
    let (here, there) = (sim.me.peer_id(), sim.pair.to.peer);
    // Only answers are lost.
    sim.network.block(there, here);
    let short = CallOptions {
        deadline: Duration::from_secs(2),
        ..options()
    };
    assert_eq!(read(&sim.pair, 1, &short).await, Err(CallError::Deadline));
    let long = CallOptions {
        deadline: Duration::from_secs(100),
        ..options()
    };
    let error = read(&sim.pair, 1, &long).await.unwrap_err();
    let timed_out = matches!(
        error,
        CallError::Stream(StreamError::TimedOut) | CallError::Dial(DialError::Timeout { .. })
    );
    assert!(timed_out, "{error}");
    assert!(
        sim.pair
            .client
            .peers()
            .get(&there)
            .is_quarantined(Instant::now())
    );

    sim.network.unblock(there, here);
    assert_eq!(read(&sim.pair, 1, &short).await.unwrap().len(), 1);
    assert!(
        !sim.pair
            .client
            .peers()
            .get(&there)
            .is_quarantined(Instant::now())
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_held_up_by_a_short_partition_arrives_after_it() {
    let sim = sim(1);
    store(&sim.pair, 1).await;
    let (here, there) = (sim.me.peer_id(), sim.pair.to.peer);
    sim.network.block(there, here);
    let (network, start) = (sim.network.clone(), Instant::now());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        network.unblock(there, here);
    });
    assert_eq!(read(&sim.pair, 1, &options()).await.unwrap().len(), 1);
    assert!(start.elapsed() >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_crashed_peer_is_a_typed_error_and_its_return_is_noticed() {
    let sim = sim(1);
    store(&sim.pair, 1).await;
    sim.network.crash(sim.pair.to.peer);
    let error = read(&sim.pair, 1, &options()).await.unwrap_err();
    assert!(
        matches!(error, CallError::Dial(DialError::Timeout { .. })),
        "{error}"
    );

    let again = Arc::new(sim.network.join(sim.pair.to.peer));
    let service = MemoryService(Arc::clone(&sim.pair.store));
    let settings = ServerSettings::default();
    let _server = DataPlane::start(again, service, Arc::new(anonymous), settings);
    assert_eq!(read(&sim.pair, 1, &options()).await.unwrap().len(), 1);
}

fn upload_head() -> Vec<u8> {
    let head = RequestHead {
        kind: floe_p2p::wire::message::PutSliver::KIND.0,
        epoch: floe_chain::epoch::Epoch::new(1),
        deadline_ms: u32::MAX,
        class: TrafficClass::Write,
        payload: METADATA + 2 * SLIVER,
        body: put_sliver(0, keys(0..1)).to_body().unwrap(),
    };
    head.to_frame().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_drips_its_request_is_cut_off() {
    let sim = sim(1);
    let transport = sim.network.join(Identity::from_seed([3; 32]).peer_id());
    let connection = transport.dial(&sim.pair.to).await.unwrap();

    // The head, one byte a second.
    let (mut send, mut recv) = connection.open().await.unwrap();
    let head = upload_head();
    let mut sent = 0;
    let start = Instant::now();
    for byte in &head {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if send
            .send(bytes::Bytes::copy_from_slice(&[*byte]))
            .await
            .is_err()
        {
            break;
        }
        sent += 1;
    }
    assert!(sent < 10, "{sent} bytes were taken");
    assert_eq!(
        recv.chunk(1).await,
        Err(StreamError::Reset(ResetCode::Deadline))
    );
    assert!(start.elapsed() < Duration::from_secs(10));

    // The payload, 100 bytes a second.
    let (mut send, mut recv) = connection.open().await.unwrap();
    send.send(head.into()).await.unwrap();
    let start = Instant::now();
    while send
        .send(bytes::Bytes::from_static(&[0; 100]))
        .await
        .is_ok()
    {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    let mut response = Vec::new();
    while let Some(chunk) = recv.chunk(1024).await.unwrap() {
        response.extend_from_slice(&chunk);
    }
    let head = ResponseHead::from_bytes(&response[1..]).unwrap();
    // Zeros are no item header either, so either reason is right; the stream is over in time.
    assert!(
        matches!(head.status, Status::Deadline | Status::BadRequest),
        "{:?}",
        head.status
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_drips_its_answer_is_given_up() {
    let sim = sim(1);
    store(&sim.pair, 1).await;
    let slow = LinkProfile {
        bandwidth: 1000,
        ..LinkProfile::LAN
    };
    sim.network
        .set_link(sim.pair.to.peer, sim.me.peer_id(), slow);
    let patient = CallOptions {
        deadline: Duration::from_secs(3600),
        ..options()
    };
    let start = Instant::now();
    let error = read(&sim.pair, 1, &patient).await.unwrap_err();
    assert_eq!(error, CallError::TooSlow);
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn both_sides_dialling_at_once_end_up_on_one_connection() {
    let network = SimNetwork::new(1);
    network.set_default(LinkProfile::WAN);
    let identities = [Identity::from_seed([1; 32]), Identity::from_seed([2; 32])];
    let planes = identities.each_ref().map(|identity| {
        let transport = Arc::new(network.join(identity.peer_id()));
        let settings = ServerSettings::default();
        DataPlane::start(
            transport,
            MemoryService::default(),
            Arc::new(anonymous),
            settings,
        )
    });
    let [first, second] = identities.each_ref().map(|identity| PeerAddress {
        peer: identity.peer_id(),
        addresses: vec![],
    });
    let options = options();
    let (one, two) = tokio::join!(
        planes[0].client().health(&second, &options),
        planes[1].client().health(&first, &options),
    );
    one.unwrap();
    two.unwrap();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(planes.each_ref().map(DataPlane::connections), [1, 1]);
    planes[0].client().health(&second, &options).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn metadata_of_absent_segments_is_reported_absent() {
    let sim = sim(1);
    let get = floe_p2p::wire::message::GetMetadata {
        blob: world::BLOB,
        segments: segments(3),
    };
    let mut reader = sim
        .pair
        .client
        .get_metadata(&sim.pair.to, &get, &options())
        .await
        .unwrap();
    let mut absent = 0;
    while let Some(item) = reader.next(|_| ItemSize::Exactly(METADATA)).await.unwrap() {
        absent += u32::from(item.into_bytes().is_none());
    }
    assert_eq!(absent, 3);
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_dead_peer_share_one_dial() {
    let sim = sim(1);
    sim.network.crash(sim.pair.to.peer);
    let (start, mut calls) = (Instant::now(), tokio::task::JoinSet::new());
    for _ in 0..20 {
        let (client, to) = (sim.pair.client.clone(), sim.pair.to.clone());
        calls.spawn(async move { client.health(&to, &options()).await });
    }
    while let Some(result) = calls.join_next().await {
        let error = result.unwrap().unwrap_err();
        assert!(
            matches!(error, CallError::Dial(DialError::Timeout { .. })),
            "{error}"
        );
    }
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
}

/// Counts dials.
struct Counted(SimTransport, Arc<AtomicUsize>);

impl DataTransport for Counted {
    fn local_peer(&self) -> PeerId {
        self.0.local_peer()
    }

    fn dial<'a>(
        &'a self,
        to: &'a PeerAddress,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>, DialError>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.dial(to)
    }

    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>> {
        self.0.accept()
    }

    fn close(&self, code: CloseCode) {
        self.0.close(code);
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        self.0.closed()
    }
}

/// A client of `sim` whose dials are counted.
fn counted(sim: &Sim) -> (DataClient, Arc<AtomicUsize>) {
    let dials = Arc::default();
    let transport = sim.network.join(Identity::from_seed([4; 32]).peer_id());
    let plane = DataPlane::client_only(Arc::new(Counted(transport, Arc::clone(&dials))));
    (plane.client().clone(), dials)
}

#[tokio::test(start_paused = true)]
async fn a_dial_outlives_whoever_asked_for_it() {
    let sim = sim(1);
    sim.network.set_default(LinkProfile {
        latency: Duration::from_millis(500),
        ..LinkProfile::LAN
    });
    let (client, dials) = counted(&sim);
    let options = options();
    // Others answer first: what was asked here is not needed any more.
    for _ in 0..4 {
        let call = client.health(&sim.pair.to, &options);
        let given_up = tokio::time::timeout(Duration::from_millis(300), call).await;
        assert!(given_up.is_err());
    }
    client.health(&sim.pair.to, &options).await.unwrap();
    assert_eq!(dials.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_is_dialled_now_and_then() {
    let sim = sim(1);
    sim.network.crash(sim.pair.to.peer);
    let (client, dials) = counted(&sim);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        client.health(&sim.pair.to, &options()).await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let dials = dials.load(Ordering::Relaxed);
    assert!((5..=10).contains(&dials), "{dials} in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_second_way_is_taken_where_the_first_does_not_lead() {
    let (here, there) = (Identity::from_seed([2; 32]), Identity::from_seed([1; 32]));
    let (closed, open) = (SimNetwork::new(1), SimNetwork::new(2));
    let first = Arc::new(closed.join(here.peer_id()));
    let second = Arc::new(open.join(here.peer_id()));
    let _silent = closed.join(there.peer_id());
    closed.block(here.peer_id(), there.peer_id());
    let server = DataPlane::start(
        Arc::new(open.join(there.peer_id())),
        MemoryService::default(),
        Arc::new(anonymous),
        ServerSettings::default(),
    );
    let plane = DataPlane::client_only(Arc::new(Fallback::new(first, second)));
    let to = PeerAddress {
        peer: there.peer_id(),
        addresses: vec![],
    };
    let begun = Instant::now();
    plane.client().health(&to, &options()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(server.connections(), 1);

    // Nobody is there by either way: the first says why.
    let gone = PeerAddress {
        peer: Identity::from_seed([3; 32]).peer_id(),
        addresses: vec![],
    };
    let error = plane.client().health(&gone, &options()).await.unwrap_err();
    assert!(matches!(error, CallError::Dial(DialError::Timeout { .. })));
}
