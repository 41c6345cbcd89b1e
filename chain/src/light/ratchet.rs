//! The committee ratchet: which validators are trusted in which Sui epoch.
//!
//! Each step needs the last checkpoint of an epoch, certified by that epoch's committee; it names
//! the next one. Steps are strictly in order and their number is bounded: the keys of committees
//! long gone protect nothing any more, and following them is work a server could impose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sui_crypto::bls12381::ValidatorCommitteeSignatureVerifier;
use sui_sdk_types::{SignedCheckpointSummary, ValidatorCommittee, ValidatorCommitteeMember};

use super::{CertifiedSummary, LightError};
use crate::epoch::ChainTime;

/// A validator committee from a trusted source: shipped with a release, or given by the user.
///
/// # Layout
/// BCS of Sui's `ValidatorCommittee`; as text its hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustAnchor(pub ValidatorCommittee);

impl TrustAnchor {
    /// Reads the textual form.
    ///
    /// # Errors
    /// It is not the hexadecimal BCS of a committee.
    pub fn from_hex(text: &str) -> Result<Self, LightError> {
        let malformed = |reason: String| LightError::Committee { epoch: 0, reason };
        let bytes = hex::decode(text.trim()).map_err(|error| malformed(error.to_string()))?;
        bcs::from_bytes(&bytes)
            .map(Self)
            .map_err(|error| malformed(error.to_string()))
    }

    /// The textual form.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(bcs::to_bytes(&self.0).expect("keys and integers always encode"))
    }
}

/// How far trust reaches.
#[derive(Debug, Clone, Copy)]
pub struct TrustLimits {
    /// Sui epochs that may be followed from the anchor. On the main network an epoch is a day.
    pub max_steps: u64,
    /// Validators a committee may have.
    pub max_validators: usize,
}

impl Default for TrustLimits {
    fn default() -> Self {
        Self {
            max_steps: 400,
            max_validators: 1_000,
        }
    }
}

/// Committees trusted so far, and the newest of them ready to verify with.
#[derive(Debug)]
pub struct Ratchet {
    limits: TrustLimits,
    anchor: u64,
    committees: BTreeMap<u64, ValidatorCommittee>,
    newest: ValidatorCommitteeSignatureVerifier,
    /// Timestamp of the checkpoint that made the newest committee known.
    since: Option<ChainTime>,
}

impl Ratchet {
    /// Starts from an anchor.
    ///
    /// # Errors
    /// The anchor is not a committee.
    pub fn new(anchor: TrustAnchor, limits: TrustLimits) -> Result<Self, LightError> {
        let TrustAnchor(committee) = anchor;
        let newest = verifier(&committee, limits)?;
        let epoch = committee.epoch;
        let committees = BTreeMap::from([(epoch, committee)]);
        Ok(Self {
            limits,
            anchor: epoch,
            committees,
            newest,
            since: None,
        })
    }

    /// The newest Sui epoch whose committee is trusted.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.newest.committee().epoch
    }

    /// When the newest epoch began, by the checkpoint that ended the one before; unknown at the
    /// anchor.
    #[must_use]
    pub fn since(&self) -> Option<ChainTime> {
        self.since
    }

    /// The newest committee, to be kept as the next anchor.
    #[must_use]
    pub fn to_anchor(&self) -> TrustAnchor {
        TrustAnchor(self.newest.committee().clone())
    }

    /// Verifies a checkpoint of any epoch followed so far.
    ///
    /// # Errors
    /// Its epoch is not among them, or it is not certified.
    pub fn verify(&self, signed: SignedCheckpointSummary) -> Result<CertifiedSummary, LightError> {
        let found = signed.checkpoint.epoch;
        if found == self.epoch() {
            return CertifiedSummary::verify(signed, &self.newest);
        }
        let Some(committee) = self.committees.get(&found) else {
            return Err(LightError::Epoch {
                found,
                first: self.anchor,
                last: self.epoch(),
            });
        };
        CertifiedSummary::verify(signed, &verifier(committee, self.limits)?)
    }

    /// Takes one step: verifies the last checkpoint of the newest epoch and trusts the committee it
    /// names.
    ///
    /// # Errors
    /// The checkpoint is of another epoch, not its last, not certified, or one step too many.
    /// Nothing changes then.
    pub fn advance(
        &mut self,
        signed: SignedCheckpointSummary,
    ) -> Result<CertifiedSummary, LightError> {
        let epoch = self.epoch();
        if signed.checkpoint.epoch != epoch {
            let found = signed.checkpoint.epoch;
            return Err(LightError::Epoch {
                found,
                first: epoch,
                last: epoch,
            });
        }
        if epoch - self.anchor >= self.limits.max_steps {
            return Err(LightError::AnchorTooOld {
                max_steps: self.limits.max_steps,
            });
        }
        let certified = self.verify(signed)?;
        self.follow(&certified)?;
        Ok(certified)
    }

    /// Trusts the committee named by a checkpoint already certified by the newest committee, if it
    /// ends its epoch.
    fn follow(&mut self, certified: &CertifiedSummary) -> Result<(), LightError> {
        let summary = certified.summary();
        let checkpoint = summary.sequence_number;
        let last = summary.end_of_epoch_data.as_ref();
        let data = last.ok_or(LightError::NotEndOfEpoch { checkpoint })?;
        let members: Vec<ValidatorCommitteeMember> = data.next_epoch_committee.clone();
        let epoch = summary
            .epoch
            .checked_add(1)
            .ok_or_else(|| LightError::Committee {
                epoch: summary.epoch,
                reason: "there is no later epoch".to_owned(),
            })?;
        let committee = ValidatorCommittee { epoch, members };
        self.newest = verifier(&committee, self.limits)?;
        self.committees.insert(epoch, committee);
        self.since = Some(certified.at());
        Ok(())
    }
}

/// A verifier for a committee, after the checks that the SDK leaves to its caller: it divides by
/// the total stake and adds without overflow checks.
fn verifier(
    committee: &ValidatorCommittee,
    limits: TrustLimits,
) -> Result<ValidatorCommitteeSignatureVerifier, LightError> {
    let malformed = |reason: String| LightError::Committee {
        epoch: committee.epoch,
        reason,
    };
    let count = committee.members.len();
    if count > limits.max_validators {
        return Err(malformed(format!("{count} validators")));
    }
    let stake = committee
        .members
        .iter()
        .try_fold(0u64, |sum, m| sum.checked_add(m.stake));
    if stake.is_none_or(|stake| stake == 0) {
        return Err(malformed("its stake is zero or overflows".to_owned()));
    }
    ValidatorCommitteeSignatureVerifier::new(committee.clone())
        .map_err(|error| malformed(error.to_string()))
}
