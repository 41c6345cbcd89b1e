//! The validators of this chain: keys of every epoch derived from the chain's secret, and certification of checkpoints.
//!
//! All of them live in this one process. Their signatures let a client exercise its verification; they prove no agreement.

use blst::min_sig::{AggregateSignature, SecretKey};
use sui_sdk_types::{
    Bitmap, Bls12381PublicKey, Bls12381Signature, CheckpointSummary, ValidatorAggregatedSignature,
    ValidatorCommittee, ValidatorCommitteeMember, hash::Hasher,
};

/// Validators of every epoch.
const COUNT: u32 = 4;
/// Validators that sign each checkpoint: the fewest with more than two thirds of the stake.
const SIGNERS: u32 = 3;
/// Stake of the whole committee; Sui normalises to this number.
const TOTAL_STAKE: u64 = 10_000;
/// Domain separation of Sui's validator signatures (RFC 9380 suite name).
const SUITE: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

/// Root of every key and random value of a chain.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// A secret from its bytes.
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// An independent value for one purpose and number: `BLAKE2b-256("floe-devnet/" | purpose | 0 | secret | number u64 LE)`.
    pub(crate) fn derive(&self, purpose: &str, number: u64) -> [u8; 32] {
        let mut hasher = Hasher::new();
        hasher.update("floe-devnet/");
        hasher.update(purpose);
        hasher.update([0]);
        hasher.update(self.0);
        hasher.update(number.to_le_bytes());
        hasher.finalize().into_inner()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// The validators of one epoch.
pub(crate) struct Validators {
    keys: Vec<SecretKey>,
    committee: ValidatorCommittee,
}

impl Validators {
    /// The validators of an epoch of the chain with this secret.
    pub(crate) fn of_epoch(secret: &Secret, epoch: u64) -> Self {
        let key = |index: u32| {
            let material = secret.derive("validator", epoch * u64::from(COUNT) + u64::from(index));
            SecretKey::key_gen(&material, &[]).expect("32 bytes are enough key material")
        };
        let keys: Vec<_> = (0..COUNT).map(key).collect();
        let members = keys.iter().map(|key| ValidatorCommitteeMember {
            public_key: Bls12381PublicKey::new(key.sk_to_pk().to_bytes()),
            stake: TOTAL_STAKE / u64::from(COUNT),
        });
        let committee = ValidatorCommittee {
            epoch,
            members: members.collect(),
        };
        Self { keys, committee }
    }

    /// Who they are.
    pub(crate) fn committee(&self) -> &ValidatorCommittee {
        &self.committee
    }

    /// The signatures of a quorum on a summary of this epoch.
    pub(crate) fn certify(&self, summary: &CheckpointSummary) -> ValidatorAggregatedSignature {
        let message = summary.signing_message();
        let mut bitmap = Bitmap::new();
        let mut signatures = Vec::new();
        for (index, key) in (0..SIGNERS).zip(&self.keys) {
            bitmap.insert(index);
            signatures.push(key.sign(&message, SUITE, &[]));
        }
        let signatures: Vec<_> = signatures.iter().collect();
        let sum = AggregateSignature::aggregate(&signatures, false)
            .expect("there is at least one signer");
        ValidatorAggregatedSignature {
            epoch: self.committee.epoch,
            signature: Bls12381Signature::new(sum.to_signature().to_bytes()),
            bitmap,
        }
    }
}

#[cfg(test)]
mod tests {
    use sui_crypto::bls12381::ValidatorCommitteeSignatureVerifier;
    use sui_sdk_types::{Digest, GasCostSummary};

    use super::*;

    fn summary(epoch: u64) -> CheckpointSummary {
        CheckpointSummary {
            epoch,
            sequence_number: 7,
            network_total_transactions: 9,
            content_digest: Digest::ZERO,
            previous_digest: None,
            epoch_rolling_gas_cost_summary: GasCostSummary::default(),
            timestamp_ms: 5,
            checkpoint_commitments: vec![],
            end_of_epoch_data: None,
            version_specific_data: vec![],
        }
    }

    #[test]
    fn only_the_epochs_own_committee_verifies() {
        let secret = Secret::new([1; 32]);
        let validators = Validators::of_epoch(&secret, 3);
        let signature = validators.certify(&summary(3));
        let verify = |committee: &ValidatorCommittee, summary: &CheckpointSummary| {
            ValidatorCommitteeSignatureVerifier::new(committee.clone())
                .unwrap()
                .verify_checkpoint_summary(summary, &signature)
        };
        verify(validators.committee(), &summary(3)).unwrap();

        let mut forged = summary(3);
        forged.timestamp_ms += 1;
        verify(validators.committee(), &forged).unwrap_err();

        let mut others = Validators::of_epoch(&secret, 4).committee().clone();
        others.epoch = 3;
        verify(&others, &summary(3)).unwrap_err();
        verify(
            Validators::of_epoch(&Secret::new([2; 32]), 3).committee(),
            &summary(3),
        )
        .unwrap_err();
    }
}
