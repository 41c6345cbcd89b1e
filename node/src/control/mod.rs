//! The node on the control plane: says where it is, signs the committee that follows, tells what it
//! holds, and learns the same of others. What gossip says of committees is checked against the chain.

mod archive;
mod certify;
mod handover;
mod respond;
mod task;
#[cfg(test)]
pub(crate) mod testing;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use floe_chain::{id::NodeId, rpc::ChainRead};
use floe_p2p::{
    address::DataAddress,
    control::{
        book::{AddressBook, Origin},
        inventory::VerifiedInventory,
        plane::{ControlPlane, StartError},
        record::{Bootstrap, ControlAddress},
        settings::ControlSettings,
    },
    identity::{Identity, PeerId},
};
use serde::Serialize;

pub use archive::Archive;
use handover::HandoverSignatures;
pub(crate) use task::start;

/// What the control plane of a node is made of.
pub struct ControlParts {
    /// Who the node is.
    pub identity: Identity,
    /// How it listens.
    pub settings: ControlSettings,
    /// Where the data plane can be reached, best first.
    pub data: Vec<DataAddress>,
    /// Where the control plane can be reached, best first.
    pub control: Vec<ControlAddress>,
    /// Peers to begin with; the chain's hints are used as well.
    pub bootstraps: Vec<Bootstrap>,
    /// Where the chain is put once it answers.
    pub chain: Arc<ChainSlot>,
}

/// The chain, from when it was first met.
pub type ChainSlot = OnceLock<Arc<dyn ChainRead>>;

/// Where everybody is and who was in which committee: shared by both planes.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The peer book.
    pub book: Arc<AddressBook>,
    /// The chain of committees.
    pub archive: Archive,
}

/// The node's side of the control plane, for the other parts of the node.
pub struct Control {
    plane: ControlPlane,
    directory: Directory,
    signatures: Arc<Mutex<Option<HandoverSignatures>>>,
    inventories: Mutex<HashMap<PeerId, VerifiedInventory>>,
}

/// The control plane does not start.
pub type ControlError = StartError;

/// What an operator sees of a member.
#[derive(Debug, Serialize)]
pub struct PeerStatus {
    node: String,
    peer: String,
    connected: bool,
    origin: &'static str,
    addresses: Vec<String>,
    inventory: Option<InventoryStatus>,
}

#[derive(Debug, Serialize)]
struct InventoryStatus {
    epoch: u32,
    written_ms: u64,
    shards: usize,
    missing: u64,
}

/// How many members are connected, and from where their addresses are known.
#[derive(Debug, Serialize)]
pub struct PeerCounts {
    members: usize,
    connected: usize,
    addresses: HashMap<&'static str, usize>,
}

impl Control {
    /// Both planes' book and the committees.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The control plane.
    #[must_use]
    pub const fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// What a member last said it holds.
    #[must_use]
    pub fn inventory(&self, peer: &PeerId) -> Option<VerifiedInventory> {
        lock(&self.inventories).get(peer).cloned()
    }

    /// Every member but this node, for operators.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        let connected = self.plane.connected().borrow().clone();
        let mut peers: Vec<_> = self.members().collect();
        peers.sort_unstable_by_key(|(_, node)| *node);
        peers
            .into_iter()
            .map(|(peer, node)| {
                let (origin, addresses) = self.directory.book.data(&peer);
                PeerStatus {
                    node: node.to_string(),
                    peer: peer.to_string(),
                    connected: connected.contains(&peer),
                    origin: origin.word(),
                    addresses: addresses.iter().map(ToString::to_string).collect(),
                    inventory: self.inventory(&peer).map(|inventory| InventoryStatus {
                        epoch: inventory.epoch.get(),
                        written_ms: inventory.written.as_ms(),
                        shards: inventory.shards.len(),
                        missing: inventory
                            .shards
                            .iter()
                            .map(|shard| {
                                shard
                                    .held
                                    .primary
                                    .missing
                                    .saturating_add(shard.held.secondary.missing)
                            })
                            .fold(0, u64::saturating_add),
                    }),
                }
            })
            .collect()
    }

    /// The same in numbers.
    #[must_use]
    pub fn counts(&self) -> PeerCounts {
        let connected = self.plane.connected().borrow().clone();
        let mut addresses: HashMap<_, _> = Origin::ALL.map(|origin| (origin.word(), 0)).into();
        let (mut members, mut linked) = (0, 0);
        for (peer, _) in self.members() {
            members += 1;
            linked += usize::from(connected.contains(&peer));
            let origin = self.directory.book.data(&peer).0;
            *addresses.entry(origin.word()).or_default() += 1;
        }
        PeerCounts {
            members,
            connected: linked,
            addresses,
        }
    }

    fn members(&self) -> impl Iterator<Item = (PeerId, NodeId)> {
        let local = self.plane.local_peer();
        let members = self.directory.book.members();
        members.into_iter().filter(move |(peer, _)| *peer != local)
    }
}

/// No code under these locks panics, so a poisoned one still guards whole data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
