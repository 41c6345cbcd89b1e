//! Portable proofs: what a light client can show to somebody who trusts the same anchor and is
//! offline.

use std::fmt;

use floe_chain::{
    certificate::{CertificateError, Collector, Confirmation, UnverifiedCertificate},
    committee::Committee,
    epoch::{ChainTime, Epoch},
    id::{NetworkId, ObjectId},
    statement::{Available, Handover, Persistence},
    succession::{Succession, SuccessionError},
};
use floe_codec::BlobId;
use floe_p2p::wire::{
    TrafficClass,
    message::{Confirm, ConfirmReply},
};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use super::{LightClient, LightError, TrustAnchor};
use crate::{
    advice::{Advice, Culprit, ErrorKind},
    read::ReadError,
    store::options,
};

/// A blob's certificate, and the committees from an anchor's to the one that signed it.
///
/// # Layout
/// `floe-proof/1` in ASCII, then BCS:
/// ```text
/// network (chain 32 | system 32)
/// | committees vector<contents | handover option<certificate>>   ; in order of epochs, at most 4,096
/// | certificate of kind Available
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    network: NetworkId,
    committees: Vec<(Committee, Option<UnverifiedCertificate<Handover>>)>,
    available: UnverifiedCertificate<Available>,
}

/// What a bundle proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// The blob, its length, and which registration.
    pub available: Available,
    /// The epoch in which it was certified.
    pub epoch: Epoch,
    /// Shards of the nodes that signed.
    pub shards: u32,
    /// All shards.
    pub total: u32,
}

/// Says what is proven, and what is not.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            available,
            epoch,
            shards,
            total,
        } = self;
        write!(
            f,
            "{}  {} bytes, certified in epoch {epoch} by nodes with {shards} of {total} shards; \
             expiry not proven",
            available.blob, available.size
        )?;
        match available.persistence {
            Persistence::Permanent => Ok(()),
            Persistence::Deletable(_) => f.write_str(", nor that its owner has not deleted it"),
        }
    }
}

/// Why a bundle proves nothing, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Not a bundle.
    #[error("this is not a proof bundle: {0}")]
    Malformed(&'static str),
    /// Of another network than the anchor's.
    #[error("the proof is of another network than the trust anchor")]
    Network,
    /// It does not begin at the anchor's committee.
    #[error("the proof begins at another committee than the trust anchor's (epoch {anchor})")]
    Anchor {
        /// The anchor's epoch.
        anchor: Epoch,
    },
    /// A committee does not follow from the one before.
    #[error("the proof's committee of epoch {epoch} does not follow: {source}")]
    Step {
        /// Its epoch.
        epoch: Epoch,
        /// Why.
        source: SuccessionError,
    },
    /// The certificate does not verify under the last committee.
    #[error("the proof's certificate does not verify: {0}")]
    Certificate(#[from] CertificateError),
    /// Too few nodes confirmed.
    #[error("nodes with {shards} of the {needed} shards needed confirm the blob now")]
    Unconfirmed {
        /// Shards of those that did.
        shards: u32,
        /// Shards needed.
        needed: u32,
    },
    /// The committees cannot be had.
    #[error(transparent)]
    Light(#[from] LightError),
    /// The nodes cannot be found.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Advice for BundleError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_) => ErrorKind::FixInput,
            Self::Network | Self::Anchor { .. } => ErrorKind::FixConfig,
            Self::Step { .. } | Self::Certificate(_) => ErrorKind::Corrupt {
                who: Culprit::Peer("the maker of the proof".to_owned()),
            },
            Self::Unconfirmed { .. } => ErrorKind::Retry,
            Self::Light(error) => error.kind(),
            Self::Read(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "proof.malformed",
            Self::Network => "proof.network",
            Self::Anchor { .. } => "proof.anchor",
            Self::Step { .. } => "proof.step",
            Self::Certificate(_) => "proof.certificate",
            Self::Unconfirmed { .. } => "proof.unconfirmed",
            Self::Light(error) => error.code(),
            Self::Read(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Network | Self::Anchor { .. } => {
                Some("check it with the anchor it was made with, or have it made anew".to_owned())
            }
            Self::Unconfirmed { .. } => Some(
                "check the object's id with `floe ls`, and see `floe status` for the blob"
                    .to_owned(),
            ),
            Self::Light(error) => error.hint(),
            Self::Read(error) => error.hint(),
            _ => None,
        }
    }
}

const MAGIC: &[u8] = b"floe-proof/1";
/// Longest chain of committees.
const MAX_COMMITTEES: usize = 4_096;
/// Most bytes of a bundle.
pub const MAX_BUNDLE: usize = 256 << 20;

impl Bundle {
    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = bcs::to_bytes(self).expect("plain integers and byte strings always encode");
        [MAGIC, &body].concat()
    }

    /// Reads a file's bytes. Nothing is proven yet.
    ///
    /// # Errors
    /// They are no bundle.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > MAX_BUNDLE {
            return Err(BundleError::Malformed("too long"));
        }
        let body = bytes.strip_prefix(MAGIC).ok_or(BundleError::Malformed(
            "it does not begin with floe-proof/1",
        ))?;
        let bundle: Self = bcs::from_bytes(body).map_err(|_| BundleError::Malformed("damaged"))?;
        if bundle.committees.len() > MAX_COMMITTEES {
            return Err(BundleError::Malformed("too many committees"));
        }
        Ok(bundle)
    }

    /// Checks everything against `anchor`, at `now`, asking nobody.
    ///
    /// # Errors
    /// The first thing that does not follow.
    pub fn check(&self, anchor: &TrustAnchor, now: ChainTime) -> Result<Evidence, BundleError> {
        if self.network != anchor.network {
            return Err(BundleError::Network);
        }
        let wrong_start = BundleError::Anchor {
            anchor: anchor.epoch,
        };
        let mut steps = self.committees.iter();
        let first = match steps.next() {
            Some((first, _)) if first.digest() == anchor.committee => first,
            _ => return Err(wrong_start),
        };
        let mut chain = Succession::new(self.network, first.clone(), anchor.window_ms);
        for (committee, handover) in steps {
            let epoch = committee.epoch();
            let handover = handover
                .clone()
                .ok_or(BundleError::Malformed("a committee without certificate"))?;
            chain
                .accept(committee.clone(), handover, now)
                .map_err(|source| BundleError::Step { epoch, source })?;
        }
        let committee = chain.newest();
        let certificate = self.available.clone().verify(self.network, committee)?;
        Ok(Evidence {
            available: certificate.statement().body,
            epoch: committee.epoch(),
            shards: certificate.weight().0,
            total: committee.shards().get().into(),
        })
    }
}

impl LightClient {
    /// Has the committee that serves now certify that a registration of a blob is available.
    ///
    /// # Errors
    /// Too few nodes confirm it, or the committees since the anchor cannot be had.
    pub async fn prove(&self, blob: BlobId, object: ObjectId) -> Result<Bundle, BundleError> {
        let network = self.tools.source.network().await?;
        let request = Confirm { blob, object };
        let options = options(&network, TrafficClass::Read, 0);
        let asks = network
            .addresses
            .iter()
            .map(|address| self.tools.peers.confirm(address, &request, &options));
        let answers = join_all(asks).await;
        let confirmations: Vec<_> = answers
            .into_iter()
            .filter_map(|answer| match answer {
                Ok(ConfirmReply::Confirmed(confirmation)) => Some(confirmation),
                _ => None,
            })
            .filter(|confirmation| confirmation.statement.body.blob == blob)
            .collect();
        let available = certify(&network.id, &network.committee, &confirmations)?;
        let committees = self.follower.history(network.epoch()).await?;
        Ok(Bundle {
            network: network.id,
            committees,
            available,
        })
    }
}

/// The certificate that these confirmations add up to. Liars may confirm other things of the blob
/// than the rest; what a quorum says counts.
fn certify(
    network: &NetworkId,
    committee: &Committee,
    confirmations: &[Confirmation],
) -> Result<UnverifiedCertificate<Available>, BundleError> {
    let mut most = 0;
    for first in confirmations {
        let mut collector = Collector::new(*network, committee, first.statement.body);
        for confirmation in confirmations {
            // Another body, or a wrong signature: not part of this certificate.
            let _ = collector.add(confirmation);
        }
        if let Some(certificate) = collector.certificate() {
            return Ok(certificate.into_unverified());
        }
        most = most.max(collector.tally().weight().0);
    }
    Err(BundleError::Unconfirmed {
        shards: most,
        needed: floe_chain::quorum::Threshold::Quorum
            .required(committee.shards())
            .0,
    })
}

#[cfg(test)]
mod tests {
    use floe_codec::Encoding;

    use super::*;
    use crate::light::testing::{
        EPOCH_MS, NETWORK, anchor, certified, committee, committee_of, handover,
    };

    const NOW: ChainTime = ChainTime::from_ms(4 * EPOCH_MS);

    fn body() -> Available {
        Available {
            blob: BlobId::from_bytes([0xb1; 32]),
            size: 1_000,
            encoding: Encoding::RedStuff8,
            persistence: Persistence::Permanent,
        }
    }

    fn bundle() -> Bundle {
        let steps = (1..=3).map(|epoch| {
            let committee = committee(epoch);
            let named = (epoch > 1).then(|| handover(&committee));
            (committee, named)
        });
        Bundle {
            network: NETWORK,
            committees: steps.collect(),
            available: certified(NETWORK, &committee(3), body()),
        }
    }

    #[test]
    fn a_bundle_proves_what_the_last_committee_certified() {
        let bytes = bundle().to_bytes();
        let again = Bundle::from_bytes(&bytes).unwrap();
        let evidence = again.check(&anchor(), NOW).unwrap();
        assert_eq!(evidence.available, body());
        assert_eq!((evidence.epoch, evidence.shards), (Epoch::new(3), 10));
        assert!(evidence.to_string().ends_with("expiry not proven"));
    }

    #[test]
    fn every_forged_part_is_refused() {
        let mut other = bundle();
        other.network.system = floe_chain::id::SystemId::from_bytes([9; 32]);
        assert!(matches!(
            other.check(&anchor(), NOW),
            Err(BundleError::Network)
        ));
        let mut other = bundle();
        other.committees.remove(0);
        assert!(matches!(
            other.check(&anchor(), NOW),
            Err(BundleError::Anchor { .. })
        ));
        let mut other = bundle();
        other.committees.remove(1);
        assert!(matches!(
            other.check(&anchor(), NOW),
            Err(BundleError::Step { .. })
        ));
        let mut other = bundle();
        other.committees[2].0 = committee_of(3, 5);
        assert!(matches!(
            other.check(&anchor(), NOW),
            Err(BundleError::Step { .. })
        ));
        let mut other = bundle();
        other.committees[2].1 = None;
        assert!(matches!(
            other.check(&anchor(), NOW),
            Err(BundleError::Malformed(_))
        ));
        let mut other = bundle();
        other.available = certified(NETWORK, &committee(2), body());
        assert!(matches!(
            other.check(&anchor(), NOW),
            Err(BundleError::Certificate(_))
        ));
        let late = ChainTime::from_ms(12 * EPOCH_MS);
        assert!(matches!(
            bundle().check(&anchor(), late),
            Err(BundleError::Step { .. })
        ));
        for (at, _) in bundle().to_bytes().iter().enumerate().step_by(11) {
            let mut bytes = bundle().to_bytes();
            bytes[at] ^= 1;
            let checked = Bundle::from_bytes(&bytes).and_then(|b| b.check(&anchor(), NOW));
            assert!(checked.is_err(), "byte {at}");
        }
    }
}
