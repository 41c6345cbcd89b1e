//! Small committees with known keys, for the tests of this crate.

use crate::committee::{Candidate, Committee, MemberIndex};
use crate::epoch::{ChainTime, Epoch};
use crate::id::{ChainId, NetworkId, NodeId, SystemId};
use crate::keys::{BlsSecretKey, IdentitySecretKey};

pub(crate) const NETWORK: NetworkId = NetworkId {
    chain: ChainId::from_bytes([0x11; 32]),
    system: SystemId::from_bytes([0x22; 32]),
};

/// A committee of epoch 7 that deals `shards` in turn to `members`, and its protocol keys.
pub(crate) fn committee(members: u8, shards: u16) -> (Committee, Vec<BlsSecretKey>) {
    committee_of(Epoch::new(7), members, shards)
}

pub(crate) fn committee_of(
    epoch: Epoch,
    members: u8,
    shards: u16,
) -> (Committee, Vec<BlsSecretKey>) {
    let keys: Vec<_> = (1..=members)
        .map(|n| BlsSecretKey::from_seed(&[n; 32]))
        .collect();
    let candidates = (1..=members).zip(&keys).map(|(n, key)| Candidate {
        node: NodeId::from_bytes([n; 32]),
        bls_key: key.public(),
        identity: IdentitySecretKey::from_seed(&[n; 32]).public(),
    });
    let owners = (0..shards)
        .map(|s| MemberIndex::new(s % u16::from(members)))
        .collect();
    let start = ChainTime::from_ms(1_000);
    let committee = Committee::new(epoch, start, 60_000, candidates.collect(), owners);
    (committee.expect("consistent by construction"), keys)
}
