//! Gossip behind a meter: every frame of a peer counts, also those that gossipsub drops without a word
//! (duplicates, lists, prunes). What is over the quota is not looked at, and its sender is named. Gossipsub
//! remembers every message for two minutes, so strangers have quotas together, too; who is over those did
//! nothing wrong.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
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

use super::{behaviour::ended, gossip::Gossip, place::site, quota::Quota};
use crate::guard::site::Site;

/// Frames a peer may send: per second, and at once. A change of a committee of 300 is some 600 at once.
const FRAMES: (u32, u32) = (50, 1_000);
/// The same for all strangers of one host, and for all there are.
const OF_SITE: (u32, u32) = (100, 1_000);
const OF_STRANGERS: (u32, u32) = (400, 4_000);

/// Gossip, counted.
pub(super) struct Metered {
    gossip: Gossip,
    frames: Quota,
    strangers: Strangers,
    /// Peers over their quota that were not told yet.
    loud: BTreeSet<PeerId>,
    /// Whether strangers are, and it was not told yet.
    crowded: bool,
}

/// Peers that are no members.
struct Strangers {
    members: HashSet<PeerId>,
    /// Where connections come from or lead to.
    sites: HashMap<ConnectionId, Site>,
    of_site: Quota<Site>,
    all: Quota<()>,
}

impl Strangers {
    fn new() -> Self {
        Self {
            members: HashSet::new(),
            sites: HashMap::new(),
            of_site: Quota::new(OF_SITE.0, OF_SITE.1),
            all: Quota::new(OF_STRANGERS.0, OF_STRANGERS.1),
        }
    }

    fn may(&mut self, peer: &PeerId, connection: ConnectionId, now: Instant) -> bool {
        if self.members.contains(peer) {
            return true;
        }
        let site = self.sites.get(&connection);
        site.is_none_or(|site| self.of_site.take(*site, now)) && self.all.take((), now)
    }

    fn enter(&mut self, connection: ConnectionId, address: &Multiaddr) {
        if let Some(site) = site(address) {
            self.sites.insert(connection, site);
        }
    }
}

/// What it reports.
#[derive(Debug)]
pub(super) enum Metering {
    /// What gossipsub reports.
    Gossip(gossipsub::Event),
    /// A peer sent more than its quota.
    Loud(PeerId),
    /// Strangers together did.
    Crowded,
}

impl Metered {
    pub(super) fn new(gossip: Gossip) -> Self {
        Self {
            gossip,
            frames: Quota::new(FRAMES.0, FRAMES.1),
            strangers: Strangers::new(),
            loud: BTreeSet::new(),
            crowded: false,
        }
    }

    /// These peers are no strangers.
    pub(super) fn exempt(&mut self, peers: HashSet<PeerId>) {
        self.strangers.members = peers;
    }

    pub(super) fn tidy(&mut self, now: Instant) {
        self.frames.tidy(now);
        self.strangers.of_site.tidy(now);
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
        self.strangers.enter(connection, remote);
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
        self.strangers.enter(connection, address);
        self.gossip
            .handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let Some((connection, _)) = ended(&event) {
            self.strangers.sites.remove(&connection);
        }
        self.gossip.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let now = Instant::now();
        if !self.frames.take(peer, now) {
            self.loud.insert(peer);
        } else if self.strangers.may(&peer, connection, now) {
            self.gossip
                .on_connection_handler_event(peer, connection, event);
        } else {
            self.crowded = true;
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(peer) = self.loud.pop_first() {
            return Poll::Ready(ToSwarm::GenerateEvent(Metering::Loud(peer)));
        }
        if std::mem::take(&mut self.crowded) {
            return Poll::Ready(ToSwarm::GenerateEvent(Metering::Crowded));
        }
        self.gossip
            .poll(cx)
            .map(|event| event.map_out(Metering::Gossip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_share_what_their_host_and_all_of_them_may_send() {
        let (mut strangers, now) = (Strangers::new(), Instant::now());
        let member = PeerId::random();
        strangers.members.insert(member);
        let mut passed = |peer: PeerId, host: u8| {
            let connection = ConnectionId::new_unchecked(host.into());
            let address = format!("/ip4/192.0.2.{host}/tcp/1").parse();
            strangers.enter(connection, &address.unwrap());
            let may = (0..2_000).filter(|_| strangers.may(&peer, connection, now));
            may.count()
        };
        assert_eq!(passed(PeerId::random(), 1), 1_000);
        assert_eq!(passed(PeerId::random(), 1), 0, "whatever its key");
        let others = (2..6).map(|host| passed(PeerId::random(), host));
        assert_eq!(others.collect::<Vec<_>>(), [1_000, 1_000, 1_000, 0]);
        assert_eq!(passed(member, 1), 2_000);
    }
}
