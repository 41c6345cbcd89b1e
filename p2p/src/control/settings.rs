//! What a control plane is told when it starts.

use libp2p::Multiaddr;

use crate::guard::DoorSettings;

/// What a peer is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A storage node: answers lookups, relays for others, tells them where they are seen.
    Node,
    /// A client: looks things up, and may sit behind a NAT.
    Client,
}

/// Connections with strangers: peers that are neither members of the committee nor bootstraps. Whom this
/// side looks up in the table cannot take the place of who comes by itself, nor the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// For those who dialled.
    pub accepted: usize,
    /// For those whom this side dialled.
    pub dialled: usize,
}

/// Settings of a control plane.
#[derive(Clone, Debug)]
pub struct ControlSettings {
    /// What this peer is to the others.
    pub role: Role,
    /// Where to listen; a client need not.
    pub listen: Vec<Multiaddr>,
    /// Addresses under which others reach this peer, known beforehand.
    pub external: Vec<Multiaddr>,
    /// Whether private and loopback addresses are taken from others: only in a network of its own.
    pub local_network: bool,
    /// How many strangers may be connected.
    pub strangers: Places,
    /// Whether to take part in the distributed hash table. Without it, records come from those who are
    /// asked, and by gossip.
    pub table: bool,
    /// Who from outside may begin a handshake.
    pub door: DoorSettings,
}

impl ControlSettings {
    /// Of a storage node.
    #[must_use]
    pub fn node(listen: Vec<Multiaddr>) -> Self {
        Self {
            role: Role::Node,
            listen,
            external: Vec::new(),
            local_network: false,
            strangers: Places {
                accepted: 192,
                dialled: 64,
            },
            table: true,
            door: DoorSettings::default(),
        }
    }

    /// Of a client that nobody needs to reach.
    #[must_use]
    pub fn client() -> Self {
        Self {
            role: Role::Client,
            listen: Vec::new(),
            external: Vec::new(),
            local_network: false,
            strangers: Places {
                accepted: 8,
                dialled: 56,
            },
            table: true,
            door: DoorSettings::default(),
        }
    }
}
