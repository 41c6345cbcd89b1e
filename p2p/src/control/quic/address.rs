//! Addresses of QUIC endpoints as libp2p writes them: `/ip4/198.51.100.7/udp/4321/quic-v1`, and the same
//! with `/p2p/..` behind it. Names are resolved before they come here.

use std::net::{IpAddr, SocketAddr};

use libp2p::{Multiaddr, multiaddr::Protocol};

use crate::identity::PeerId;

/// The socket and, if it is named, the peer; none if this is no QUIC address.
pub(super) fn parse(address: &Multiaddr) -> Option<(SocketAddr, Option<PeerId>)> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let (Protocol::Udp(port), Protocol::QuicV1) = (parts.next()?, parts.next()?) else {
        return None;
    };
    let peer = match parts.next() {
        None => None,
        Some(Protocol::P2p(peer)) => Some(peer),
        Some(_) => return None,
    };
    let socket = SocketAddr::new(ip, port);
    parts.next().is_none().then_some((socket, peer))
}

/// The address of a socket.
pub(super) fn write(socket: SocketAddr) -> Multiaddr {
    Multiaddr::from(socket.ip())
        .with(Protocol::Udp(socket.port()))
        .with(Protocol::QuicV1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quic_addresses_are_read_and_written_and_no_others() {
        let peer = PeerId::random();
        for text in [
            "/ip4/198.51.100.7/udp/4321/quic-v1",
            "/ip6/2001:db8::7/udp/0/quic-v1",
        ] {
            let (socket, none) = parse(&text.parse().unwrap()).unwrap();
            assert_eq!((write(socket).to_string().as_str(), none), (text, None));
            let named = parse(&format!("{text}/p2p/{peer}").parse().unwrap());
            assert_eq!(named, Some((socket, Some(peer))));
        }
        for text in [
            "/ip4/198.51.100.7/udp/4321",
            "/ip4/198.51.100.7/udp/4321/quic",
            "/ip4/198.51.100.7/tcp/4321",
            "/dns/example.org/udp/4321/quic-v1",
            "/ip4/198.51.100.7/udp/4321/quic-v1/webtransport",
            &format!("/ip4/198.51.100.7/udp/4321/quic-v1/p2p/{peer}/p2p-circuit"),
        ] {
            assert_eq!(parse(&text.parse().unwrap()), None, "{text}");
        }
    }
}
