//! Where a packet says it comes from, in the two sizes that somebody can have many addresses of. Pure.

use std::net::{IpAddr, Ipv6Addr};

/// A host: an IPv4 address, or the /64 that an IPv6 host has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site(IpAddr);

/// A neighbourhood: an IPv4 /24 or an IPv6 /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Subnet(IpAddr);

impl From<IpAddr> for Site {
    fn from(address: IpAddr) -> Self {
        Self(prefix(address, 32, 64))
    }
}

impl Site {
    pub(crate) fn subnet(self) -> Subnet {
        Subnet(prefix(self.0, 24, 48))
    }
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

fn prefix(address: IpAddr, v4: u32, v6: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - v4).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - v6).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_addresses_of_one_owner_are_one_site_and_neighbours_one_subnet() {
        let site = |text: &str| Site::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:2:ffff::9"));
        assert_ne!(site("2001:db8:1:2::1"), site("2001:db8:1:3::1"));
        assert_eq!(
            site("2001:db8:1:2::1").subnet(),
            site("2001:db8:1:3::1").subnet()
        );
        assert_eq!(site("::ffff:192.0.2.7"), site("192.0.2.7"));
        assert_ne!(site("192.0.2.7"), site("192.0.2.8"));
        assert_eq!(site("192.0.2.7").subnet(), site("192.0.2.8").subnet());
        assert_ne!(site("192.0.2.7").subnet(), site("192.0.3.7").subnet());
        assert_eq!(site("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
    }
}
