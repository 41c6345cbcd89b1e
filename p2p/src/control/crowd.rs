//! How many strangers may come from one place: without this, one machine with many keys takes every
//! connection there is. Committee members are exempt.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    fmt,
    net::IpAddr,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

/// Counts connections by where they come from.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    exempt: HashSet<PeerId>,
    places: HashMap<Place, usize>,
    connections: HashMap<ConnectionId, Place>,
    refused: u64,
}

/// An IPv4 address, or the 64 bits of an IPv6 address that a household has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place(IpAddr);

/// A place has sent enough.
#[derive(Debug)]
struct Crowded(Place);

impl fmt::Display for Crowded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Place(ip)) = self;
        write!(f, "{} connections from {ip} are enough", Crowd::PER_PLACE)
    }
}

impl std::error::Error for Crowded {}

impl Place {
    fn of(address: &Multiaddr) -> Option<Self> {
        match address.iter().next()? {
            Protocol::Ip4(ip) => Some(Self(ip.into())),
            Protocol::Ip6(ip) => {
                let network = u128::from(ip) >> 64 << 64;
                Some(Self(IpAddr::V6(network.into())))
            }
            _ => None,
        }
    }
}

impl Crowd {
    /// Connections that strangers from one place may have opened to this peer.
    pub(super) const PER_PLACE: usize = 128;

    /// These peers are counted no more.
    pub(super) fn exempt(&mut self, peers: HashSet<PeerId>) {
        self.exempt = peers;
    }

    /// Connections refused since the last call.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    fn enter(&mut self, connection: ConnectionId, place: Place) -> Result<(), Crowded> {
        let count = self.places.entry(place).or_default();
        if *count >= Self::PER_PLACE {
            self.refused += 1;
            return Err(Crowded(place));
        }
        *count += 1;
        self.connections.insert(connection, place);
        Ok(())
    }

    fn leave(&mut self, connection: ConnectionId) {
        if let Some(place) = self.connections.remove(&connection)
            && let Some(count) = self.places.get_mut(&place)
        {
            *count -= 1;
            if *count == 0 {
                self.places.remove(&place);
            }
        }
    }
}

impl NetworkBehaviour for Crowd {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if let Some(place) = Place::of(remote)
            && !self.exempt.contains(&peer)
        {
            self.enter(connection, place)
                .map_err(ConnectionDenied::new)?;
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        // A connection denied by a later behaviour comes here too.
        match event {
            FromSwarm::ConnectionClosed(closed) => self.leave(closed.connection_id),
            FromSwarm::ListenFailure(failure) => self.leave(failure.connection_id),
            _ => {}
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
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_full_until_somebody_leaves_and_others_are_not() {
        let mut crowd = Crowd::default();
        let at = |text: &str| text.parse::<Multiaddr>().unwrap();
        let open = |crowd: &mut Crowd, number: usize, peer: PeerId, from: &str| {
            let (id, here) = (
                ConnectionId::new_unchecked(number),
                at("/ip4/192.0.2.1/tcp/1"),
            );
            crowd
                .handle_established_inbound_connection(id, peer, &here, &at(from))
                .is_ok()
        };
        let strangers = "/ip6/2001:db8::1/udp/1/quic-v1";
        for number in 0..Crowd::PER_PLACE {
            assert!(open(&mut crowd, number, PeerId::random(), strangers));
        }
        let neighbour = "/ip6/2001:db8::ffff:1/udp/9/quic-v1";
        assert!(!open(&mut crowd, 900, PeerId::random(), neighbour));
        assert!(open(
            &mut crowd,
            901,
            PeerId::random(),
            "/ip6/2001:db8:1::1/udp/1/quic-v1"
        ));
        let member = PeerId::random();
        crowd.exempt([member].into());
        assert!(open(&mut crowd, 902, member, neighbour));
        assert_eq!(crowd.take_refused(), 1);
        crowd.leave(ConnectionId::new_unchecked(7));
        crowd.leave(ConnectionId::new_unchecked(7));
        assert!(open(&mut crowd, 903, PeerId::random(), neighbour));
        assert!(!open(&mut crowd, 904, PeerId::random(), neighbour));
    }
}
