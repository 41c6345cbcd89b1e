//! The control plane over real sockets: peers that know one bootstrap find each other, hear news, and
//! shut out who lies.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod abuse;
mod attacker;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use floe_chain::{
    certificate::Confirmation,
    committee::{Candidate, Committee, MemberIndex},
    epoch::{ChainTime, Epoch},
    id::{ChainId, NetworkId, NodeId, SystemId},
    keys::BlsSecretKey,
    statement::{Handover, Statement},
};
use floe_p2p::{
    address::{DataAddress, PeerAddress},
    control::{
        Multiaddr, Protocol,
        book::{AddressBook, Origin},
        news::{CommitteeNews, News},
        plane::{ControlPlane, wall_clock},
        record::{Bootstrap, ControlAddress, NodeRecord, VerifiedRecord},
        request::{ControlAnswer, ControlRequest, PeerKey},
        respond::{NoRespond, Respond},
        settings::{ControlSettings, Places, Role},
        topic::Topic,
    },
    identity::{Identity, PeerId},
    plane::DataPlane,
    transport::{DataTransport, sim::SimNetwork},
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    io::AsyncReadExt,
    net::TcpSocket,
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

const NETWORK: NetworkId = NetworkId {
    chain: ChainId::from_bytes([0xc0; 32]),
    system: SystemId::from_bytes([0x50; 32]),
};

fn identity(n: u8) -> Identity {
    Identity::from_seed([n; 32])
}

fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

fn bls(n: u8) -> BlsSecretKey {
    BlsSecretKey::from_seed(&[n; 32])
}

fn committee(epoch: u32, members: u8) -> Arc<Committee> {
    let candidates = (1..=members).map(|n| Candidate {
        node: node(n),
        bls_key: bls(n).public(),
        identity: identity(n).public_key(),
    });
    let owners = (0..10).map(|shard| MemberIndex::new(shard % u16::from(members)));
    let (candidates, owners) = (candidates.collect(), owners.collect());
    let committee = Committee::new(Epoch::new(epoch), wall_clock(), 1_000, candidates, owners);
    Arc::new(committee.unwrap())
}

struct Peer {
    plane: ControlPlane,
    news: mpsc::Receiver<News>,
    listens: Multiaddr,
}

impl Peer {
    async fn start(n: u8, role: Role, bootstrap: Option<&Bootstrap>) -> Self {
        Self::listen(n, role, bootstrap, "/ip4/127.0.0.1/udp/0/quic-v1").await
    }

    async fn listen(n: u8, role: Role, bootstrap: Option<&Bootstrap>, on: &str) -> Self {
        let settings = ControlSettings {
            role,
            ..ControlSettings::node(vec![on.parse().unwrap()])
        };
        Self::with(n, settings, bootstrap).await
    }

    async fn with(n: u8, settings: ControlSettings, bootstrap: Option<&Bootstrap>) -> Self {
        Self::responding(n, settings, bootstrap, Arc::new(NoRespond)).await
    }

    async fn responding(
        n: u8,
        settings: ControlSettings,
        bootstrap: Option<&Bootstrap>,
        respond: Arc<dyn Respond>,
    ) -> Self {
        let book = Arc::new(AddressBook::new(NETWORK));
        if let Some(bootstrap) = bootstrap {
            book.add_bootstrap(bootstrap.clone());
        }
        let settings = ControlSettings {
            local_network: true,
            ..settings
        };
        let (plane, news) =
            ControlPlane::start(&identity(n), &settings, book, respond, None).unwrap();
        let mut listening = plane.listening();
        let all = listening
            .wait_for(|all| !all.is_empty())
            .await
            .unwrap()
            .clone();
        Self {
            plane,
            news,
            listens: all[0].clone(),
        }
    }

    fn address(&self) -> ControlAddress {
        ControlAddress::new(self.listens.clone()).unwrap()
    }

    fn bootstrap(&self) -> Bootstrap {
        Bootstrap {
            peer: self.plane.local_peer(),
            address: self.address(),
        }
    }

    async fn announce(&self, n: u8, port: u16) {
        let record = NodeRecord {
            network: NETWORK,
            node: node(n),
            identity: identity(n).public_key(),
            written: wall_clock(),
            data: vec![data(port)].try_into().unwrap(),
            control: vec![self.address()].try_into().unwrap(),
        };
        let record = VerifiedRecord::sign(record, &identity(n));
        self.plane.announce(record).await;
    }

    async fn connected(&self, count: usize) {
        let mut connected = self.plane.connected();
        connected
            .wait_for(|peers| peers.len() >= count)
            .await
            .unwrap();
    }
}

fn data(port: u16) -> DataAddress {
    format!("127.0.0.1:{port}").parse().unwrap()
}

/// Members 1 to `count`; all but the first know only the first.
async fn mesh(count: u8) -> Vec<Peer> {
    let mut peers = vec![Peer::start(1, Role::Node, None).await];
    let bootstrap = peers[0].bootstrap();
    for n in 2..=count {
        peers.push(Peer::start(n, Role::Node, Some(&bootstrap)).await);
    }
    for (n, peer) in (1..).zip(&peers) {
        peer.plane.set_committees(vec![committee(7, count)]).await;
        for other in 1..=count {
            // What the chain says is wrong for everybody: all have moved.
            peer.plane
                .book()
                .set_hint(identity(other).peer_id(), vec![data(9)]);
        }
        peer.announce(n, 4000 + u16::from(n)).await;
    }
    for peer in &peers {
        peer.connected(usize::from(count) - 1).await;
    }
    peers
}

/// Waits without a clock of its own: the test's runner ends what hangs.
async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn ten_peers_that_know_one_find_all_and_where_they_moved() {
    let peers = mesh(10).await;
    for peer in &peers {
        until(|| peer.plane.book().origins()[&Origin::Record] == 10).await;
    }
    let last = identity(10).peer_id();
    let (origin, addresses) = peers[1].plane.book().data(&last);
    assert_eq!((origin, &addresses[0]), (Origin::Record, &data(4010)));
    assert_eq!(addresses.last(), Some(&data(9)));

    // One moves again: a later record reaches everybody by gossip.
    peers[9].announce(10, 5555).await;
    for peer in &peers {
        until(|| peer.plane.book().data(&last).1[0] == data(5555)).await;
    }
    for peer in &peers {
        peer.plane.shutdown().await;
    }
}

#[tokio::test]
async fn news_reaches_everybody_and_who_gossips_forgeries_is_banned() {
    let mut peers = mesh(5).await;
    let next = committee(8, 5);
    let statement = Statement {
        network: NETWORK,
        epoch: Epoch::new(7),
        body: Handover::to(&next),
    };
    let good = Confirmation::sign(node(2), statement.clone(), &bls(2));
    let data = bcs::to_bytes(&CommitteeNews::Signature(good.clone())).unwrap();
    // A mesh forms within some heartbeats; until then a message reaches nobody.
    tokio::time::sleep(Duration::from_secs(3)).await;
    peers[1].plane.publish(Topic::Committee, data).await;
    for peer in [0, 2, 3, 4] {
        let news = loop {
            match peers[peer].news.recv().await.unwrap() {
                News::Record(_) => {}
                other => break other,
            }
        };
        assert_eq!(news, News::Signature(good.clone()));
    }

    let liar = identity(4).peer_id();
    for wrong in 0..3 {
        let forged = Confirmation::sign(node(3), statement.clone(), &bls(40 + wrong));
        let data = bcs::to_bytes(&CommitteeNews::Signature(forged)).unwrap();
        peers[3].plane.publish(Topic::Committee, data).await;
    }
    for peer in [0, 1, 2, 4] {
        let mut connected = peers[peer].plane.connected();
        connected
            .wait_for(|all| !all.contains(&liar))
            .await
            .unwrap();
    }
    for honest in [0, 1, 2, 4] {
        let connected = peers[0].plane.connected().borrow().len();
        assert_eq!(connected, 3, "only the liar left peer {honest}");
    }
}

#[tokio::test]
async fn a_client_finds_records_by_asking_and_in_the_table() {
    let peers = mesh(6).await;
    let client = Peer::start(99, Role::Client, Some(&peers[0].bootstrap())).await;
    client.connected(1).await;
    let wanted: Vec<PeerId> = (2..=6).map(|n| identity(n).peer_id()).collect();

    let keys: Vec<_> = wanted.iter().filter_map(PeerKey::of).collect();
    let request = ControlRequest::Records(keys.try_into().unwrap());
    let bootstrap = identity(1).peer_id();
    until(|| peers[0].plane.book().records().len() == 6).await;
    let answer = client.plane.ask(bootstrap, request).await.unwrap();
    let ControlAnswer::Records(records) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(records.len(), 5);

    let book = client.plane.book();
    for peer in wanted {
        while book.record(&peer).is_none() {
            client.plane.find(peer).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

#[tokio::test]
async fn an_old_record_told_again_does_not_end_the_search() {
    let peers = mesh(3).await;
    until(|| peers[0].plane.book().records().len() == 3).await;
    let client = Peer::start(99, Role::Client, Some(&peers[0].bootstrap())).await;
    // Where the third was an hour ago, nobody answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let control = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
    let old = NodeRecord {
        network: NETWORK,
        node: node(3),
        identity: identity(3).public_key(),
        written: ChainTime::from_ms(wall_clock().as_ms() - 3_600_000),
        data: vec![data(port)].try_into().unwrap(),
        control: vec![control.parse().unwrap()].try_into().unwrap(),
    };
    let old = VerifiedRecord::sign(old, &identity(3));
    client.plane.book().offer(old).unwrap();
    client.plane.set_committees(vec![committee(7, 3)]).await;
    let moved = identity(3).peer_id();
    until(|| client.plane.book().data(&moved).1[0] == data(4003)).await;
}

#[tokio::test]
async fn who_was_there_first_makes_room_for_others() {
    let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
    let settings = ControlSettings {
        strangers: Places {
            accepted: 2,
            dialled: 0,
        },
        ..ControlSettings::node(listen)
    };
    let node = Peer::with(1, settings, None).await;
    let mut others = Vec::new();
    for n in 2..=4 {
        others.push(Peer::start(n, Role::Node, Some(&node.bootstrap())).await);
        node.connected(usize::from(n - 1).min(2)).await;
    }
    let last = identity(4).peer_id();
    let mut connected = node.plane.connected();
    let are_full = |peers: &Vec<PeerId>| peers.len() == 2 && peers.contains(&last);
    let turns = connected.wait_for(are_full);
    let turns = tokio::time::timeout(Duration::from_secs(60), turns).await;
    assert!(
        turns.is_ok_and(|open| open.is_ok()),
        "the last one never got in"
    );
}

/// Answers nobody until it is let.
struct Slow(Arc<Semaphore>);

impl Respond for Slow {
    fn respond(&self, _: ControlRequest) -> BoxFuture<'_, ControlAnswer> {
        Box::pin(async {
            drop(self.0.acquire().await);
            ControlAnswer::Unknown
        })
    }
}

#[tokio::test]
async fn a_stranger_has_eight_answers_under_way() {
    let let_go = Arc::new(Semaphore::new(0));
    let settings = ControlSettings::node(vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()]);
    let slow = Arc::new(Slow(Arc::clone(&let_go)));
    let node = Peer::responding(1, settings, None, slow).await;
    let client = Peer::start(99, Role::Client, Some(&node.bootstrap())).await;
    client.connected(1).await;
    let peer = node.plane.local_peer();
    for _ in 0..3 {
        let ask = || {
            client
                .plane
                .ask(peer, ControlRequest::Committee(Epoch::new(1)))
        };
        let mut asked: FuturesUnordered<_> = (0..10).map(|_| ask()).collect();
        for _ in 0..2 {
            assert_eq!(asked.next().await, Some(Ok(ControlAnswer::Busy)));
        }
        let_go.add_permits(8);
        while let Some(answer) = asked.next().await {
            assert_eq!(answer, Ok(ControlAnswer::Unknown));
        }
        let_go.forget_permits(8);
    }
}

/// Connects from an address of 127.0.0.0/8 and says nothing, again whenever it is hung up on.
async fn silent(from: SocketAddr, to: SocketAddr, hung_up: Arc<AtomicUsize>) {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(from).unwrap();
        if let Ok(mut stream) = socket.connect(to).await {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
            hung_up.fetch_add(1, Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let node = Peer::listen(1, Role::Node, None, "/ip4/127.0.0.1/tcp/0").await;
    let Some(Protocol::Tcp(port)) = node.listens.iter().nth(1) else {
        panic!("{} is not TCP", node.listens);
    };
    let to = (Ipv4Addr::LOCALHOST, port).into();
    let hung_up = Arc::new(AtomicUsize::new(0));
    let mut attack = JoinSet::new();
    for number in 0..400_u16 {
        let [_, host] = (number / 20 + 1).to_be_bytes();
        let from = Ipv4Addr::new(127, 1, u8::try_from(number % 20).unwrap(), host);
        attack.spawn(silent((from, 0).into(), to, Arc::clone(&hung_up)));
    }
    until(|| hung_up.load(Relaxed) >= 200).await;
    let bootstrap = node.bootstrap();
    for n in 2..=5 {
        let honest = Peer::listen(n, Role::Node, Some(&bootstrap), "/ip4/127.0.0.1/tcp/0").await;
        // Three times as long as a silent one may stay.
        let met = tokio::time::timeout(Duration::from_secs(30), honest.connected(1)).await;
        assert!(met.is_ok(), "peer {n} found no place");
    }
    assert!(attack.try_join_next().is_none());
}

#[tokio::test]
async fn a_node_lends_a_client_that_nobody_reaches_a_place_to_be_reached_at() {
    let node = Peer::start(1, Role::Node, None).await;
    let place = format!("{}/p2p-circuit", node.bootstrap());
    let client = Peer::listen(99, Role::Client, Some(&node.bootstrap()), &place).await;
    let hops: Vec<_> = client.listens.iter().collect();
    assert!(hops.contains(&Protocol::P2p(node.plane.local_peer())));
    assert!(hops.contains(&Protocol::P2pCircuit));
}

#[tokio::test]
async fn whoever_reads_over_the_control_plane_comes_from_somewhere() {
    let node = Peer::start(1, Role::Node, None).await;
    let client = Peer::start(99, Role::Client, Some(&node.bootstrap())).await;
    client.connected(1).await;
    let to = PeerAddress {
        peer: node.plane.local_peer(),
        addresses: Vec::new(),
    };
    let dialled = client.plane.data_transport().dial(&to).await.unwrap();
    let (mut send, _answer) = dialled.open().await.unwrap();
    send.send(b"a request".to_vec().into()).await.unwrap();
    let accepted = node.plane.data_transport().accept().await.unwrap();
    assert_eq!(accepted.remote(), Some(Ipv4Addr::LOCALHOST.into()));
}

#[tokio::test(start_paused = true)]
async fn the_data_plane_dials_where_the_book_says() {
    let network = SimNetwork::new(1);
    let book = Arc::new(AddressBook::new(NETWORK));
    let here = identity(1).peer_id();
    let plane = DataPlane::client_resolving(Arc::new(network.join(here)), Some(book.clone()));
    let there = network.join(identity(2).peer_id());
    book.set_members([(identity(2).peer_id(), node(2))].into());
    book.set_hint(identity(2).peer_id(), vec![data(9)]);
    let to = PeerAddress {
        peer: identity(2).peer_id(),
        addresses: vec![data(7)],
    };
    let resolved = floe_p2p::Resolve::resolve(&*book, &to);
    assert_eq!(resolved.addresses, vec![data(9), data(7)]);
    drop((plane, there.local_peer()));
}
