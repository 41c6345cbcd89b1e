//! Light verification of Sui: from a trusted validator committee to objects and events, without
//! trusting whoever served them.
//!
//! ```text
//! TrustAnchor -> Ratchet -- one certified end-of-epoch summary per Sui epoch --> committee of today
//!   -> CertifiedSummary -> Contents -> Executed (effects, events) -> ProvenObject
//! ```
//! Every arrow checks a signature or a digest; each type exists only checked. Pure: bytes come in
//! from whoever fetched them. Neither step proves that a state is the *latest*; objects that never
//! change, as [`epoch_committee_id`] names them, need no such proof.

mod checkpoint;
mod derive;
mod object;
mod ratchet;

pub use checkpoint::{CertifiedSummary, Contents, Executed, VerifiedCheckpoint};
pub use derive::epoch_committee_id;
pub use object::ProvenObject;
pub use ratchet::{Ratchet, TrustAnchor, TrustLimits};
use sui_sdk_types::Digest;

/// What was served does not follow from what is trusted. Unless it says otherwise, the server is at
/// fault and another may be asked.
#[derive(Debug, thiserror::Error)]
pub enum LightError {
    /// The validator committee given to trust is not one.
    #[error("validator committee of Sui epoch {epoch} is malformed: {reason}")]
    Committee {
        /// Its epoch.
        epoch: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint of a Sui epoch whose committee is not known (yet).
    #[error("checkpoint of Sui epoch {found}, trusted are epochs {first} to {last}")]
    Epoch {
        /// The epoch of the checkpoint.
        found: u64,
        /// First epoch with a trusted committee.
        first: u64,
        /// Last epoch with a trusted committee.
        last: u64,
    },
    /// Not the last checkpoint of its epoch, so it names no next committee.
    #[error("checkpoint {checkpoint} does not end its epoch")]
    NotEndOfEpoch {
        /// Its sequence number.
        checkpoint: u64,
    },
    /// The trust anchor is too far behind; a newer one is needed from a trusted source.
    #[error("the trust anchor lies more than {max_steps} Sui epochs back; get a newer one")]
    AnchorTooOld {
        /// Epochs that may be followed.
        max_steps: u64,
    },
    /// A validator signature does not match.
    #[error("checkpoint {checkpoint} is not certified: {reason}")]
    Signature {
        /// Its sequence number.
        checkpoint: u64,
        /// Why.
        reason: String,
    },
    /// Data whose digest is not the one certified.
    #[error("{what} of checkpoint {checkpoint} has digest {found}, certified is {certified}")]
    Digest {
        /// Which data.
        what: &'static str,
        /// Of which checkpoint.
        checkpoint: u64,
        /// Digest of what was served.
        found: Digest,
        /// Digest that validators signed.
        certified: Digest,
    },
    /// More or fewer transactions or events than were certified.
    #[error("{what} of checkpoint {checkpoint}: {found} served, {certified} certified")]
    Count {
        /// Which data.
        what: &'static str,
        /// Of which checkpoint.
        checkpoint: u64,
        /// How many were served.
        found: usize,
        /// How many there are.
        certified: usize,
    },
    /// The object is not one that the transaction wrote.
    #[error("object {object} version {version} was not written by the transaction")]
    NotWritten {
        /// Its id.
        object: crate::id::ObjectId,
        /// Its version.
        version: u64,
    },
    /// A proven object is not what was asked for.
    #[error("proven object is not {expected}")]
    WrongObject {
        /// What was asked for.
        expected: &'static str,
    },
}

pub(crate) fn same_digest(
    what: &'static str,
    checkpoint: u64,
    found: Digest,
    certified: Digest,
) -> Result<(), LightError> {
    if found == certified {
        Ok(())
    } else {
        Err(LightError::Digest {
            what,
            checkpoint,
            found,
            certified,
        })
    }
}
