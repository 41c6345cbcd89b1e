//! Where an address leads, as far as it says so in numbers: names and relays lead to nobody's place.

use std::net::IpAddr;

use libp2p::{Multiaddr, multiaddr::Protocol};

use crate::guard::site::{Site, Subnet};

/// The IP address that an address begins with, unless it is a relay's.
pub(super) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    if address.iter().any(|part| part == Protocol::P2pCircuit) {
        return None;
    }
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

/// The host.
pub(super) fn site(address: &Multiaddr) -> Option<Site> {
    ip(address).map(Site::from)
}

/// The neighbourhood.
pub(super) fn subnet(address: &Multiaddr) -> Option<Subnet> {
    site(address).map(Site::subnet)
}
