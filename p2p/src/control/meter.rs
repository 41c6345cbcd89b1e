//! Gossip behind a meter: every frame of a peer counts, also those that gossipsub drops without a word
//! (duplicates, lists, prunes). What is over the quota is not looked at, and its sender is named.

use std::{
    collections::BTreeSet,
    ops::{Deref, DerefMut},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    gossipsub,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
    },
};
use tokio::time::Instant;

use super::{gossip::Gossip, quota::Quota};

/// Frames a peer may send: per second, and at once. A change of a committee of 300 is some 600 at once.
const FRAMES: (u32, u32) = (50, 1_000);

/// Gossip, counted.
pub(super) struct Metered {
    gossip: Gossip,
    frames: Quota,
    /// Peers over their quota that were not told yet.
    loud: BTreeSet<PeerId>,
}

/// What it reports.
#[derive(Debug)]
pub(super) enum Metering {
    /// What gossipsub reports.
    Gossip(gossipsub::Event),
    /// A peer sent more than its quota.
    Loud(PeerId),
}

impl Metered {
    pub(super) fn new(gossip: Gossip) -> Self {
        Self {
            gossip,
            frames: Quota::new(FRAMES.0, FRAMES.1),
            loud: BTreeSet::new(),
        }
    }

    pub(super) fn tidy(&mut self, now: Instant) {
        self.frames.tidy(now);
    }
}

impl Deref for Metered {
    type Target = Gossip;

    fn deref(&self) -> &Gossip {
        &self.gossip
    }
}

impl DerefMut for Metered {
    fn deref_mut(&mut self) -> &mut Gossip {
        &mut self.gossip
    }
}

impl NetworkBehaviour for Metered {
    type ConnectionHandler = <Gossip as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = Metering;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.gossip
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.gossip
            .handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.gossip.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if self.frames.take(peer, Instant::now()) {
            self.gossip
                .on_connection_handler_event(peer, connection, event);
        } else {
            self.loud.insert(peer);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(peer) = self.loud.pop_first() {
            return Poll::Ready(ToSwarm::GenerateEvent(Metering::Loud(peer)));
        }
        self.gossip
            .poll(cx)
            .map(|event| event.map_out(Metering::Gossip))
    }
}
