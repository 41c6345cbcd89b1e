//! Small committees with known keys, for the tests of this crate.

use floe_chain::{
    committee::{Candidate, Committee, MemberIndex},
    epoch::{ChainTime, Epoch},
    id::{ChainId, NetworkId, NodeId, SystemId},
    keys::{BlsSecretKey, IdentitySecretKey},
};

pub(crate) const NETWORK: NetworkId = NetworkId {
    chain: ChainId::from_bytes([0xc0; 32]),
    system: SystemId::from_bytes([0x50; 32]),
};

pub(crate) fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

pub(crate) fn bls(n: u8) -> BlsSecretKey {
    BlsSecretKey::from_seed(&[n; 32])
}

/// Nodes 1 to `members`, to whom ten shards are dealt in turn.
pub(crate) fn committee(epoch: u32, members: u8) -> Committee {
    let candidates = (1..=members).map(|n| Candidate {
        node: node(n),
        bls_key: bls(n).public(),
        identity: IdentitySecretKey::from_seed(&[n; 32]).public(),
    });
    let owners = (0..10).map(|shard| MemberIndex::new(shard % u16::from(members)));
    let (candidates, owners) = (candidates.collect(), owners.collect());
    let start = ChainTime::from_ms(1_000);
    Committee::new(Epoch::new(epoch), start, 60_000, candidates, owners)
        .expect("consistent by construction")
}
