//! Messages about inconsistently encoded blobs.

use floe_codec::{BlobId, SegmentIndex};
use serde::{Deserialize, Serialize};

use super::Request;
use crate::wire::Kind;

/// Hands over the proof that a segment is inconsistent. Item 0 is the proof.
///
/// # Layout
/// BCS: `blob 32 | segment u32`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutInconsistency {
    /// The blob.
    pub blob: BlobId,
    /// The segment.
    pub segment: SegmentIndex,
}

impl Request for PutInconsistency {
    const KIND: Kind = Kind::PUT_INCONSISTENCY;
    type Reply = ();
}

/// Asks for a proof that the blob is inconsistent. Item 0 is the proof, for the segment in the
/// reply.
///
/// # Layout
/// BCS: `blob 32`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetInconsistency {
    /// The blob.
    pub blob: BlobId,
}

impl Request for GetInconsistency {
    const KIND: Kind = Kind::GET_INCONSISTENCY;
    type Reply = SegmentIndex;
}
