//! Collects the signatures by which one committee names the next. Pure.

use std::{collections::BTreeMap, sync::Arc};

use floe_chain::{
    certificate::{Collector, Confirmation, UnverifiedCertificate},
    committee::Committee,
    id::{NetworkId, NodeId},
    quorum::{Tally, Threshold},
    statement::{Assertion, Handover},
};

/// The signatures known under one committee's successor.
#[derive(Debug)]
pub(super) struct HandoverSignatures {
    network: NetworkId,
    by: Arc<Committee>,
    /// Verified by whoever passed them in; they may name different committees, if members lie.
    known: BTreeMap<NodeId, Confirmation<Handover>>,
}

impl HandoverSignatures {
    /// None yet, by members of `by`.
    pub(super) fn new(network: NetworkId, by: Arc<Committee>) -> Self {
        Self {
            network,
            by,
            known: BTreeMap::new(),
        }
    }

    /// The committee whose members sign.
    pub(super) fn by(&self) -> &Arc<Committee> {
        &self.by
    }

    /// Everything known, for whoever asks.
    pub(super) fn all(&self) -> impl Iterator<Item = &Confirmation<Handover>> {
        self.known.values()
    }

    /// Adds a verified signature of this committee's epoch; others are left out.
    pub(super) fn add(&mut self, signature: Confirmation<Handover>) {
        let of_epoch = signature.statement.epoch == self.by.epoch();
        if of_epoch && self.by.index_of(signature.node).is_some() {
            self.known.entry(signature.node).or_insert(signature);
        }
    }

    /// Adds a signature that somebody answered with, after checking it.
    pub(super) fn add_unverified(&mut self, signature: Confirmation<Handover>) {
        if self.known.contains_key(&signature.node) {
            return;
        }
        let mut collector = Collector::new(self.network, &self.by, signature.statement.body);
        if collector.add(&signature).is_ok() {
            self.add(signature);
        }
    }

    /// The certificate of `next`, once the signatures suffice.
    pub(super) fn certificate(&self, next: &Committee) -> Option<UnverifiedCertificate<Handover>> {
        let body = Handover::to(next);
        let signers = || {
            self.known
                .values()
                .filter(|known| known.statement.body == body)
        };
        let mut tally = Tally::new(&self.by);
        for index in signers().filter_map(|known| self.by.index_of(known.node)) {
            tally.insert(index);
        }
        let threshold: Threshold = Handover::THRESHOLD;
        if !threshold.is_met(tally.weight(), self.by.shards()) {
            return None;
        }
        let mut collector = Collector::new(self.network, &self.by, body);
        for signature in signers() {
            // They were verified before; a second look costs milliseconds once per epoch.
            let _ = collector.add(signature);
        }
        Some(collector.certificate()?.into_unverified())
    }
}

#[cfg(test)]
mod tests {
    use floe_chain::{epoch::Epoch, statement::Statement};

    use super::super::testing::{NETWORK, bls, committee, node};
    use super::*;

    fn sign(member: u8, next: &Committee) -> Confirmation<Handover> {
        let statement = Statement {
            network: NETWORK,
            epoch: Epoch::new(7),
            body: Handover::to(next),
        };
        Confirmation::sign(node(member), statement, &bls(member))
    }

    #[test]
    fn a_quorum_of_signatures_on_the_same_committee_certifies_it() {
        let (by, next, other) = (committee(7, 4), committee(8, 4), committee(8, 5));
        let mut signatures = HandoverSignatures::new(NETWORK, Arc::new(by.clone()));
        signatures.add(sign(1, &next));
        // A member that signs something else counts for that, and only once.
        signatures.add(sign(2, &other));
        signatures.add(sign(2, &next));
        signatures.add(sign(3, &next));
        assert_eq!(signatures.certificate(&next), None);
        let mut forged = sign(4, &next);
        forged.signature = sign(3, &next).signature;
        signatures.add_unverified(forged);
        signatures.add_unverified(sign(9, &next));
        assert_eq!(signatures.certificate(&next), None);
        signatures.add_unverified(sign(4, &next));
        let certificate = signatures.certificate(&next).expect("seven of ten shards");
        assert!(certificate.verify(NETWORK, &by).is_ok());
        assert_eq!(signatures.all().count(), 4);
    }
}
