//! Nobody floods a node or starves its others: over the simulated network in virtual time, where a
//! refusal's time can be waited for to the millisecond.

#![expect(clippy::panic, reason = "a test stops at the first surprise")]

mod world;

use std::{sync::Arc, time::Duration};

use floe_p2p::{
    address::PeerAddress,
    class::ConnectionClass,
    client::{CallError, CallOptions, DataClient},
    guard::{Action, GuardSettings, Limit, Quotas, Rate, RoomSettings, Who},
    identity::{Identity, PeerId},
    plane::DataPlane,
    server::{Answer, Call, ServerSettings, Service},
    transport::{DataTransport, StreamError, sim::SimNetwork},
    wire::{
        CloseCode, Head, Request, RequestHead, Status, TrafficClass,
        message::{GetSymbols, Health, HealthReply, SymbolRange},
    },
};
use futures::future::join_all;
use tokio::time::{Instant, sleep};
use world::{BLOB, METADATA, MemoryService, SLIVER, content, keys, options, put_sliver, segments};

/// How long [`Slow`] works on a request.
const WORK: Duration = Duration::from_millis(100);

/// Works on each request for a while.
struct Slow;

impl Service for Slow {
    async fn health(&self, call: &Call, _: Health) -> Answer<HealthReply> {
        sleep(WORK).await;
        MemoryService::default().health(call, Health {}).await
    }
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed([seed; 32])
}

/// A node with seed 0; the peers with seeds from 200 on are members of its committee.
fn node<S: Service>(network: &SimNetwork, service: S, settings: ServerSettings) -> DataPlane<S> {
    let members: Vec<PeerId> = (200..=255).map(|seed| identity(seed).peer_id()).collect();
    let classify = move |peer: &PeerId| {
        if members.contains(peer) {
            ConnectionClass::Committee
        } else {
            ConnectionClass::Anonymous
        }
    };
    let transport = Arc::new(network.join(identity(0).peer_id()));
    DataPlane::start(transport, service, Arc::new(classify), settings)
}

fn to() -> PeerAddress {
    PeerAddress {
        peer: identity(0).peer_id(),
        addresses: vec![],
    }
}

fn client(network: &SimNetwork, seed: u8) -> DataClient {
    let transport = Arc::new(network.join(identity(seed).peer_id()));
    DataPlane::client_only(transport).client().clone()
}

fn with_quotas(change: impl FnOnce(&mut Quotas)) -> ServerSettings {
    let mut quotas = Quotas::default();
    change(&mut quotas);
    ServerSettings {
        guard: GuardSettings {
            quotas,
            ..GuardSettings::default()
        },
        ..ServerSettings::default()
    }
}

fn retry_after(result: Result<impl Sized, CallError>) -> Option<Duration> {
    match result.err()? {
        CallError::Refused(refusal) => match refusal.status {
            Status::Busy { retry_after } => Some(retry_after.duration()),
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_over_its_quota_is_told_the_true_time_and_nobody_else_notices() {
    let network = SimNetwork::new(1);
    let settings = with_quotas(|quotas| quotas.anonymous.requests = Rate::new(2, 10));
    let node = node(&network, MemoryService::default(), settings);
    let (loud, quiet) = (client(&network, 1), client(&network, 2));
    let mut wait = None;
    for _ in 0..50 {
        wait = wait.or(retry_after(loud.health(&to(), &options()).await));
    }
    let wait = wait.unwrap();
    assert!(
        wait > Duration::from_millis(400) && wait < Duration::from_millis(510),
        "{wait:?}"
    );
    sleep(wait).await;
    loud.health(&to(), &options()).await.unwrap();
    quiet.health(&to(), &options()).await.unwrap();

    let report = node.limits().report();
    let known = |incident: &&floe_p2p::guard::Incident| incident.limit == Limit::Requests;
    let refused = report.incidents.iter().find(known).unwrap();
    let who = Who::Peer(identity(1).peer_id());
    assert_eq!((refused.who, refused.action), (who, Action::Refused));
    let left = |seed| {
        let of = |guest: &&floe_p2p::guard::GuestReport| guest.peer == identity(seed).peer_id();
        report.guests.iter().find(of).unwrap().left.requests
    };
    assert!(left(1) < 2 && left(2) >= 19);
}

#[tokio::test(start_paused = true)]
async fn bytes_and_symbols_have_quotas_of_their_own() {
    let network = SimNetwork::new(1);
    let settings = with_quotas(|quotas| {
        quotas.anonymous.symbols = Rate::new(100, 10);
        quotas.anonymous.bytes_in = Rate::new(100_000, 4);
        quotas.committee.bytes_out = Rate::new(100_000, 1);
    });
    let service = MemoryService::default();
    let _node = node(&network, service, settings);
    let anybody = client(&network, 1);
    let items = [content(0, METADATA), content(1, SLIVER), content(2, SLIVER)];
    let (node, upload, options) = (to(), put_sliver(0, keys(0..1)), options());
    let put = || anybody.put_sliver(&node, &upload, &items, &options);
    put().await.unwrap_or_else(|error| panic!("{error}"));
    let wait = retry_after(put().await).unwrap();
    sleep(wait).await;
    put().await.unwrap_or_else(|error| panic!("{error}"));

    // Symbols are paid for by their number, held or not, before anything is read for them.
    let request = |count| GetSymbols {
        target: floe_codec::ShardIndex(1),
        axis: floe_codec::Axis::Primary,
        sources: vec![floe_codec::ShardIndex(0); 10].try_into().unwrap(),
        blobs: vec![SymbolRange {
            blob: BLOB,
            segments: segments(count),
        }]
        .try_into()
        .unwrap(),
        proven: false,
    };
    let refused = anybody.get_symbols(&node, &request(101), &options).await;
    let Err(CallError::Refused(refusal)) = refused else {
        panic!("the whole quota at once")
    };
    assert!(
        matches!(refusal.status, Status::Unsupported { .. }),
        "{refusal}"
    );
    let wait = retry_after(anybody.get_symbols(&node, &request(20), &options).await);
    assert!(wait.unwrap() > Duration::from_secs(1));

    // Members have quotas too: what they were sent must be paid before more is.
    let member = client(&network, 200);
    let mut reads = 0;
    let wait = loop {
        let request = world::get_sliver(0..1, 1);
        match member.get_sliver(&node, &request, &options).await {
            Ok(mut reader) => {
                let size = |_| floe_p2p::ItemSize::Exactly(SLIVER);
                while reader.next(size).await.unwrap().is_some() {}
                reads += 1;
            }
            refused => break retry_after(refused).unwrap(),
        }
    };
    assert!(
        reads <= 2 && wait <= Duration::from_secs(1),
        "{reads} {wait:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_of_one_peer_delay_another_by_no_more_than_its_share() {
    let network = SimNetwork::new(1);
    let settings = ServerSettings {
        working: 8,
        ..ServerSettings::default()
    };
    let _node = node(&network, Slow, settings);
    let flood = client(&network, 200);
    let patient = CallOptions {
        deadline: Duration::from_secs(100),
        ..options()
    };
    let requests = (0..1000).map(|_| {
        let flood = flood.clone();
        tokio::spawn(async move { flood.health(&to(), &patient).await.is_ok() })
    });
    let requests: Vec<_> = requests.collect();
    let honest = client(&network, 1);
    sleep(2 * WORK).await;
    for _ in 0..10 {
        let begun = Instant::now();
        honest.health(&to(), &options()).await.unwrap();
        // Its own work, and at most that of one request before it.
        assert!(begun.elapsed() < 3 * WORK, "{:?}", begun.elapsed());
    }
    assert!(requests.iter().any(|request| !request.is_finished()));
    let answered = join_all(requests).await;
    assert!(
        answered.into_iter().all(Result::unwrap),
        "the flood is served too"
    );
}

#[tokio::test(start_paused = true)]
async fn load_does_not_fail_a_challenge() {
    let network = SimNetwork::new(1);
    let settings = ServerSettings {
        working: 16,
        ..ServerSettings::default()
    };
    let _node = node(&network, Slow, settings);
    let floods: Vec<_> = (1..100).map(|seed| client(&network, seed)).collect();
    for flood in &floods {
        for _ in 0..30 {
            let flood = flood.clone();
            tokio::spawn(async move { flood.health(&to(), &options()).await.is_ok() });
        }
    }
    sleep(2 * WORK).await;
    let challenge = CallOptions {
        class: TrafficClass::Challenge,
        ..options()
    };
    let member = client(&network, 200);
    for _ in 0..5 {
        let begun = Instant::now();
        member.health(&to(), &challenge).await.unwrap();
        assert!(begun.elapsed() < 2 * WORK, "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_breaks_the_protocol_too_often_is_banned_and_comes_back() {
    let network = SimNetwork::new(1);
    let node = node(
        &network,
        MemoryService::default(),
        ServerSettings::default(),
    );
    let bad = network.join(identity(1).peer_id());
    let connection = bad.dial(&to()).await.unwrap();
    let garbage = |kind| RequestHead {
        kind,
        epoch: options().epoch,
        deadline_ms: 1000,
        class: TrafficClass::Read,
        payload: 0,
        body: vec![7; 900],
    };
    let mut sent = 0;
    let over = loop {
        let Ok((mut send, mut recv)) = connection.open().await else {
            break connection.closed().await;
        };
        let _ = send
            .send(garbage(Health::KIND.0).to_frame().unwrap().into())
            .await;
        while let Ok(Some(_)) = recv.chunk(1 << 10).await {}
        sent += 1;
        assert!(sent < 100, "it was let do what it wants");
    };
    assert_eq!(over, StreamError::Closed(CloseCode::Misbehaved));
    assert!(sent > 20, "a few mistakes are nothing: {sent}");
    let again = bad.dial(&to()).await.unwrap();
    assert_eq!(
        again.closed().await,
        StreamError::Closed(CloseCode::Misbehaved)
    );
    client(&network, 2).health(&to(), &options()).await.unwrap();

    let who = Who::Peer(identity(1).peer_id());
    let incidents = node.limits().report().incidents;
    let what = |action| {
        incidents
            .iter()
            .find(|it| (it.who, it.action) == (who, action))
    };
    assert_eq!(what(Action::Banned).unwrap().limit, Limit::BadRequests);
    assert_eq!(what(Action::Refused).unwrap().limit, Limit::Banned);

    sleep(Duration::from_secs(61)).await;
    drop(bad);
    client(&network, 1).health(&to(), &options()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn members_always_find_a_place_and_idle_strangers_make_it() {
    let network = SimNetwork::new(1);
    let settings = ServerSettings {
        guard: GuardSettings {
            rooms: RoomSettings {
                connections: 8,
                for_members: 2,
                ..RoomSettings::default()
            },
            ..GuardSettings::default()
        },
        ..ServerSettings::default()
    };
    let node = node(&network, MemoryService::default(), settings);
    let strangers: Vec<_> = (1..=6).map(|seed| client(&network, seed)).collect();
    for stranger in &strangers {
        stranger.health(&to(), &options()).await.unwrap();
    }
    let late = client(&network, 7);
    assert!(
        late.health(&to(), &options()).await.is_err(),
        "everybody is busy"
    );
    let members: Vec<_> = (200..204).map(|seed| client(&network, seed)).collect();
    for member in &members {
        member.health(&to(), &options()).await.unwrap();
    }
    sleep(RoomSettings::default().idle).await;
    client(&network, 8).health(&to(), &options()).await.unwrap();

    let report = node.limits().report();
    assert_eq!(report.guests.len(), 8);
    let members = report
        .guests
        .iter()
        .filter(|guest| guest.class == ConnectionClass::Committee);
    assert_eq!(members.count(), 4);
    let evicted = report
        .incidents
        .iter()
        .filter(|it| it.action == Action::Evicted);
    assert_eq!(evicted.map(|it| it.times).sum::<u64>(), 3);
}
