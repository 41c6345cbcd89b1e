//! Hole punching (DCUtR): opens this side's NAT for a peer that dials at the same moment, and picks its
//! connection out of all that come in.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use rand::Rng;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{Error, muxer::Muxer};
use crate::{identity::PeerId, transport::quic::accept::TIMEOUT};

/// Bytes of a packet that opens a hole: too few for a first packet, so that nobody answers it.
const PACKET: usize = 64;
/// Between two of them.
const PAUSE: std::ops::Range<Duration> = Duration::from_millis(10)..Duration::from_millis(200);

/// Peers whose connection is waited for.
#[derive(Debug, Default)]
pub(super) struct Punches(HashMap<(SocketAddr, PeerId), oneshot::Sender<Muxer>>);

impl Punches {
    /// Begins to wait; none if that is done already.
    pub(super) fn expect(
        &mut self,
        remote: SocketAddr,
        peer: PeerId,
    ) -> Option<oneshot::Receiver<Muxer>> {
        self.0.retain(|_, waiting| !waiting.is_closed());
        let (here, comes) = oneshot::channel();
        if self.0.contains_key(&(remote, peer)) {
            return None;
        }
        self.0.insert((remote, peer), here);
        Some(comes)
    }

    /// Hands over a connection that somebody waits for; any other is returned.
    pub(super) fn pass(&mut self, peer: PeerId, muxer: Muxer) -> Result<(), Muxer> {
        match self.0.remove(&(muxer.connection().remote_address(), peer)) {
            Some(waiting) => waiting.send(muxer),
            None => Err(muxer),
        }
    }
}

/// Sends packets from `socket` until the peer's connection is there.
pub(super) async fn punch(
    socket: UdpSocket,
    remote: SocketAddr,
    comes: oneshot::Receiver<Muxer>,
) -> Result<Muxer, Error> {
    let knock = async {
        loop {
            let mut packet = [0; PACKET];
            let pause = {
                let mut rng = rand::rng();
                rng.fill(&mut packet);
                rng.random_range(PAUSE)
            };
            match socket.send_to(&packet, remote) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return error,
                _ => sleep(pause).await,
            }
        }
    };
    tokio::select! {
        // Nobody hands over anything any more when this side is closed, either.
        there = timeout(TIMEOUT, comes) => there.ok().and_then(Result::ok).ok_or(Error::Timeout),
        error = knock => Err(error.into()),
    }
}
