//! Keeps the connections of chosen peers open though nothing is said on them: committee members stay
//! connected, everybody else is dropped when idle.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse, upgrade::DeniedUpgrade},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, handler::ConnectionEvent,
    },
};

use super::behaviour::ended;

/// Protects the connections of a set of peers.
#[derive(Debug, Default)]
pub(super) struct Protect {
    peers: HashSet<PeerId>,
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    notices: VecDeque<(PeerId, ConnectionId, bool)>,
}

impl Protect {
    /// Protects exactly these peers from now on.
    pub(super) fn set(&mut self, peers: HashSet<PeerId>) {
        for (peer, connections) in &self.connections {
            let protected = peers.contains(peer);
            if protected != self.peers.contains(peer) {
                let notices = connections.iter().map(|id| (*peer, *id, protected));
                self.notices.extend(notices);
            }
        }
        self.peers = peers;
    }

    /// The peers protected.
    pub(super) const fn peers(&self) -> &HashSet<PeerId> {
        &self.peers
    }

    fn handler(&mut self, connection: ConnectionId, peer: PeerId) -> KeepAlive {
        self.connections.entry(peer).or_default().push(connection);
        KeepAlive(self.peers.contains(&peer))
    }
}

impl NetworkBehaviour for Protect {
    type ConnectionHandler = KeepAlive;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection, peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection, peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let Some((connection, Some(peer))) = ended(&event)
            && let Some(connections) = self.connections.get_mut(&peer)
        {
            connections.retain(|id| *id != connection);
            if connections.is_empty() {
                self.connections.remove(&peer);
            }
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.notices.pop_front() {
            Some((peer_id, connection, event)) => Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(connection),
                event,
            }),
            // The swarm polls every behaviour again after each call into one.
            None => Poll::Pending,
        }
    }
}

/// Says whether its connection is kept; speaks no protocol.
#[derive(Debug)]
pub(super) struct KeepAlive(bool);

impl ConnectionHandler for KeepAlive {
    type FromBehaviour = bool;
    type ToBehaviour = Infallible;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = DeniedUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn connection_keep_alive(&self) -> bool {
        self.0
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), Infallible>> {
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, keep: bool) {
        self.0 = keep;
    }

    fn on_connection_event(&mut self, _: ConnectionEvent<'_, DeniedUpgrade, DeniedUpgrade>) {}
}
