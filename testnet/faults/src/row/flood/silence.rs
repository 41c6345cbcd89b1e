//! Connections over TCP that say nothing, from many hosts, and again whenever they are hung up on: each
//! takes the place of a handshake as long as it may.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use floe_p2p::control::record::Bootstrap;
use libp2p::{StreamProtocol, identity::Keypair};
use tokio::{
    io::AsyncReadExt,
    net::TcpSocket,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{Victim, attacker::Attacker};
use crate::Attempt;

/// Hosts that say nothing, and connections of each.
const HOSTS: u8 = 200;
const EACH: usize = 2;
/// What everybody answers who let somebody in.
const IDENTIFY: StreamProtocol = StreamProtocol::new("/ipfs/id/1.0.0");

/// What came of it.
pub(super) struct Silence {
    /// Connections that said nothing.
    pub(super) connections: u64,
    /// Honest peers that came over TCP meanwhile, and those of them that were let in.
    pub(super) came: u64,
    pub(super) met: u64,
}

/// Says nothing to the victim's control plane for a time.
pub(super) async fn silence(victim: &Victim, time: Duration) -> Attempt<Silence> {
    let end = Instant::now() + time;
    let net = u8::try_from(victim.node)?;
    let mut silent = JoinSet::new();
    for host in 1..=HOSTS {
        for _ in 0..EACH {
            let from = Ipv4Addr::new(127, 89, net, host);
            silent.spawn(say_nothing((from, 0).into(), victim.control, end));
        }
    }
    let (port, peer) = (victim.control.port(), victim.bootstrap.peer);
    let over_tcp: Bootstrap = format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer}").parse()?;
    let (mut came, mut met) = (0, 0);
    while Instant::now() < end {
        let mut honest = Attacker::connect(Keypair::generate_ed25519(), &over_tcp);
        came += 1;
        met += u64::from(honest.open(IDENTIFY).await.is_some());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut connections = 0;
    while let Some(count) = silent.join_next().await {
        connections += count?;
    }
    Ok(Silence {
        connections,
        came,
        met,
    })
}

async fn say_nothing(from: SocketAddr, to: SocketAddr, end: Instant) -> u64 {
    let mut connections = 0;
    while Instant::now() < end {
        let connected = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(from)?;
            socket.connect(to).await
        };
        if let Ok(Ok(mut stream)) = timeout_at(end, connected).await {
            connections += 1;
            let mut said = Vec::new();
            let _ = timeout_at(end, stream.read_to_end(&mut said)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    connections
}
