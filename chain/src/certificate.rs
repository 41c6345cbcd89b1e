//! One member's confirmation of a statement, and certificates: enough members on the same one.
//!
//! A [`Certificate`] exists only verified. It is made by [`Collector`], which checks every
//! confirmation on arrival so that a liar is named, or by [`UnverifiedCertificate::verify`].

use floe_codec::Weight;
use serde::{Deserialize, Serialize};

use crate::committee::{Committee, MemberIndex};
use crate::epoch::Epoch;
use crate::id::{NetworkId, NodeId};
use crate::keys::{BlsSecretKey, BlsSignature, KeyError};
use crate::quorum::{Tally, Threshold};
use crate::signers::{SignersBitmap, SignersError, weight_of};
use crate::statement::{Assertion, Available, Body, Statement};

/// One node's signature on one statement; nothing is checked yet.
///
/// # Layout
/// BCS: `node 32 | statement vector<u8> | signature 96`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Confirmation<B: Body = Available> {
    /// Who claims to have signed.
    pub node: NodeId,
    /// What was signed.
    pub statement: Statement<B>,
    /// The signature.
    pub signature: BlsSignature,
}

impl<B: Body> Confirmation<B> {
    /// Signs a statement as `node`.
    #[must_use]
    pub fn sign(node: NodeId, statement: Statement<B>, key: &BlsSecretKey) -> Self {
        let signature = key.sign(&statement.to_bytes());
        Self {
            node,
            statement,
            signature,
        }
    }
}

/// A confirmation or certificate that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It speaks of another deployment.
    #[error("the statement belongs to another network (chain {}, system {})", found.chain, found.system)]
    Network {
        /// The network it names.
        found: NetworkId,
    },
    /// It speaks of another epoch than the committee's.
    #[error("the statement belongs to epoch {found}, the committee to epoch {committee}")]
    Epoch {
        /// The epoch it names.
        found: Epoch,
        /// The committee's epoch.
        committee: Epoch,
    },
    /// It says something else than what is being collected.
    #[error("the confirmation is for another statement")]
    Statement,
    /// The node is not a member.
    #[error("node {node} is not a member of the committee")]
    NotAMember {
        /// The node.
        node: NodeId,
    },
    /// The member confirmed before.
    #[error("member {node} confirmed already")]
    Duplicate {
        /// The member.
        node: NodeId,
    },
    /// The bitmap does not fit the committee.
    #[error(transparent)]
    Signers(#[from] SignersError),
    /// Not enough weight.
    #[error("signers hold {weight} shards, {threshold:?} needs {required}")]
    Weight {
        /// Their weight together.
        weight: Weight,
        /// What kind of share is needed.
        threshold: Threshold,
        /// Its weight in this committee.
        required: Weight,
    },
    /// The signature does not match.
    #[error(transparent)]
    Signature(#[from] KeyError),
}

fn check_binding<B: Body>(
    statement: &Statement<B>,
    network: NetworkId,
    committee: &Committee,
) -> Result<(), CertificateError> {
    if statement.network != network && !cfg!(sabotage = "no_chain_id") {
        return Err(CertificateError::Network {
            found: statement.network,
        });
    }
    let of_the_epoch_before = statement.epoch.next() == Some(committee.epoch());
    let lenient = cfg!(sabotage = "accept_prev_epoch") && of_the_epoch_before;
    if statement.epoch != committee.epoch() && !lenient {
        let (found, committee) = (statement.epoch, committee.epoch());
        return Err(CertificateError::Epoch { found, committee });
    }
    Ok(())
}

/// A certificate as it travels; nothing is checked yet.
///
/// # Layout
/// BCS: `statement vector<u8> | signers vector<u8> | signature 96`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct UnverifiedCertificate<B: Assertion> {
    /// What was signed.
    pub statement: Statement<B>,
    /// Who signed.
    pub signers: SignersBitmap,
    /// The sum of their signatures.
    pub signature: BlsSignature,
}

impl<B: Assertion> UnverifiedCertificate<B> {
    /// Checks the certificate against the committee of its epoch in `network`. Cheap checks come
    /// first; the pairing is last.
    ///
    /// # Errors
    /// Another network or epoch, a bitmap that does not fit, too little weight, a wrong signature.
    pub fn verify(
        self,
        network: NetworkId,
        committee: &Committee,
    ) -> Result<Certificate<B>, CertificateError> {
        check_binding(&self.statement, network, committee)?;
        let signers = self.signers.check(committee)?;
        let (weight, threshold) = (weight_of(committee, &signers), B::THRESHOLD);
        if !threshold.is_met(weight, committee.shards()) {
            let required = threshold.required(committee.shards());
            return Err(CertificateError::Weight {
                weight,
                threshold,
                required,
            });
        }
        let keys = signers
            .iter()
            .filter_map(|i| committee.member(*i))
            .map(|m| m.bls_key());
        self.signature
            .verify_aggregate(&self.statement.to_bytes(), keys)?;
        Ok(Certificate {
            parts: self,
            weight,
        })
    }
}

/// Enough of a committee signed this statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate<B: Assertion> {
    parts: UnverifiedCertificate<B>,
    weight: Weight,
}

impl<B: Assertion> Certificate<B> {
    /// What was certified.
    #[must_use]
    pub fn statement(&self) -> &Statement<B> {
        &self.parts.statement
    }

    /// Who signed.
    #[must_use]
    pub fn signers(&self) -> &SignersBitmap {
        &self.parts.signers
    }

    /// The aggregated signature.
    #[must_use]
    pub fn signature(&self) -> &BlsSignature {
        &self.parts.signature
    }

    /// Shard weight of the signers.
    #[must_use]
    pub fn weight(&self) -> Weight {
        self.weight
    }

    /// The form that travels; the receiver verifies again.
    #[must_use]
    pub fn into_unverified(self) -> UnverifiedCertificate<B> {
        self.parts
    }
}

/// Gathers confirmations of one statement until they certify it, and beyond.
#[derive(Debug, Clone)]
pub struct Collector<'c, B: Assertion> {
    statement: Statement<B>,
    bytes: Vec<u8>,
    committee: &'c Committee,
    tally: Tally,
    signatures: Vec<(MemberIndex, BlsSignature)>,
}

impl<'c, B: Assertion> Collector<'c, B> {
    /// Starts collecting `body` from the members of `committee` in `network`.
    #[must_use]
    pub fn new(network: NetworkId, committee: &'c Committee, body: B) -> Self {
        let statement = Statement {
            network,
            epoch: committee.epoch(),
            body,
        };
        let bytes = statement.to_bytes();
        Self {
            statement,
            bytes,
            committee,
            tally: Tally::new(committee),
            signatures: Vec::new(),
        }
    }

    /// The statement being collected.
    #[must_use]
    pub fn statement(&self) -> &Statement<B> {
        &self.statement
    }

    /// Verifies and counts one confirmation.
    ///
    /// # Errors
    /// It is for something else, from a stranger, a repetition, or its signature does not match.
    /// The collector is unchanged then.
    pub fn add(&mut self, confirmation: &Confirmation<B>) -> Result<(), CertificateError> {
        let node = confirmation.node;
        check_binding(
            &confirmation.statement,
            self.statement.network,
            self.committee,
        )?;
        if confirmation.statement.body != self.statement.body {
            return Err(CertificateError::Statement);
        }
        let not_a_member = CertificateError::NotAMember { node };
        let index = self.committee.index_of(node).ok_or(not_a_member)?;
        let member = self.committee.member(index).ok_or(not_a_member)?;
        if self.tally.contains(index) {
            return Err(CertificateError::Duplicate { node });
        }
        confirmation
            .signature
            .verify(&self.bytes, member.bls_key())?;
        self.tally.insert(index);
        self.signatures.push((index, confirmation.signature));
        Ok(())
    }

    /// Who was counted and with what weight.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The certificate of everything collected so far, once it is enough.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate<B>> {
        if !self.tally.meets(B::THRESHOLD) {
            return None;
        }
        let mut signers = SignersBitmap::none(self.committee);
        self.signatures
            .iter()
            .for_each(|(index, _)| signers.insert(*index));
        let signature = BlsSignature::aggregate(self.signatures.iter().map(|(_, s)| s))?;
        let parts = UnverifiedCertificate {
            statement: self.statement.clone(),
            signers,
            signature,
        };
        Some(Certificate {
            parts,
            weight: self.tally.weight(),
        })
    }
}

#[cfg(test)]
mod tests {
    use floe_codec::{BlobId, Encoding};

    use super::*;
    use crate::id::{ChainId, ObjectId, SystemId};
    use crate::statement::{Inconsistent, Persistence};
    use crate::testing::{self, NETWORK};

    fn body() -> Available {
        Available {
            blob: BlobId::from_bytes([0xb1; 32]),
            size: 1000,
            encoding: Encoding::RedStuff8,
            persistence: Persistence::Deletable(ObjectId::from_bytes([0x0b; 32])),
        }
    }

    /// Ten members of one shard each; the first `signers` of them sign `body` in `network`.
    fn signed<B: Assertion>(body: B, signers: usize) -> (Committee, UnverifiedCertificate<B>) {
        let (committee, keys) = testing::committee(10, 10);
        let statement = Statement {
            network: NETWORK,
            epoch: committee.epoch(),
            body,
        };
        let bytes = statement.to_bytes();
        let mut set = SignersBitmap::none(&committee);
        let signatures: Vec<_> = committee
            .iter()
            .zip(&keys)
            .take(signers)
            .map(|((index, _), key)| {
                set.insert(index);
                key.sign(&bytes)
            })
            .collect();
        let signature = BlsSignature::aggregate(&signatures).unwrap();
        (
            committee,
            UnverifiedCertificate {
                statement,
                signers: set,
                signature,
            },
        )
    }

    #[test]
    fn a_quorum_certifies_and_one_fewer_does_not() {
        let (committee, certificate) = signed(body(), 7);
        let certificate = certificate.verify(NETWORK, &committee).unwrap();
        assert_eq!(certificate.weight(), Weight(7));
        let wire = bcs::to_bytes(&certificate.clone().into_unverified()).unwrap();
        let read: UnverifiedCertificate<Available> = bcs::from_bytes(&wire).unwrap();
        assert_eq!(read.verify(NETWORK, &committee), Ok(certificate));

        let (committee, certificate) = signed(body(), 6);
        assert_eq!(
            certificate.verify(NETWORK, &committee),
            Err(CertificateError::Weight {
                weight: Weight(6),
                threshold: Threshold::Quorum,
                required: Weight(7)
            })
        );
        let inconsistent = Inconsistent {
            blob: BlobId::from_bytes([1; 32]),
        };
        let (committee, certificate) = signed(inconsistent, 4);
        assert!(certificate.verify(NETWORK, &committee).is_ok());
        let (committee, certificate) = signed(inconsistent, 3);
        assert!(certificate.verify(NETWORK, &committee).is_err());
    }

    #[test]
    fn certificates_hold_for_one_network_epoch_and_body_only() {
        let (committee, certificate) = signed(body(), 7);
        for twin in [
            NetworkId {
                chain: ChainId::from_bytes([1; 32]),
                ..NETWORK
            },
            NetworkId {
                system: SystemId::from_bytes([1; 32]),
                ..NETWORK
            },
        ] {
            let error = certificate.clone().verify(twin, &committee).unwrap_err();
            assert_eq!(error, CertificateError::Network { found: NETWORK });
            // Rewritten to name the twin, the signature is of other bytes.
            let mut moved = certificate.clone();
            moved.statement.network = twin;
            let error = moved.verify(twin, &committee).unwrap_err();
            assert!(matches!(error, CertificateError::Signature(_)));
        }
        let (next, _) = testing::committee_of(Epoch::new(8), 10, 10);
        assert!(matches!(
            certificate.clone().verify(NETWORK, &next),
            Err(CertificateError::Epoch { .. })
        ));
        let mut stale = certificate.clone();
        stale.statement.epoch = Epoch::new(8);
        assert!(matches!(
            stale.verify(NETWORK, &next),
            Err(CertificateError::Signature(_))
        ));

        for change in [
            Available { size: 1, ..body() },
            Available {
                encoding: Encoding::RedStuff16,
                ..body()
            },
            Available {
                persistence: Persistence::Permanent,
                ..body()
            },
            Available {
                blob: BlobId::from_bytes([2; 32]),
                ..body()
            },
        ] {
            let mut other = certificate.clone();
            other.statement.body = change;
            let error = other.verify(NETWORK, &committee).unwrap_err();
            assert!(matches!(error, CertificateError::Signature(_)));
        }
    }

    #[test]
    fn signers_cannot_be_padded_or_invented() {
        let (committee, certificate) = signed(body(), 6);
        let mut claimed = certificate.clone();
        claimed.signers.insert(MemberIndex::new(6));
        assert!(matches!(
            claimed.verify(NETWORK, &committee),
            Err(CertificateError::Signature(_))
        ));
        for bytes in [vec![0x3f, 0, 0], vec![0x3f], vec![0x3f, 0xfc]] {
            let signers = SignersBitmap::from_bytes(bytes);
            let padded = UnverifiedCertificate {
                signers,
                ..certificate.clone()
            };
            let error = padded.verify(NETWORK, &committee).unwrap_err();
            assert!(matches!(error, CertificateError::Signers(_)));
        }
        // A signature added twice does not stand for a second member.
        let (_, keys) = testing::committee(10, 10);
        let again = keys[0].sign(&certificate.statement.to_bytes());
        let mut doubled = certificate;
        doubled.signature = BlsSignature::aggregate([&doubled.signature, &again]).unwrap();
        doubled.signers.insert(MemberIndex::new(6));
        assert!(doubled.verify(NETWORK, &committee).is_err());
    }

    #[test]
    fn the_collector_names_liars_and_certifies_without_them() {
        let (committee, keys) = testing::committee(10, 10);
        let mut collector = Collector::new(NETWORK, &committee, body());
        let statement = collector.statement().clone();
        let confirm = |i: usize, statement: &Statement<Available>, key: usize| {
            Confirmation::sign(committee.members()[i].node(), statement.clone(), &keys[key])
        };

        assert!(matches!(
            collector.add(&confirm(0, &statement, 1)),
            Err(CertificateError::Signature(_))
        ));
        let other = Available { size: 1, ..body() };
        let other = Statement {
            body: other,
            ..statement.clone()
        };
        assert_eq!(
            collector.add(&confirm(0, &other, 0)),
            Err(CertificateError::Statement)
        );
        let stale = Statement {
            epoch: Epoch::new(6),
            ..statement.clone()
        };
        assert!(matches!(
            collector.add(&confirm(0, &stale, 0)),
            Err(CertificateError::Epoch { .. })
        ));
        let node = NodeId::from_bytes([0xee; 32]);
        let stranger = Confirmation::sign(node, statement.clone(), &keys[0]);
        assert_eq!(
            collector.add(&stranger),
            Err(CertificateError::NotAMember { node })
        );

        for i in 0..7 {
            assert_eq!(collector.certificate(), None);
            assert_eq!(collector.add(&confirm(i, &statement, i)), Ok(()));
            let node = committee.members()[i].node();
            let again = collector.add(&confirm(i, &statement, i));
            assert_eq!(again, Err(CertificateError::Duplicate { node }));
        }
        let certificate = collector.certificate().unwrap();
        let checked = certificate
            .clone()
            .into_unverified()
            .verify(NETWORK, &committee);
        assert_eq!(checked, Ok(certificate));
    }
}
