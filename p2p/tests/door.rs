//! Strangers at the door of a real endpoint: floods of first packets, half-open handshakes and many hosts
//! keep nobody out and get little back. Hosts are addresses of 127.0.0.0/8.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod world;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use floe_p2p::{
    address::PeerAddress,
    guard::{Action, DoorSettings, Limit, Who},
    identity::Identity,
    plane::DataPlane,
    server::ServerSettings,
    transport::quic::{QuicSettings, QuicTransport},
    wire::ALPN,
};
use prometheus_client::registry::Registry;
use quinn::crypto::rustls::QuicClientConfig;
use tokio::{net::UdpSocket, time::timeout};
use world::{MemoryService, anonymous, client, loopback, options};

fn serve(door: DoorSettings) -> (DataPlane<MemoryService>, PeerAddress) {
    let identity = Identity::generate();
    let settings = QuicSettings {
        door,
        ..QuicSettings::node(loopback())
    };
    let transport = QuicTransport::bind(&identity, settings).unwrap();
    let to = PeerAddress::new(identity.peer_id(), transport.local_address());
    let settings = ServerSettings::default();
    let service = MemoryService::default();
    let server = DataPlane::start(Arc::new(transport), service, Arc::new(anonymous), settings);
    (server, to)
}

fn at(to: &PeerAddress) -> SocketAddr {
    to.addresses[0].to_string().parse().unwrap()
}

fn host(subnet: u8, host: u8) -> SocketAddr {
    (Ipv4Addr::new(127, 1, subnet, host), 0).into()
}

fn hostile() -> quinn::Endpoint {
    let keypair = libp2p_identity::Keypair::generate_ed25519();
    let mut tls = libp2p_tls::make_client_config(&keypair, None).unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut endpoint = quinn::Endpoint::client(loopback()).unwrap();
    endpoint.set_default_client_config(config);
    endpoint
}

/// First packets, each of a connection of its own.
async fn first_packets(count: usize) -> Vec<Vec<u8>> {
    let sink = UdpSocket::bind(loopback()).await.unwrap();
    let endpoint = hostile();
    let mut packets = Vec::new();
    let mut buffer = vec![0; 2048];
    while packets.len() < count {
        let connecting = endpoint.connect(sink.local_addr().unwrap(), "x").unwrap();
        let length = sink.recv(&mut buffer).await.unwrap();
        packets.push(buffer[..length].to_vec());
        drop(connecting);
        // The close of the connection that was given up.
        let _ = sink.try_recv(&mut buffer);
    }
    packets.retain(|packet| packet.len() >= 1200);
    packets
}

fn metrics(server: &DataPlane<MemoryService>) -> String {
    let mut registry = Registry::default();
    server.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn first_packets_with_false_addresses_get_little_back_and_keep_nobody_out() {
    let (server, to) = serve(DoorSettings::default());
    let packets = first_packets(300).await;
    let (mut sent, mut got) = (0, 0);
    let mut sockets = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        let [_, subnet, .., number] = u32::try_from(index).unwrap().to_be_bytes();
        let socket = UdpSocket::bind(host(subnet, number.max(1))).await.unwrap();
        sent += socket.send_to(packet, at(&to)).await.unwrap();
        sockets.push(socket);
        if index % 50 == 0 {
            client().client().health(&to, &options()).await.unwrap();
        }
    }
    client().client().health(&to, &options()).await.unwrap();
    let text = metrics(&server);
    assert!(text.contains(r#"action="asked""#), "{text}");
    drop(server);
    let mut buffer = vec![0; 2048];
    for socket in &sockets {
        while let Ok(length) = socket.try_recv(&mut buffer) {
            got += length;
        }
    }
    assert!(got > 0 && got <= 3 * sent, "{got} bytes for {sent}");
}

/// Lets a client prove its address, and then takes everything the server says: its handshakes stay half
/// open.
async fn half_open(from: SocketAddr, server: SocketAddr, handshakes: Arc<AtomicUsize>) {
    let back = UdpSocket::bind(from).await.unwrap();
    back.connect(server).await.unwrap();
    let front = UdpSocket::bind(loopback()).await.unwrap();
    let endpoint = hostile();
    let mut waiting = Vec::new();
    let (mut out, mut answer) = (vec![0; 2048], vec![0; 2048]);
    for _ in 0..8 {
        waiting.push(endpoint.connect(front.local_addr().unwrap(), "x").unwrap());
    }
    handshakes.fetch_add(waiting.len(), Relaxed);
    loop {
        tokio::select! {
            received = front.recv_from(&mut out) => {
                let (length, _) = received.unwrap();
                let _ = back.send(&out[..length]).await;
            }
            received = back.recv(&mut answer) => {
                let Ok(length) = received else { continue };
                // Of long headers only Retry passes.
                if answer[0] & 0xf0 == 0xf0 {
                    let _ = front.send_to(&answer[..length], endpoint.local_addr().unwrap()).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn half_open_handshakes_of_proven_hosts_keep_nobody_out() {
    let (server, to) = serve(DoorSettings::default());
    let handshakes = Arc::new(AtomicUsize::new(0));
    let mut floods = tokio::task::JoinSet::new();
    for number in 0..50 {
        let from = host(number % 5, number + 1);
        floods.spawn(half_open(from, at(&to), Arc::clone(&handshakes)));
    }
    // Until there is no place any more for some of them.
    let crowded = || {
        let incidents = server.limits().report().incidents;
        incidents.iter().any(|it| it.limit == Limit::Handshakes)
    };
    while !crowded() || handshakes.load(Relaxed) < 400 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..5 {
        client().client().health(&to, &options()).await.unwrap();
    }
}

#[tokio::test]
async fn a_host_whose_handshakes_come_to_nothing_is_banned_and_others_are_not() {
    let door = DoorSettings {
        retry_above: 0,
        junk_rate: floe_p2p::guard::Rate {
            per_second: 1,
            burst: 5,
        },
        ..DoorSettings::default()
    };
    let (server, to) = serve(door);
    let keypair = libp2p_identity::Keypair::generate_ed25519();
    let mut tls = libp2p_tls::make_client_config(&keypair, None).unwrap();
    tls.alpn_protocols = vec![b"something else".to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::client(host(9, 9)).unwrap();
    let connect = || endpoint.connect_with(config.clone(), at(&to), "x").unwrap();
    let banned = || {
        let incidents = server.limits().report().incidents;
        let of = |it: &&floe_p2p::guard::Incident| it.action == Action::Banned;
        incidents.iter().find(of).map(|it| it.who)
    };
    while banned().is_none() {
        assert!(connect().await.is_err());
    }
    assert_eq!(banned(), Some(Who::At(host(9, 9).ip().into())));
    // Not even a refusal comes back.
    assert!(
        timeout(Duration::from_millis(300), connect())
            .await
            .is_err()
    );
    client().client().health(&to, &options()).await.unwrap();
}
