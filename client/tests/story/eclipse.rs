//! A light client that knows twenty peers of which one is honest, in a network where four hundred others
//! have placed themselves around it and around everything it looks for.

use std::{
    collections::HashSet,
    net::{TcpListener, UdpSocket},
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use floe_chain::epoch::{ChainTime, Epoch};
use floe_client::{
    light::{LightClient, LightParts, TrustAnchor},
    network::Network,
    plan::ByteRange,
    progress::Silent,
};
use floe_codec::BlobId;
use floe_p2p::{
    address::DataAddress,
    control::{
        book::AddressBook,
        plane::{ControlPlane, wall_clock},
        record::{Bootstrap, ControlAddress, NodeRecord, VerifiedRecord},
        request::{ControlAnswer, ControlRequest, NamedCommittee},
        respond::{NoRespond, Respond},
        settings::ControlSettings,
    },
    identity::{Identity, PeerId},
};
use futures::{StreamExt, future::BoxFuture, stream};
use libp2p::{
    Swarm, SwarmBuilder, identify, kad, noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use tokio::time::timeout;

use crate::{
    sample,
    sybil::{KAD, Lie, NEAREST, Ring, record_key, surround},
    world::World,
};

/// How large an attack is.
struct Scale {
    /// Honest nodes, all members: their records are the keys that a client looks up.
    honest: u8,
    /// Sybils next to each of these keys, and next to the id of each client.
    around_record: usize,
    around_client: usize,
    /// Light clients, each new to the network, and the blobs that each of them reads.
    clients: u8,
    blobs: u8,
}

/// Clients at the same time: everybody shares the processors of one machine.
const AT_ONCE: usize = 2;
/// Peers an anchor names: one is honest, and these are nobody.
const BOOTSTRAPS: usize = 20;
const DEAD: usize = 3;
/// Records that a client looks up which trusts the table.
const LOOKUPS: usize = 4;
/// After so long the network of the test does not come about any more.
const SET_UP: Duration = Duration::from_secs(120);
/// How long ago members moved, in milliseconds.
const MOVED_MS: u64 = 3_600_000;

/// A member of the network.
struct Member {
    plane: ControlPlane,
    /// By QUIC and by TCP.
    bootstraps: [Bootstrap; 2],
    record: VerifiedRecord,
    /// Where it was before it moved.
    old: VerifiedRecord,
}

/// Where nobody answers: sockets that take what is sent, and say nothing.
struct Nowhere {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Nowhere {
    fn new() -> Self {
        Self {
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    fn data(&self) -> DataAddress {
        self.udp.local_addr().unwrap().into()
    }

    fn control(&self, number: usize) -> ControlAddress {
        let (udp, tcp) = (&self.udp, &self.tcp);
        let address = if number.is_multiple_of(2) {
            format!(
                "/ip4/127.0.0.1/udp/{}/quic-v1",
                udp.local_addr().unwrap().port()
            )
        } else {
            format!("/ip4/127.0.0.1/tcp/{}", tcp.local_addr().unwrap().port())
        };
        address.parse().unwrap()
    }
}

/// Tells the first committee, and nothing else.
struct Tells(NamedCommittee);

impl Respond for Tells {
    fn respond(&self, request: ControlRequest) -> BoxFuture<'_, ControlAnswer> {
        let answer = match request {
            ControlRequest::Committee(epoch) if epoch == self.0.committee.epoch() => {
                ControlAnswer::Committee(Box::new(self.0.clone()))
            }
            _ => ControlAnswer::Unknown,
        };
        Box::pin(std::future::ready(answer))
    }
}

/// A control plane whose news nobody needs.
fn plane(
    identity: &Identity,
    settings: ControlSettings,
    bootstraps: &[Bootstrap],
    network: &Network,
    respond: Arc<dyn Respond>,
) -> ControlPlane {
    let book = Arc::new(AddressBook::new(network.id));
    for bootstrap in bootstraps {
        book.add_bootstrap(bootstrap.clone());
    }
    let settings = ControlSettings {
        local_network: true,
        ..settings
    };
    let (plane, mut news) = ControlPlane::start(identity, &settings, book, respond, None).unwrap();
    tokio::spawn(async move { while news.recv().await.is_some() {} });
    plane
}

/// Waits until a plane has so many connections.
async fn connected(plane: &ControlPlane, least: usize) {
    let mut peers = plane.connected();
    let met = timeout(SET_UP, peers.wait_for(|peers| peers.len() >= least)).await;
    let met = met.is_ok_and(|open| open.is_ok());
    assert!(met, "{} connections of {least}", peers.borrow().len());
}

/// The control planes of all members, which know each other.
async fn members(count: u8, network: &Network, nowhere: &Nowhere) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for seed in 1..=count {
        let identity = Identity::from_seed([seed; 32]);
        let peer = identity.peer_id();
        let tells = Arc::new(Tells(NamedCommittee {
            committee: network.committee.clone(),
            handover: None,
        }));
        let before: Vec<_> = members.iter().map(|m| m.bootstraps[0].clone()).collect();
        let listen = ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"];
        let listen = listen.map(|address| address.parse().unwrap()).to_vec();
        let plane = plane(
            &identity,
            ControlSettings::node(listen),
            &before,
            network,
            tells,
        );
        let mut listening = plane.listening();
        let listens = listening.wait_for(|all| all.len() == 2).await.unwrap();
        let bootstraps = ["/udp/", "/tcp/"].map(|by| {
            let address = listens.iter().find(|at| at.to_string().contains(by));
            let address = ControlAddress::new(address.unwrap().clone()).unwrap();
            Bootstrap { peer, address }
        });
        drop(listens);
        let committee = Arc::new(network.committee.clone());
        plane.set_committees(vec![committee]).await;
        let mut known = network.addresses.iter();
        let at = known.position(|known| known.peer == peer).unwrap();
        let signed = |written, data, control| {
            let record = NodeRecord {
                network: network.id,
                node: network.committee.members()[at].node(),
                identity: identity.public_key(),
                written,
                data,
                control: vec![control].try_into().unwrap(),
            };
            VerifiedRecord::sign(record, &identity)
        };
        let now = wall_clock();
        let before = now.as_ms().checked_sub(MOVED_MS).unwrap();
        let left = vec![nowhere.data()].try_into().unwrap();
        let here = network.addresses[at].addresses.clone().try_into().unwrap();
        let member = Member {
            record: signed(now, here, bootstraps[0].address.clone()),
            old: signed(ChainTime::from_ms(before), left, nowhere.control(at)),
            plane,
            bootstraps,
        };
        members.push(member);
    }
    for member in &members {
        for other in &members {
            // It may have heard of it by now.
            let _ = member.plane.book().offer(other.record.clone());
        }
        let all = usize::from(count) - 1;
        connected(&member.plane, all).await;
    }
    members
}

/// Whom a client begins with: one of the honest, nobodies, and Sybils of every manner.
fn bootstraps(number: usize, honest: &[Member], ring: &Ring, nowhere: &Nowhere) -> Vec<Bootstrap> {
    let mut all = vec![honest[number % honest.len()].bootstraps[0].clone()];
    all.extend((0..DEAD).map(|dead| Bootstrap {
        peer: PeerId::random(),
        address: nowhere.control(dead),
    }));
    let sybils = ring.sybils.iter().cycle().skip(number * 61);
    all.extend(
        sybils
            .take(BOOTSTRAPS - all.len())
            .map(|sybil| sybil.bootstrap()),
    );
    all
}

/// A light client that is new to the network reads every blob; what went wrong otherwise.
async fn reads(
    world: &World,
    plane: &ControlPlane,
    identity: &Identity,
    anchor: TrustAnchor,
    members: &[PeerId],
    blobs: &[BlobId],
    state: &Path,
) -> Vec<String> {
    let parts = LightParts::over(plane, identity, anchor, world.codec.clone()).unwrap();
    let client = match LightClient::open(parts, state).await {
        Ok((client, _)) => client,
        Err(error) => return vec![format!("not opened: {error}"); blobs.len()],
    };
    // As it does for members whom nobody else knows.
    for member in members {
        plane.find(*member).await;
    }
    let mut failed = Vec::new();
    for (number, blob) in (0..).zip(blobs) {
        let read = async {
            let found = client.find(*blob, Arc::new(Silent)).await?;
            let mut reader = found.read(ByteRange::All)?;
            let mut all = Vec::new();
            while let Some(bytes) = reader.next().await {
                all.extend_from_slice(&bytes?);
            }
            Ok::<_, Box<dyn std::error::Error>>(all)
        };
        match read.await {
            Ok(bytes) if bytes == sample(length(number)) => {}
            Ok(_) => failed.push("other bytes".to_owned()),
            Err(error) => failed.push(error.to_string()),
        }
    }
    failed
}

fn length(number: u8) -> usize {
    4_000 + 100 * usize::from(number)
}

#[derive(NetworkBehaviour)]
struct Trusting {
    identify: identify::Behaviour,
    kad: kad::Behaviour<kad::store::MemoryStore>,
}

/// What a client believes of these records that trusts the table and takes the first answer: how many
/// true ones, and how many lies.
async fn believed_of_the_table(
    bootstraps: &[Bootstrap],
    records: &[VerifiedRecord],
) -> (usize, usize) {
    let mut swarm: Swarm<Trusting> = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_quic()
        .with_behaviour(|keypair| {
            let peer = keypair.public().to_peer_id();
            let store = kad::store::MemoryStore::new(peer);
            let identify = identify::Config::new("/floe/1".to_owned(), keypair.public());
            Trusting {
                identify: identify::Behaviour::new(identify),
                kad: kad::Behaviour::with_config(peer, store, kad::Config::new(KAD)),
            }
        })
        .unwrap()
        .build();
    let kad = &mut swarm.behaviour_mut().kad;
    for bootstrap in bootstraps {
        let address = bootstrap.address.as_multiaddr().clone();
        kad.add_address(&bootstrap.peer, address);
    }
    let mut running: HashSet<_> = records
        .iter()
        .map(|record| kad.get_record(record_key(&record.peer()).into()))
        .collect();
    let truth: HashSet<_> = records
        .iter()
        .map(|record| bcs::to_bytes(record.signed()).unwrap())
        .collect();
    let (mut true_ones, mut lies) = (0, 0);
    while !running.is_empty() {
        if let SwarmEvent::Behaviour(TrustingEvent::Kad(kad::Event::OutboundQueryProgressed {
            id,
            result: kad::QueryResult::GetRecord(result),
            ..
        })) = swarm.select_next_some().await
            && running.remove(&id)
            && let Ok(kad::GetRecordOk::FoundRecord(found)) = result
        {
            let count = if truth.contains(&found.record.value) {
                &mut true_ones
            } else {
                &mut lies
            };
            *count += 1;
        }
    }
    (true_ones, lies)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_honest_bootstrap_of_twenty_suffices_among_sybils() {
    let scale = Scale {
        honest: 4,
        around_record: 20,
        around_client: 10,
        clients: 2,
        blobs: 10,
    };
    survives(scale, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute of both processors; docs/reliability.md has the command"]
async fn one_honest_bootstrap_of_twenty_suffices_among_four_hundred_sybils() {
    let scale = Scale {
        honest: 10,
        around_record: 36,
        around_client: 8,
        clients: 5,
        blobs: 20,
    };
    survives(scale, 400).await;
}

/// Every read of every client succeeds, with the table and without.
async fn survives(scale: Scale, sybils: usize) {
    let world = World::new(scale.honest).await;
    let mut blobs = Vec::new();
    for number in 0..scale.blobs {
        blobs.push(world.store(sample(length(number))).await.unwrap().blob);
    }
    let network = world.client().network().await.unwrap();
    let nowhere = Nowhere::new();
    let honest = members(scale.honest, &network, &nowhere).await;
    let clients: Vec<_> = (0..scale.clients)
        .map(|number| Identity::from_seed([100 + number; 32]))
        .collect();

    let records: Vec<_> = honest.iter().map(|member| member.record.clone()).collect();
    let keys: Vec<_> = records.iter().map(|r| record_key(&r.peer())).collect();
    let ids = clients.iter().map(|client| client.peer_id().to_bytes());
    let mut targets: Vec<_> = keys
        .iter()
        .map(|key| (key.clone(), scale.around_record))
        .collect();
    targets.extend(ids.map(|id| (id, scale.around_client)));
    let lies = honest.iter().map(|member| Lie::about(&member.old));
    let lies = keys.iter().cloned().zip(lies).collect();
    let bootstrapped: Vec<_> = honest.iter().map(|m| m.bootstraps[1].clone()).collect();
    let ring = surround(&targets, lies, &network.committee, &bootstrapped).await;

    // Each honest one has met its share.
    for member in &honest {
        let most = ring.sybils.len() / honest.len() * 3 / 4;
        connected(&member.plane, most).await;
    }
    for member in &honest {
        member.plane.announce(member.record.clone()).await;
    }
    // They are where they want to be, and who trusts the table finds nothing else.
    assert_eq!(ring.sybils.len(), sybils);
    let peers: Vec<_> = records.iter().map(|record| record.peer()).collect();
    for (key, _) in &targets {
        let held = ring.hold(key, &peers);
        assert!(held >= NEAREST - 3, "{held} of the nearest {NEAREST}");
    }
    let known = bootstraps(0, &honest, &ring, &nowhere);
    let some = &records[..LOOKUPS];
    let believed = timeout(SET_UP, believed_of_the_table(&known, some)).await;
    let (true_ones, lies) = believed.expect("lookups of who trusts the table end");
    assert!(
        2 * true_ones < LOOKUPS && lies > 0,
        "{true_ones} true, {lies} lies of {LOOKUPS}"
    );

    for table in [true, false] {
        let asked = || {
            let counts = [&ring.asked.table, &ring.asked.directly];
            counts.map(|count| count.swap(0, Ordering::Relaxed))
        };
        asked();
        let journeys = clients.iter().enumerate().map(|(number, client)| {
            let bootstrap = bootstraps(number, &honest, &ring, &nowhere);
            assert_eq!(bootstrap.len(), BOOTSTRAPS);
            let settings = ControlSettings {
                table,
                ..ControlSettings::client()
            };
            let plane = plane(client, settings, &bootstrap, &network, Arc::new(NoRespond));
            let anchor = TrustAnchor {
                network: network.id,
                epoch: Epoch::FIRST,
                committee: network.committee.digest(),
                window_ms: u64::MAX,
                bootstrap,
            };
            let (world, peers, blobs) = (&world, &peers, &blobs);
            async move {
                let state = tempfile::tempdir().unwrap();
                let failed = reads(world, &plane, client, anchor, peers, blobs, state.path()).await;
                plane.shutdown().await;
                failed
            }
        });
        let failed = stream::iter(journeys).buffer_unordered(AT_ONCE);
        let failed = failed.collect::<Vec<_>>().await.concat();
        assert!(
            failed.is_empty(),
            "with the table {table}: {} of {} reads failed: {failed:?}",
            failed.len(),
            usize::from(scale.clients) * usize::from(scale.blobs),
        );
        let [lookups, directly] = asked();
        assert!(directly > 0, "nobody asked a Sybil");
        assert_eq!(lookups > 0, table, "{lookups} messages of the table");
    }
}
