//! Messages about a whole blob: its metadata, its status, its confirmation.

use floe_chain::{blob::BlobState, certificate::Confirmation, id::ObjectId};
use floe_codec::{Axis, BlobId, ShardIndex};
use serde::{Deserialize, Serialize};

use super::{Request, SegmentRange};
use crate::wire::{Bounded, Kind, WireError};

/// Hands over segment metadata of a registered blob. Item i is the metadata of segment
/// `segments.first + i`.
///
/// # Layout
/// BCS: `blob 32 | object 32 | segments`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutMetadata {
    /// The blob.
    pub blob: BlobId,
    /// Its registration on the chain.
    pub object: ObjectId,
    /// Whose metadata follow.
    pub segments: SegmentRange,
}

impl Request for PutMetadata {
    const KIND: Kind = Kind::PUT_METADATA;
    type Reply = ();

    fn check(&self) -> Result<(), WireError> {
        self.segments.check()
    }
}

/// Asks for segment metadata. Item i is the metadata of segment `segments.first + i`.
///
/// # Layout
/// BCS: `blob 32 | segments`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetMetadata {
    /// The blob.
    pub blob: BlobId,
    /// Whose metadata are wanted.
    pub segments: SegmentRange,
}

impl Request for GetMetadata {
    const KIND: Kind = Kind::GET_METADATA;
    type Reply = ();

    fn check(&self) -> Result<(), WireError> {
        self.segments.check()
    }
}

/// Asks what the node knows of a blob and, for one registration, which of its own slivers it lacks.
///
/// # Layout
/// BCS: `blob 32 | object option<32>`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetBlobStatus {
    /// The blob.
    pub blob: BlobId,
    /// The registration to report on; without it only the state is told.
    pub object: Option<ObjectId>,
}

impl Request for GetBlobStatus {
    const KIND: Kind = Kind::GET_BLOB_STATUS;
    type Reply = BlobStatus;
}

/// What the node knows of a blob.
///
/// # Layout
/// BCS: `state | missing`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobStatus {
    /// Where the blob stands at the node's event cursor.
    pub state: BlobState,
    /// What the node must hold for its shards and does not; empty when it could confirm.
    pub missing: MissingSlivers,
}

/// What a node lacks of the blob, its metadata and the slivers of the node's own shards.
///
/// # Layout
/// BCS: `metadata vector<segments> | slivers vector<(shard u16, axis u8, segments)> | truncated bool`,
/// each list at most 1,024 long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSlivers {
    /// Segments without metadata, ascending.
    pub metadata: Bounded<SegmentRange, 1024>,
    /// Slivers, ascending by (shard, axis, segment).
    pub slivers: Bounded<(ShardIndex, Axis, SegmentRange), 1024>,
    /// Whether more is missing than is listed.
    pub truncated: bool,
}

impl MissingSlivers {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metadata.is_empty() && self.slivers.is_empty() && !self.truncated
    }
}

/// Asks for the node's signature that the slivers of all its shards, in all segments, are on disk.
///
/// # Layout
/// BCS: `blob 32 | object 32`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// The blob.
    pub blob: BlobId,
    /// Its registration on the chain.
    pub object: ObjectId,
}

impl Request for Confirm {
    const KIND: Kind = Kind::CONFIRM;
    type Reply = ConfirmReply;
}

/// The confirmation, or what stands in its way.
///
/// # Layout
/// BCS enum: 0 confirmed, 1 missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "one lives per call, and not for long"
)]
pub enum ConfirmReply {
    /// Everything is on disk.
    Confirmed(Confirmation),
    /// Not yet.
    Missing(MissingSlivers),
}
