//! Small networks with known keys, for the tests of this module.

use floe_chain::{
    committee::{Candidate, Committee, MemberIndex},
    epoch::{ChainTime, Epoch},
    id::{ChainId, NetworkId, NodeId, SystemId},
    keys::BlsSecretKey,
};

use super::record::{NodeRecord, VerifiedRecord};
use crate::identity::Identity;

pub(super) const NETWORK: NetworkId = NetworkId {
    chain: ChainId::from_bytes([0xc0; 32]),
    system: SystemId::from_bytes([0x50; 32]),
};

pub(super) const NOW: ChainTime = ChainTime::from_ms(1_700_000_000_000);

fn seed(n: u16) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&n.to_be_bytes());
    seed
}

pub(super) fn identity(n: u16) -> Identity {
    Identity::from_seed(seed(n))
}

/// The id of node `n`: ids ascend with `n`.
pub(super) fn node(n: u16) -> NodeId {
    NodeId::from_bytes(seed(n))
}

pub(super) fn bls(n: u16) -> BlsSecretKey {
    BlsSecretKey::from_seed(&seed(n))
}

/// A committee of nodes 1 to `members`, to whom `shards` are dealt in turn.
pub(super) fn committee(epoch: u32, members: u16, shards: u16) -> Committee {
    let candidates = (1..=members).map(|n| Candidate {
        node: node(n),
        bls_key: bls(n).public(),
        identity: identity(n).public_key(),
    });
    let owners = (0..shards.max(members)).map(|shard| MemberIndex::new(shard % members));
    let (candidates, owners) = (candidates.collect(), owners.collect());
    Committee::new(Epoch::new(epoch), NOW, 3_600_000, candidates, owners)
        .expect("consistent by construction")
}

/// The record of node `n`, whose data plane listens on `port`.
pub(super) fn record(n: u16, written: ChainTime, port: u16) -> VerifiedRecord {
    let identity = identity(n);
    let data = format!("127.0.0.1:{port}").parse().expect("an address");
    let record = NodeRecord {
        network: NETWORK,
        node: node(n),
        identity: identity.public_key(),
        written,
        data: vec![data].try_into().expect("one fits"),
        control: Vec::new().try_into().expect("none fits"),
    };
    VerifiedRecord::sign(record, &identity)
}
