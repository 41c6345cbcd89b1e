//! The transport against itself and against libp2p's own, over real sockets, and against who floods it.

use std::{net::UdpSocket, sync::Arc, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt, future::poll_fn};
use libp2p::{
    Multiaddr, Transport,
    core::{
        Endpoint as Role,
        muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox},
        transport::{Boxed, DialOpts, ListenerId, PortUse, TransportEvent},
    },
    multiaddr::Protocol,
};
use tokio_util::task::TaskTracker;

use super::{QuicTransport, address};
use crate::{
    guard::{DoorSettings, Plane},
    identity::{Identity, PeerId},
    transport::handshake::Handshakes,
};

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared with tests that use all of it"
)]
#[path = "../../../tests/attacker/initial.rs"]
mod initial;

type Muxed = (PeerId, StreamMuxerBox);

const V4: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
const V6: &str = "/ip6/::1/udp/0/quic-v1";

fn door() -> Arc<Handshakes> {
    Handshakes::new(Plane::Control, DoorSettings::default(), TaskTracker::new())
}

fn unboxed() -> QuicTransport {
    QuicTransport::new(&Identity::generate(), door()).unwrap()
}

fn ours(identity: &Identity) -> Boxed<Muxed> {
    let quic = QuicTransport::new(identity, door()).unwrap();
    quic.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed()
}

fn theirs(identity: &Identity) -> Boxed<Muxed> {
    let config = libp2p::quic::Config::new(identity.keypair());
    libp2p::quic::tokio::Transport::new(config)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed()
}

type Make = fn(&Identity) -> Boxed<Muxed>;

/// A peer that listens.
struct Peer {
    id: PeerId,
    transport: Boxed<Muxed>,
    listener: ListenerId,
    address: Multiaddr,
}

impl Peer {
    async fn new(make: Make, listen: &str) -> Self {
        let identity = Identity::generate();
        let mut transport = make(&identity);
        let listener = ListenerId::next();
        transport
            .listen_on(listener, listen.parse().unwrap())
            .unwrap();
        let address = match next(&mut transport).await {
            TransportEvent::NewAddress { listen_addr, .. } => listen_addr,
            other => panic!("{other:?}"),
        };
        Self {
            id: identity.peer_id(),
            transport,
            listener,
            address,
        }
    }

    fn named(&self) -> Multiaddr {
        self.address.clone().with(Protocol::P2p(self.id))
    }

    /// The next connection from outside, and where it came from.
    async fn accept(&mut self) -> (Muxed, Multiaddr) {
        match next(&mut self.transport).await {
            TransportEvent::Incoming {
                upgrade,
                send_back_addr,
                ..
            } => (upgrade.await.unwrap(), send_back_addr),
            other => panic!("{other:?}"),
        }
    }

    async fn dial(&mut self, to: Multiaddr, options: DialOpts) -> Muxed {
        self.transport.dial(to, options).unwrap().await.unwrap()
    }
}

async fn next<T: Transport + Unpin>(
    transport: &mut T,
) -> TransportEvent<T::ListenerUpgrade, T::Error> {
    poll_fn(|cx| std::pin::Pin::new(&mut *transport).poll(cx)).await
}

const fn options(role: Role, port_use: PortUse) -> DialOpts {
    DialOpts { role, port_use }
}

const DIALER: DialOpts = options(Role::Dialer, PortUse::Reuse);

async fn open(muxer: &mut StreamMuxerBox) -> SubstreamBox {
    poll_fn(|cx| muxer.poll_outbound_unpin(cx)).await.unwrap()
}

async fn accepted(muxer: &mut StreamMuxerBox) -> SubstreamBox {
    poll_fn(|cx| muxer.poll_inbound_unpin(cx)).await.unwrap()
}

/// More than any window travels there, and back once the first half is closed.
async fn talk(from: &mut StreamMuxerBox, to: &mut StreamMuxerBox) {
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let asks = async {
        let mut stream = open(from).await;
        stream.write_all(&content).await.unwrap();
        stream.close().await.unwrap();
        stream.close().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer == content);
    };
    let answers = async {
        let mut stream = accepted(to).await;
        let mut asked = Vec::new();
        stream.read_to_end(&mut asked).await.unwrap();
        stream.write_all(&asked).await.unwrap();
        stream.close().await.unwrap();
    };
    tokio::join!(asks, answers);
}

#[tokio::test]
async fn it_speaks_with_itself_and_with_libp2p_in_both_directions() {
    for listen in [V4, V6] {
        for (one, other) in [(ours as Make, ours as Make), (ours, theirs), (theirs, ours)] {
            let mut listening = Peer::new(one, listen).await;
            let mut dialling = Peer::new(other, listen).await;
            let to = listening.named();
            let (accepted, dialled) = tokio::join!(listening.accept(), dialling.dial(to, DIALER));
            let ((dialler, mut there), from) = accepted;
            let (listener, mut here) = dialled;
            assert_eq!((dialler, listener), (dialling.id, listening.id));
            assert_eq!(
                from, dialling.address,
                "the dial left from where it listens"
            );
            talk(&mut here, &mut there).await;
            talk(&mut there, &mut here).await;
        }
    }
}

#[tokio::test]
async fn a_new_port_is_taken_where_one_is_wanted_or_nothing_is_listened_on() {
    let mut listening = Peer::new(theirs, V4).await;
    let mut dialling = Peer::new(ours, V4).await;
    let to = listening.named();
    let new = options(Role::Dialer, PortUse::New);
    let ((_, from), _there) = tokio::join!(listening.accept(), dialling.dial(to.clone(), new));
    assert_ne!(from, dialling.address);

    let mut client = ours(&Identity::generate());
    let mut ports = Vec::new();
    for _ in 0..2 {
        let dial = client.dial(to.clone(), DIALER).unwrap();
        let ((_, from), _there) = tokio::join!(listening.accept(), dial);
        ports.push(from);
    }
    assert_eq!(ports[0], ports[1], "one socket for all dials");
}

#[tokio::test]
async fn whoever_dials_as_a_listener_waits_for_the_peers_own_dial() {
    for other in [theirs as Make, ours] {
        let mut punching = Peer::new(ours, V4).await;
        let mut dialling = Peer::new(other, V4).await;
        let role = options(Role::Listener, PortUse::Reuse);
        let waits = punching.transport.dial(dialling.named(), role).unwrap();
        assert!(
            punching.transport.dial(dialling.named(), role).is_err(),
            "it is waited for already"
        );
        // Somebody else is no answer, and comes in as everybody.
        let mut stranger = Peer::new(other, V4).await;
        let to = punching.named();
        let ((met, _), _) = tokio::join!(punching.accept(), stranger.dial(to.clone(), DIALER));
        assert_eq!(met.0, stranger.id);

        let id = dialling.id;
        let mut came = tokio::spawn(waits);
        let dials = dialling.dial(to, DIALER);
        let routes = async {
            tokio::select! {
                event = next(&mut punching.transport) => panic!("{event:?}"),
                came = &mut came => came.unwrap().unwrap(),
            }
        };
        let ((peer, mut here), (_, mut there)) = tokio::join!(routes, dials);
        assert_eq!(peer, id);
        talk(&mut here, &mut there).await;
    }
}

#[tokio::test]
async fn a_removed_listener_says_so_and_gives_its_port_back() {
    let mut listening = Peer::new(ours, V4).await;
    let mut dialling = Peer::new(theirs, V4).await;
    let to = listening.named();
    let (kept, (_, mut muxer)) = tokio::join!(listening.accept(), dialling.dial(to, DIALER));
    assert!(listening.transport.remove_listener(listening.listener));
    match next(&mut listening.transport).await {
        TransportEvent::ListenerClosed {
            listener_id,
            reason,
        } => {
            reason.unwrap();
            assert_eq!(listener_id, listening.listener);
        }
        other => panic!("{other:?}"),
    }
    assert!(poll_fn(|cx| muxer.poll_inbound_unpin(cx)).await.is_err());
    // A connection that somebody holds has the socket, too.
    drop((listening.transport, kept));
    let (socket, _) = address::parse(&listening.address).unwrap();
    while UdpSocket::bind(socket).is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn every_interface_is_told_and_what_is_no_address_is_refused() {
    let mut transport = ours(&Identity::generate());
    let everywhere = "/ip4/0.0.0.0/udp/0/quic-v1".parse().unwrap();
    transport.listen_on(ListenerId::next(), everywhere).unwrap();
    loop {
        let TransportEvent::NewAddress { listen_addr, .. } = next(&mut transport).await else {
            continue;
        };
        let (socket, _) = address::parse(&listen_addr).unwrap();
        assert_ne!(socket.port(), 0);
        if socket.ip().is_loopback() {
            let mut client = Peer::new(theirs, V4).await;
            let (event, _) = tokio::join!(next(&mut transport), client.dial(listen_addr, DIALER));
            assert!(matches!(
                event,
                TransportEvent::Incoming { .. } | TransportEvent::NewAddress { .. }
            ));
            break;
        }
    }
    for wrong in [
        "/ip4/127.0.0.1/udp/0/quic-v1",
        "/ip4/0.0.0.0/udp/9/quic-v1",
        "/ip4/127.0.0.1/tcp/9",
    ] {
        assert!(
            transport.dial(wrong.parse().unwrap(), DIALER).is_err(),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn first_packets_of_nobody_leave_a_bounded_number_of_states_and_keep_nobody_out() {
    const PACKETS: u64 = 5_000;
    let mut transport = unboxed();
    transport
        .listen_on(ListenerId::next(), V4.parse().unwrap())
        .unwrap();
    let TransportEvent::NewAddress { listen_addr, .. } = next(&mut transport).await else {
        panic!("no address");
    };
    let (to, _) = address::parse(&listen_addr).unwrap();
    let endpoint = transport.listeners[0].endpoint.clone();
    tokio::spawn(async move {
        loop {
            next(&mut transport).await;
        }
    });
    let kinds = [&b"libp2p"[..], b"/nobody/1"].map(|alpn| initial::Initials::new(alpn, [7; 8]));
    let sockets: Vec<_> = (1..=250)
        .map(|host| {
            let socket = UdpSocket::bind((std::net::Ipv4Addr::new(127, 99, host, 1), 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let (mut sent, mut got, mut most) = (0, 0, 0);
    let mut buffer = [0; 2048];
    for number in 0..PACKETS {
        let place = usize::try_from(number).unwrap();
        let packet = kinds[place % 2].packet(&number.to_le_bytes(), b"");
        let socket = &sockets[place % sockets.len()];
        sent += socket.send_to(&packet, to).unwrap();
        if number % 100 == 99 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            most = most.max(endpoint.open_connections());
            for socket in &sockets {
                while let Ok(length) = socket.recv(&mut buffer) {
                    got += length;
                }
            }
        }
        if number % 1_000 == 999 {
            let mut honest = theirs(&Identity::generate());
            honest
                .dial(listen_addr.clone(), DIALER)
                .unwrap()
                .await
                .unwrap();
        }
    }
    // The honest ones are there for a while, too.
    let honest = usize::try_from(PACKETS / 1_000).unwrap();
    let bound = DoorSettings::default().retry_above + honest;
    assert!((20..=bound).contains(&most), "{most} states");
    assert!(got > 0 && got <= sent, "{got} bytes for {sent}");
}

#[tokio::test]
async fn a_hundred_neighbours_come_at_once() {
    let members = door();
    members.members_at(&[[127, 0, 0, 1].into()]);
    let mut transport = QuicTransport::new(&Identity::generate(), members).unwrap();
    transport
        .listen_on(ListenerId::next(), V4.parse().unwrap())
        .unwrap();
    let TransportEvent::NewAddress { listen_addr, .. } = next(&mut transport).await else {
        panic!("no address");
    };
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            if let TransportEvent::Incoming { upgrade, .. } = next(&mut transport).await {
                kept.push(upgrade.await.unwrap());
            }
        }
    });
    let peers = (0..100).map(|_| {
        let mut one = ours(&Identity::generate());
        let to = listen_addr.clone();
        async move { one.dial(to, DIALER).unwrap().await }
    });
    for came in futures::future::join_all(peers).await {
        came.unwrap();
    }
}
