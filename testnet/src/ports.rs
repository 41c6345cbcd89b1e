//! Ports of this machine for the nodes of a local network. Looks whether they are free, and leaves them so.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    ops::Range,
};

/// Why there are no ports.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// A port is taken, or there are not enough.
    #[error("port {port} cannot be used")]
    Taken {
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// The ports do not fit behind the base.
    #[error("{nodes} nodes from port {base} on reach beyond port 65535")]
    Range {
        /// The first port.
        base: u16,
        /// Nodes wanted.
        nodes: u16,
    },
}

/// The ports of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodePorts {
    pub(crate) data: u16,
    pub(crate) admin: u16,
    pub(crate) control: u16,
}

/// Where free ports are looked for: below those that systems give to outgoing connections, of which one
/// may be taken before the node that it was chosen for runs, or while it is restarted.
const FREE: Range<u16> = 10_000..30_000;
/// Places tried before an error is told.
const TRIES: usize = 64;

/// Ports for `nodes` nodes, all of which could be bound a moment ago: from the one behind `base` on or, if
/// that is 0, anywhere.
pub(crate) fn ports(base: u16, nodes: u16) -> Result<Vec<NodePorts>, PortError> {
    if base != 0 {
        return from(base, nodes);
    }
    let mut tries = (1..TRIES).map(|_| from(rand::random_range(FREE), nodes));
    tries
        .find_map(Result::ok)
        .map_or_else(|| from(rand::random_range(FREE), nodes), Ok)
}

fn from(base: u16, nodes: u16) -> Result<Vec<NodePorts>, PortError> {
    let count = nodes
        .checked_mul(3)
        .filter(|count| base.checked_add(*count).is_some());
    let count = count.ok_or(PortError::Range { base, nodes })?;
    let mut behind = base + 1..=base + count;
    let mut ports = Vec::new();
    while let (Some(data), Some(admin), Some(control)) =
        (behind.next(), behind.next(), behind.next())
    {
        free_for_udp(data)?;
        free_for_tcp(admin)?;
        free_for_udp(control)?;
        free_for_tcp(control)?;
        ports.push(NodePorts {
            data,
            admin,
            control,
        });
    }
    Ok(ports)
}

fn free_for_udp(port: u16) -> Result<(), PortError> {
    let bound = UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
    bound
        .map(drop)
        .map_err(|source| PortError::Taken { port, source })
}

fn free_for_tcp(port: u16) -> Result<(), PortError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    bound
        .map(drop)
        .map_err(|source| PortError::Taken { port, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_all_different() {
        let ports = ports(0, 20).expect("there are free ports");
        let udp: std::collections::BTreeSet<_> = ports.iter().map(|p| p.data).collect();
        let tcp: std::collections::BTreeSet<_> = ports.iter().map(|p| p.admin).collect();
        assert_eq!((udp.len(), tcp.len()), (20, 20));
        assert!(ports.iter().all(|p| p.control != p.data));
        assert!(ports.iter().all(|p| p.data > FREE.start));
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let refused = from(port - 2, 1);
        assert!(
            matches!(refused, Err(PortError::Taken { port: named, .. }) if named == port),
            "{refused:?}"
        );
    }

    #[test]
    fn ports_beyond_the_last_are_refused() {
        assert!(matches!(
            ports(65_530, 3),
            Err(PortError::Range { .. } | PortError::Taken { .. })
        ));
        assert!(matches!(ports(65_535, 1), Err(PortError::Range { .. })));
    }
}
