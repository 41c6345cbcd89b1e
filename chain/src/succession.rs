//! The chain of committees: each one certified by the one before, so that a client that trusts one
//! committee can follow them from any source, without Sui.
//!
//! The chain is trusted from a committee whose stake can still be slashed: once it is withdrawn, old
//! keys can sign a fork at no cost. Older starting points need a Sui proof.

use crate::certificate::{CertificateError, UnverifiedCertificate};
use crate::committee::Committee;
use crate::epoch::{ChainTime, Epoch};
use crate::id::NetworkId;
use crate::statement::Handover;

/// A committee that does not follow from the one trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// An earlier committee, or one that skips epochs.
    #[error("committee of epoch {found} does not follow the one of epoch {trusted}")]
    Gap {
        /// The epoch offered.
        found: Epoch,
        /// The newest epoch trusted.
        trusted: Epoch,
    },
    /// The trusted committee's stake may be gone.
    #[error(
        "the committee trusted (epoch {trusted}) began {age_ms} ms ago, more than {limit_ms}; a Sui proof or a newer anchor is needed"
    )]
    Stale {
        /// The newest epoch trusted.
        trusted: Epoch,
        /// Time since it began.
        age_ms: u64,
        /// How old it may be.
        limit_ms: u64,
    },
    /// Another committee of an epoch that is already known: two were certified, or somebody lies.
    #[error("a second committee of epoch {epoch}")]
    Fork {
        /// The epoch.
        epoch: Epoch,
    },
    /// The certificate is for another committee.
    #[error("the certificate names another committee than the one offered")]
    OtherCommittee,
    /// The certificate does not verify under the trusted committee.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// The newest committee trusted and how long its word is good.
#[derive(Debug, Clone)]
pub struct Succession {
    network: NetworkId,
    newest: Committee,
    window_ms: u64,
}

impl Succession {
    /// Trusts a committee: from the user, a release, or a Sui proof. `window_ms` is how long after
    /// its beginning a committee may certify the next one: at most the time in which stake stays
    /// locked.
    #[must_use]
    pub fn new(network: NetworkId, trusted: Committee, window_ms: u64) -> Self {
        Self {
            network,
            newest: trusted,
            window_ms,
        }
    }

    /// The newest committee.
    #[must_use]
    pub fn newest(&self) -> &Committee {
        &self.newest
    }

    /// Accepts the next committee. Offered the newest one again, it does nothing and says `false`.
    ///
    /// # Errors
    /// It is not the next epoch's, differs from the newest of the same epoch, is not what the
    /// certificate names, the certificate does not verify, or the newest committee is too old at
    /// `now`. Nothing changes then.
    pub fn accept(
        &mut self,
        next: Committee,
        certificate: UnverifiedCertificate<Handover>,
        now: ChainTime,
    ) -> Result<bool, SuccessionError> {
        let trusted = self.newest.epoch();
        let found = next.epoch();
        if found == trusted {
            let same = next == self.newest;
            return if same {
                Ok(false)
            } else {
                Err(SuccessionError::Fork { epoch: found })
            };
        }
        if Some(found) != trusted.next() {
            return Err(SuccessionError::Gap { found, trusted });
        }
        let age_ms = now.as_ms().saturating_sub(self.newest.start().as_ms());
        if age_ms > self.window_ms {
            let limit_ms = self.window_ms;
            return Err(SuccessionError::Stale {
                trusted,
                age_ms,
                limit_ms,
            });
        }
        if certificate.statement.body != Handover::to(&next) {
            return Err(SuccessionError::OtherCommittee);
        }
        certificate.verify(self.network, &self.newest)?;
        self.newest = next;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::{Collector, Confirmation};
    use crate::id::SystemId;
    use crate::testing::{NETWORK, committee_of};

    const NOW: ChainTime = ChainTime::from_ms(2_000);

    fn handover(
        from: u32,
        network: NetworkId,
        next: &Committee,
    ) -> UnverifiedCertificate<Handover> {
        let (committee, keys) = committee_of(Epoch::new(from), 4, 10);
        let mut collector = Collector::new(network, &committee, Handover::to(next));
        for (member, key) in committee.members().iter().zip(&keys) {
            let statement = collector.statement().clone();
            collector
                .add(&Confirmation::sign(member.node(), statement, key))
                .unwrap();
        }
        collector.certificate().unwrap().into_unverified()
    }

    fn committee(epoch: u32, members: u8) -> Committee {
        committee_of(Epoch::new(epoch), members, 10).0
    }

    #[test]
    fn committees_follow_one_by_one() {
        let mut chain = Succession::new(NETWORK, committee(7, 4), 60_000);
        for epoch in 8..12 {
            let next = committee(epoch, 4);
            let certificate = handover(epoch - 1, NETWORK, &next);
            assert_eq!(
                chain.accept(next.clone(), certificate.clone(), NOW),
                Ok(true)
            );
            assert_eq!(chain.accept(next, certificate, NOW), Ok(false));
        }
        assert_eq!(chain.newest().epoch(), Epoch::new(11));
    }

    #[test]
    fn gaps_rollbacks_forks_and_forgeries_are_refused() {
        let mut chain = Succession::new(NETWORK, committee(7, 4), 60_000);
        let (next, skipped) = (committee(8, 4), committee(9, 4));
        for (wrong, from) in [(&skipped, 8), (&committee(6, 4), 5)] {
            let error = chain.accept(wrong.clone(), handover(from, NETWORK, wrong), NOW);
            assert!(matches!(error, Err(SuccessionError::Gap { .. })));
        }
        let certificate = handover(7, NETWORK, &next);
        let error = chain.accept(committee(8, 5), certificate.clone(), NOW);
        assert_eq!(error, Err(SuccessionError::OtherCommittee));
        let error = chain.accept(committee(7, 5), certificate.clone(), NOW);
        assert_eq!(
            error,
            Err(SuccessionError::Fork {
                epoch: Epoch::new(7)
            })
        );
        let twin = NetworkId {
            system: SystemId::from_bytes([9; 32]),
            ..NETWORK
        };
        let error = chain.accept(next.clone(), handover(7, twin, &next), NOW);
        assert!(matches!(
            error,
            Err(SuccessionError::Certificate(
                CertificateError::Network { .. }
            ))
        ));
        // Signed by the committee it announces, not by the one before.
        let mut own = handover(8, NETWORK, &next);
        own.statement.epoch = Epoch::new(7);
        assert!(matches!(
            chain.accept(next.clone(), own, NOW),
            Err(SuccessionError::Certificate(CertificateError::Signature(_)))
        ));
        assert_eq!(chain.accept(next, certificate, NOW), Ok(true));
    }

    #[test]
    fn an_anchor_beyond_the_window_is_refused() {
        let mut chain = Succession::new(NETWORK, committee(7, 4), 60_000);
        let next = committee(8, 4);
        let certificate = handover(7, NETWORK, &next);
        let late = ChainTime::from_ms(1_000 + 60_001);
        assert_eq!(
            chain.accept(next.clone(), certificate.clone(), late),
            Err(SuccessionError::Stale {
                trusted: Epoch::new(7),
                age_ms: 60_001,
                limit_ms: 60_000
            })
        );
        let just_in_time = ChainTime::from_ms(1_000 + 60_000);
        assert_eq!(chain.accept(next, certificate, just_in_time), Ok(true));
    }
}
