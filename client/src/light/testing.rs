//! Chains of small committees with known keys.

use floe_chain::{
    certificate::{Collector, Confirmation, UnverifiedCertificate},
    committee::{Candidate, Committee, MemberIndex},
    epoch::{ChainTime, Epoch},
    id::{ChainId, NetworkId, NodeId, SystemId},
    keys::{BlsSecretKey, IdentitySecretKey},
    statement::{Assertion, Handover},
};

use super::TrustAnchor;

pub(crate) const NETWORK: NetworkId = NetworkId {
    chain: ChainId::from_bytes([0x11; 32]),
    system: SystemId::from_bytes([0x22; 32]),
};

/// Length of an epoch.
pub(crate) const EPOCH_MS: u64 = 60_000;

/// The first committee, trusted for ten epochs.
pub(crate) fn anchor() -> TrustAnchor {
    TrustAnchor {
        network: NETWORK,
        epoch: Epoch::FIRST,
        committee: committee(1).digest(),
        window_ms: 10 * EPOCH_MS,
        bootstrap: Vec::new(),
    }
}

fn key(member: u8) -> BlsSecretKey {
    BlsSecretKey::from_seed(&[member; 32])
}

/// Four members, ten shards.
pub(crate) fn committee(epoch: u32) -> Committee {
    committee_of(epoch, 4)
}

pub(crate) fn committee_of(epoch: u32, members: u8) -> Committee {
    let candidates = (1..=members).map(|member| Candidate {
        node: NodeId::from_bytes([member; 32]),
        bls_key: key(member).public(),
        identity: IdentitySecretKey::from_seed(&[member; 32]).public(),
    });
    let owners = (0..10).map(|shard| MemberIndex::new(shard % u16::from(members)));
    Committee::new(
        Epoch::new(epoch),
        ChainTime::from_ms(u64::from(epoch) * EPOCH_MS),
        EPOCH_MS,
        candidates.collect(),
        owners.collect(),
    )
    .unwrap()
}

/// What all members of `by` certify.
pub(crate) fn certified<B: Assertion>(
    network: NetworkId,
    by: &Committee,
    body: B,
) -> UnverifiedCertificate<B> {
    let mut collector = Collector::new(network, by, body);
    for (index, member) in by.iter() {
        let key = key(u8::try_from(index.get() + 1).unwrap());
        let statement = collector.statement().clone();
        collector
            .add(&Confirmation::sign(member.node(), statement, &key))
            .unwrap();
    }
    collector.certificate().unwrap().into_unverified()
}

/// The certificate by which the committee before names `next`.
pub(crate) fn handover(next: &Committee) -> UnverifiedCertificate<Handover> {
    let by = committee(next.epoch().get() - 1);
    certified(NETWORK, &by, Handover::to(next))
}
