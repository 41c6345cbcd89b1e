//! Ports of this machine for the nodes of a local network. Looks whether they are free, and leaves them so.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// Why there are no ports.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// A port is taken, or there are not enough.
    #[error("port {port} cannot be used")]
    Taken {
        /// The port; 0 when a free one was wanted.
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

/// Ports for `nodes` nodes, all of which could be bound a moment ago.
pub(crate) fn ports(base: u16, nodes: u16) -> Result<Vec<NodePorts>, PortError> {
    // Sockets are held until all are chosen, so that no port is chosen twice.
    let mut held = Vec::new();
    let mut ports = Vec::new();
    let range = || PortError::Range { base, nodes };
    for node in 0..nodes {
        let first = match base {
            0 => 0,
            _ => node
                .checked_mul(3)
                .and_then(|offset| base.checked_add(offset)?.checked_add(1))
                .ok_or_else(range)?,
        };
        let after = |count| match base {
            0 => Ok(0),
            _ => first.checked_add(count).ok_or_else(range),
        };
        let (second, third) = (after(1)?, after(2)?);
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let taken = |port| move |source| PortError::Taken { port, source };
        let data = UdpSocket::bind(local(first)).map_err(taken(first))?;
        let admin = TcpListener::bind(local(second)).map_err(taken(second))?;
        let control = both(third).map_err(taken(third))?;
        ports.push(NodePorts {
            data: data.local_addr().map_err(taken(first))?.port(),
            admin: admin.local_addr().map_err(taken(second))?.port(),
            control: control.0.local_addr().map_err(taken(third))?.port(),
        });
        held.push((data, admin, control));
    }
    Ok(ports)
}

/// A port that is free for UDP and for TCP; `port` or, if that is 0, any.
fn both(port: u16) -> std::io::Result<(TcpListener, UdpSocket)> {
    const TRIES: usize = 64;
    let bind = || {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let udp = UdpSocket::bind(tcp.local_addr()?)?;
        Ok((tcp, udp))
    };
    let tries = if port == 0 { TRIES } else { 1 };
    (1..tries).find_map(|_| bind().ok()).map_or_else(bind, Ok)
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
