//! Storms of first packets of QUIC handshakes that nobody means to finish, from addresses that are not the
//! sender's to answer.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use floe_p2p::wire::ALPN;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::net::UdpSocket;

use super::attacker::initial::{Initials, retry};
use crate::Attempt;

/// Addresses that pretend to begin handshakes.
const SOURCES: u8 = 200;
/// What libp2p calls itself in a handshake.
const LIBP2P: &[u8] = b"libp2p";
/// What nobody is called.
const NOBODYS: &[u8] = b"/nobody/1";

/// Which plane's handshakes are begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plane {
    Data,
    Control,
}

/// What a storm cost both sides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) packets: u64,
    /// Bytes sent to the target from addresses it never validated.
    pub(super) sent: u64,
    /// Bytes it sent to them.
    pub(super) answered: u64,
}

impl Traffic {
    pub(super) fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.sent += other.sent;
        self.answered += other.answered;
    }
}

/// Many sockets, each with an address of its own on the loopback network.
pub(super) struct Storm {
    sockets: Vec<UdpSocket>,
    /// Of handshakes that begin, and of such that fail at once: nobody speaks their protocol.
    initials: [Initials; 2],
    rng: ChaCha8Rng,
}

impl Storm {
    /// A storm against a node with this number.
    pub(super) async fn new(plane: Plane, node: usize, seed: u64) -> Attempt<Self> {
        let mut sockets = Vec::new();
        let net = u8::try_from(node)? * 2 + u8::from(plane == Plane::Control);
        for host in 1..=SOURCES {
            let ip = Ipv4Addr::new(127, 88, net, host);
            sockets.push(UdpSocket::bind((ip, 0)).await?);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let alpn = match plane {
            Plane::Data => ALPN,
            Plane::Control => LIBP2P,
        };
        let initials = [alpn, NOBODYS].map(|alpn| Initials::new(alpn, rng.random()));
        Ok(Self {
            sockets,
            initials,
            rng,
        })
    }

    /// Sends `rate` Initials a second for `time`, half of which fail at once, and listens to what comes back
    /// without answering it.
    pub(super) async fn spoof(
        &mut self,
        to: SocketAddr,
        rate: u32,
        time: Duration,
    ) -> Attempt<Traffic> {
        let mut traffic = Traffic::default();
        let begun = Instant::now();
        while begun.elapsed() < time {
            let due = begun.elapsed().as_millis() * u128::from(rate) / 1_000;
            while u128::from(traffic.packets) < due && begun.elapsed() < time {
                self.send(to, true, &mut traffic);
            }
            self.listen(|_, answer| traffic.answered += answer.len() as u64);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // What is said to nobody for a while counts, too.
        for _ in 0..100 {
            self.listen(|_, answer| traffic.answered += answer.len() as u64);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(traffic)
    }

    /// Begins `count` handshakes, shows that its addresses are its own where that is asked for, and falls
    /// silent.
    pub(super) async fn half_open(&mut self, to: SocketAddr, count: u64) -> Attempt<u64> {
        let mut traffic = Traffic::default();
        let mut validated = 0;
        for number in 0..count + 500 {
            if number < count {
                self.send(to, false, &mut traffic);
            }
            let mut tokens = Vec::new();
            self.listen(|socket, answer| tokens.extend(retry(answer).map(|token| (socket, token))));
            for (socket, (receiver, token)) in tokens {
                validated += 1;
                let packet = self.initials[0].packet(&receiver, &token);
                let _ = self.sockets[socket].try_send_to(&packet, to);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(validated)
    }

    fn send(&mut self, to: SocketAddr, spoofed: bool, traffic: &mut Traffic) {
        let mut receiver = [0; 8];
        self.rng.fill_bytes(&mut receiver);
        let kind = usize::from(spoofed && traffic.packets % 2 == 1);
        let packet = self.initials[kind].packet(&receiver, &[]);
        let socket = self.rng.random_range(0..self.sockets.len());
        traffic.packets += 1;
        if self.sockets[socket].try_send_to(&packet, to).is_ok() {
            traffic.sent += packet.len() as u64;
        }
    }

    fn listen(&self, mut heard: impl FnMut(usize, &[u8])) {
        let mut buffer = [0; 2_048];
        for (number, socket) in self.sockets.iter().enumerate() {
            while let Ok((length, _)) = socket.try_recv_from(&mut buffer) {
                heard(number, &buffer[..length]);
            }
        }
    }
}
