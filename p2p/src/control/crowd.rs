//! How many strangers may be connected, and who makes room when they are more: without this, one attacker
//! with many keys takes every place there is. Members of the committee and bootstraps are exempt.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    convert::Infallible,
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};
use tokio::time::Instant;

use super::{behaviour::ended, place::subnet, settings::Places};
use crate::{guard::site::Subnet, transport::Side};

/// Lets strangers in, and has others leave for them.
#[derive(Debug)]
pub(super) struct Crowd {
    places: Places,
    exempt: HashSet<PeerId>,
    /// Every connection, those of the exempt too: they may become strangers.
    connections: BTreeMap<ConnectionId, Guest>,
    /// Those that have to go and are not closed yet, which is up to the peer.
    leaving: HashSet<ConnectionId>,
    told: VecDeque<ToSwarm<MadeRoom, Infallible>>,
}

#[derive(Clone, Copy, Debug)]
struct Guest {
    peer: PeerId,
    side: Side,
    /// None of a name, and where somebody else relays: each of those is a neighbourhood of its own.
    subnet: Option<Subnet>,
    since: Instant,
}

impl Guest {
    fn new(peer: PeerId, side: Side, address: &Multiaddr, since: Instant) -> Self {
        Self {
            peer,
            side,
            subnet: subnet(address),
            since,
        }
    }
}

/// A stranger gave up its place to another one.
#[derive(Debug)]
pub(super) struct MadeRoom;

/// Nobody makes room.
#[derive(Debug)]
pub(super) struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all places for strangers are taken")
    }
}

impl std::error::Error for Full {}

impl Crowd {
    /// For so long nobody takes the place of a stranger whose subnet has no more than its own.
    const STAY: Duration = Duration::from_secs(10);
    /// Connections that have to go at once: who reads nothing takes long to leave.
    const LEAVING: usize = 64;

    pub(super) fn new(places: Places) -> Self {
        Self {
            places,
            exempt: HashSet::new(),
            connections: BTreeMap::new(),
            leaving: HashSet::new(),
            told: VecDeque::new(),
        }
    }

    /// These peers are no strangers.
    pub(super) fn exempt(&mut self, peers: HashSet<PeerId>) {
        self.exempt = peers;
    }

    /// Whether a peer is connected from a neighbourhood, or to there.
    pub(super) fn is_met_in(&self, subnet: Subnet, peer: &PeerId) -> bool {
        let mut connections = self.connections.values();
        connections.any(|it| it.peer == *peer && it.subnet == Some(subnet))
    }

    fn enter(&mut self, connection: ConnectionId, guest: Guest) -> Result<(), Full> {
        if !self.exempt.contains(&guest.peer)
            && let Some((oldest, peer_id)) = self.make_room(&guest)?
        {
            self.connections.remove(&oldest);
            self.leaving.insert(oldest);
            let connection = CloseConnection::One(oldest);
            self.told.extend([
                ToSwarm::CloseConnection {
                    peer_id,
                    connection,
                },
                ToSwarm::GenerateEvent(MadeRoom),
            ]);
        }
        self.connections.insert(connection, guest);
        Ok(())
    }

    fn leave(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
        self.leaving.remove(&connection);
    }

    /// Who has to go for a stranger, if anybody: the oldest one of the subnet that has most.
    fn make_room(&self, new: &Guest) -> Result<Option<(ConnectionId, PeerId)>, Full> {
        let places = match new.side {
            Side::Listener => self.places.accepted,
            Side::Dialer => self.places.dialled,
        };
        let others = self
            .connections
            .iter()
            .filter(|(_, other)| other.side == new.side && !self.exempt.contains(&other.peer));
        let others: Vec<_> = others.collect();
        if others.len() < places {
            return Ok(None);
        }
        let mut sizes: HashMap<Subnet, usize> = HashMap::new();
        let all = others.iter().map(|(_, other)| *other).chain([new]);
        for subnet in all.filter_map(|guest| guest.subnet) {
            *sizes.entry(subnet).or_default() += 1;
        }
        let size = |guest: &Guest| guest.subnet.map_or(1, |subnet| sizes[&subnet]);
        let oldest = others
            .iter()
            .min_by_key(|(_, other)| (Reverse(size(other)), other.since));
        let (connection, other) = oldest.ok_or(Full)?;
        let stayed = new.since.duration_since(other.since) >= Self::STAY;
        let has_to_go = stayed || size(other) > size(new);
        if has_to_go && self.leaving.len() < Self::LEAVING {
            Ok(Some((**connection, other.peer)))
        } else {
            Err(Full)
        }
    }
}

impl NetworkBehaviour for Crowd {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = MadeRoom;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let guest = Guest::new(peer, Side::Listener, remote, Instant::now());
        self.enter(connection, guest)
            .map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let guest = Guest::new(peer, Side::Dialer, address, Instant::now());
        self.enter(connection, guest)
            .map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let Some((connection, _)) = ended(&event) {
            self.leave(connection);
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
        // The swarm polls every behaviour again after each call into one.
        self.told.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strangers that come to a peer with few places.
    struct Door {
        crowd: Crowd,
        now: Instant,
        next: usize,
    }

    impl Door {
        fn new() -> Self {
            Self {
                crowd: Crowd::new(Places {
                    accepted: 4,
                    dialled: 1,
                }),
                now: Instant::now(),
                next: 0,
            }
        }

        /// Whether a peer gets in.
        fn enter(&mut self, peer: PeerId, side: Side, address: &str) -> bool {
            let guest = Guest::new(peer, side, &address.parse().unwrap(), self.now);
            self.next += 1;
            let connection = ConnectionId::new_unchecked(self.next - 1);
            self.crowd.enter(connection, guest).is_ok()
        }

        /// Whether somebody gets in who dialled.
        fn accepts(&mut self, address: &str) -> bool {
            self.enter(PeerId::random(), Side::Listener, address)
        }

        /// The connections that have to go, in their order.
        fn leaving(&mut self) -> Vec<usize> {
            let told = self.crowd.told.drain(..);
            let closed = told.filter_map(|told| match told {
                ToSwarm::CloseConnection {
                    connection: CloseConnection::One(connection),
                    ..
                } => Some(connection),
                _ => None,
            });
            let number = |id| (0..self.next).find(|n| ConnectionId::new_unchecked(*n) == id);
            closed.filter_map(number).collect()
        }
    }

    #[test]
    fn the_largest_subnet_makes_room() {
        let mut door = Door::new();
        // Of an attacker, and of somebody else who came first.
        assert!(door.accepts("/ip4/203.0.113.1/tcp/1"));
        for host in 1..=3 {
            let address = format!("/ip6/2001:db8:7:{host}::1/udp/1/quic-v1");
            assert!(door.accepts(&address));
        }
        assert!(door.leaving().is_empty());
        assert!(door.accepts("/ip4/198.51.100.1/tcp/1"));
        assert!(door.accepts("/ip4/198.51.101.1/tcp/1"));
        assert_eq!(door.leaving(), [1, 2], "its oldest ones");
        let last = door.crowd.connections[&ConnectionId::new_unchecked(5)];
        let (here, there) = (
            last.subnet,
            subnet(&"/ip4/203.0.113.1/tcp/1".parse().unwrap()),
        );
        assert!(door.crowd.is_met_in(here.unwrap(), &last.peer));
        assert!(!door.crowd.is_met_in(there.unwrap(), &last.peer));
        // All are one each now: the attacker's next one finds nobody who has more than it.
        assert!(!door.accepts("/ip6/2001:db8:7:9::1/udp/1/quic-v1"));
        assert!(!door.accepts("/ip4/198.51.102.1/tcp/1"));
        assert!(door.leaving().is_empty());
    }

    #[test]
    fn among_equals_the_oldest_makes_room_after_a_while() {
        let mut door = Door::new();
        for subnet in 0..4 {
            assert!(door.accepts(&format!("/ip4/10.0.{subnet}.1/tcp/1")));
            door.now += Duration::from_secs(1);
        }
        assert!(!door.accepts("/ip4/10.0.9.1/tcp/1"));
        door.now += Crowd::STAY - Duration::from_secs(4);
        assert!(door.accepts("/ip4/10.0.9.1/tcp/1"));
        assert!(!door.accepts("/ip4/10.0.10.1/tcp/1"));
        assert_eq!(door.leaving(), [0]);
        // Who comes through others is nobody's neighbour.
        door.now += Crowd::STAY;
        let relayed = format!("/p2p/{}", PeerId::random());
        assert!(door.accepts(&relayed));
        assert!(door.accepts(&relayed));
        assert!(door.accepts("/ip4/10.0.11.1/tcp/1"));
        assert_eq!(door.leaving(), [1, 2, 3]);
    }

    #[test]
    fn whom_this_side_dials_takes_nobodys_place_and_members_need_none() {
        let mut door = Door::new();
        for subnet in 0..4 {
            let address = format!("/ip4/10.0.{subnet}.1/tcp/1");
            assert!(door.accepts(&address));
            door.now += Crowd::STAY;
            assert!(door.enter(PeerId::random(), Side::Dialer, &address));
        }
        assert_eq!(door.leaving(), [1, 3, 5]);
        let member = PeerId::random();
        door.crowd.exempt([member].into());
        assert!(door.enter(member, Side::Listener, "/ip4/10.0.0.1/tcp/1"));
        assert!(door.leaving().is_empty());
        // Who leaves frees a place; who becomes a member, too, until it is none any more.
        door.crowd.leave(ConnectionId::new_unchecked(0));
        assert!(door.accepts("/ip4/10.0.0.1/tcp/1"));
        let peer = door.crowd.connections[&ConnectionId::new_unchecked(2)].peer;
        door.crowd.exempt([peer, member].into());
        assert!(door.accepts("/ip4/10.0.0.1/tcp/1"));
        assert!(door.leaving().is_empty());
        door.crowd.exempt(HashSet::new());
        assert!(door.accepts("/ip4/10.0.20.1/tcp/1"));
        assert_eq!(door.leaving().len(), 1);
    }

    #[test]
    fn who_shook_hands_for_long_is_not_older_for_that() {
        let mut door = Door::new();
        for number in (0..4).rev() {
            door.next = number;
            assert!(door.accepts(&format!("/ip4/10.0.{number}.1/tcp/1")));
            door.now += Crowd::STAY / 4;
        }
        door.next = 4;
        assert!(door.accepts("/ip4/10.0.9.1/tcp/1"));
        assert_eq!(door.leaving(), [3], "it was let in first");
    }

    #[test]
    fn nobody_makes_room_while_too_many_do_not_leave() {
        let mut door = Door::new();
        for _ in 0..4 + Crowd::LEAVING {
            door.now += Crowd::STAY;
            assert!(door.accepts("/ip4/10.0.0.1/tcp/1"));
        }
        door.now += Crowd::STAY;
        assert!(!door.accepts("/ip4/10.0.1.1/tcp/1"));
        door.crowd.leave(ConnectionId::new_unchecked(0));
        assert!(door.accepts("/ip4/10.0.1.1/tcp/1"));
    }
}
