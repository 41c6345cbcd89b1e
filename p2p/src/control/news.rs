//! What is gossiped: small announcements. What they announce is fetched by request.

use floe_chain::{
    certificate::{Certificate, Confirmation, UnverifiedCertificate},
    statement::Handover,
};
use floe_codec::{BlobId, SegmentIndex};
use serde::{Deserialize, Serialize};

use super::{inventory::VerifiedInventory, record::VerifiedRecord};
use crate::identity::PeerId;

/// A message of topic `committee`.
///
/// # Layout
/// BCS: 0 and the confirmation (kind 6) of one member of an epoch's committee, or 1 and the
/// certificate of its quorum, by which it names the next committee; the contents are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitteeNews {
    /// One member signs the next committee.
    Signature(Confirmation<Handover>),
    /// A quorum did.
    Certificate(UnverifiedCertificate<Handover>),
}

/// A message of topic `inconsistency`: somebody holds a proof that a segment is inconsistent.
///
/// # Layout
/// BCS: `blob 32 | segment u32 | digest 32 | size u32`. The digest is the BLAKE3 hash of the proof,
/// which is asked for with `GetInconsistency`; size is its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InconsistencyNotice {
    /// The blob.
    pub blob: BlobId,
    /// The segment the proof is about.
    pub segment: SegmentIndex,
    /// BLAKE3 of the proof.
    pub digest: [u8; 32],
    /// Bytes of the proof.
    pub size: u32,
}

impl InconsistencyNotice {
    /// The largest proof that is worth fetching, in bytes.
    pub const MAX_PROOF: u32 = 8 << 20;
}

/// News that passed every check this peer can make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Where a member can be reached.
    Record(VerifiedRecord),
    /// A member of the epoch's committee signed the next one.
    Signature(Confirmation<Handover>),
    /// A quorum did.
    Handover(Certificate<Handover>),
    /// What a member holds.
    Inventory(VerifiedInventory),
    /// A member claims to have a proof; whether it is one, the proof shows.
    Inconsistency(PeerId, InconsistencyNotice),
}
