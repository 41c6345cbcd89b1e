//! How many strangers may be connected, and who makes room when they are more: without this, one attacker
//! with many keys takes every place there is. Members of the committee and bootstraps are exempt.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    convert::Infallible,
    fmt,
    net::IpAddr,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};
use tokio::time::Instant;

use super::settings::Places;
use crate::{
    guard::site::{Site, Subnet},
    transport::Side,
};

/// Lets strangers in, and has others leave for them.
#[derive(Debug)]
pub(super) struct Crowd {
    places: Places,
    exempt: HashSet<PeerId>,
    /// By age.
    strangers: BTreeMap<ConnectionId, Stranger>,
    told: VecDeque<ToSwarm<MadeRoom, Infallible>>,
}

#[derive(Clone, Copy, Debug)]
struct Stranger {
    peer: PeerId,
    side: Side,
    /// None if somebody else relays.
    subnet: Option<Subnet>,
    since: Instant,
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

/// The neighbourhood that an address begins with.
pub(super) fn subnet(address: &Multiaddr) -> Option<Subnet> {
    let ip: IpAddr = match address.iter().next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    Some(Site::from(ip).subnet())
}

impl Crowd {
    /// For so long nobody takes the place of a stranger whose subnet has no more than its own.
    const STAY: Duration = Duration::from_secs(10);

    pub(super) fn new(places: Places) -> Self {
        Self {
            places,
            exempt: HashSet::new(),
            strangers: BTreeMap::new(),
            told: VecDeque::new(),
        }
    }

    /// These peers are no strangers.
    pub(super) fn exempt(&mut self, peers: HashSet<PeerId>) {
        self.strangers
            .retain(|_, stranger| !peers.contains(&stranger.peer));
        self.exempt = peers;
    }

    fn enter(&mut self, connection: ConnectionId, stranger: Stranger) -> Result<(), Full> {
        if self.exempt.contains(&stranger.peer) {
            return Ok(());
        }
        if let Some((leaving, peer_id)) = self.make_room(&stranger)? {
            self.strangers.remove(&leaving);
            let connection = CloseConnection::One(leaving);
            self.told.extend([
                ToSwarm::CloseConnection {
                    peer_id,
                    connection,
                },
                ToSwarm::GenerateEvent(MadeRoom),
            ]);
        }
        self.strangers.insert(connection, stranger);
        Ok(())
    }

    /// Who has to go for a stranger, if anybody: the oldest one of the subnet that has most.
    fn make_room(&self, new: &Stranger) -> Result<Option<(ConnectionId, PeerId)>, Full> {
        let places = match new.side {
            Side::Listener => self.places.accepted,
            Side::Dialer => self.places.dialled,
        };
        let others = || self.strangers.iter().filter(|(_, s)| s.side == new.side);
        if others().count() < places {
            return Ok(None);
        }
        let mut sizes: HashMap<_, usize> = HashMap::from([(new.subnet, 1)]);
        for (_, other) in others() {
            *sizes.entry(other.subnet).or_default() += 1;
        }
        let size = |stranger: &Stranger| sizes[&stranger.subnet];
        let most = others().map(|(_, other)| size(other)).max();
        let oldest = others().find(|(_, other)| Some(size(other)) == most);
        let (oldest, other) = oldest.ok_or(Full)?;
        let stayed = new.since.duration_since(other.since) >= Self::STAY;
        if stayed || size(other) > size(new) {
            Ok(Some((*oldest, other.peer)))
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
        let stranger = Stranger {
            peer,
            side: Side::Listener,
            subnet: subnet(remote),
            since: Instant::now(),
        };
        self.enter(connection, stranger)
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
        let stranger = Stranger {
            peer,
            side: Side::Dialer,
            subnet: subnet(address),
            since: Instant::now(),
        };
        self.enter(connection, stranger)
            .map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        // A connection denied by a later behaviour comes here too.
        let gone = match event {
            FromSwarm::ConnectionClosed(closed) => closed.connection_id,
            FromSwarm::ListenFailure(failure) => failure.connection_id,
            FromSwarm::DialFailure(failure) => failure.connection_id,
            _ => return,
        };
        self.strangers.remove(&gone);
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
            let stranger = Stranger {
                peer,
                side,
                subnet: subnet(&address.parse().unwrap()),
                since: self.now,
            };
            self.next += 1;
            let connection = ConnectionId::new_unchecked(self.next - 1);
            self.crowd.enter(connection, stranger).is_ok()
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
        // Whoever relays is a neighbourhood, too.
        door.now += Crowd::STAY;
        let relayed = format!("/p2p/{}", PeerId::random());
        assert!(door.accepts(&relayed));
        assert!(!door.accepts(&relayed));
        assert!(door.accepts("/ip4/10.0.11.1/tcp/1"));
        assert_eq!(door.leaving(), [1, 2]);
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
        // Who leaves frees a place; who becomes a member, too.
        let first = *door.crowd.strangers.keys().next().unwrap();
        door.crowd.strangers.remove(&first);
        assert!(door.accepts("/ip4/10.0.0.1/tcp/1"));
        let peer = door.crowd.strangers.values().next().unwrap().peer;
        door.crowd.exempt([peer].into());
        assert!(door.accepts("/ip4/10.0.0.1/tcp/1"));
        assert!(door.leaving().is_empty());
    }
}
