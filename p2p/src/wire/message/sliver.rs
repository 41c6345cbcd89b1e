//! Messages that carry slivers, many on one stream.

use floe_chain::{certificate::Confirmation, id::ObjectId};
use floe_codec::{Axis, BlobId, SegmentIndex, ShardIndex};
use serde::{Deserialize, Serialize};

use super::{Request, SegmentRange, check_max};
use crate::wire::{Bounded, Kind, WireError};

/// One sliver of a known segment.
///
/// # Layout
/// BCS: `shard u16 | axis u8`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SliverKey {
    /// The shard that keeps it.
    pub shard: ShardIndex,
    /// Which of the shard's two slivers.
    pub axis: Axis,
}

/// Hands over slivers of one segment, with the segment's metadata in front if the node may not have
/// it yet: a small blob is stored with one stream per node.
///
/// The items are the metadata, if `metadata` is set, then the slivers in the order listed.
///
/// # Layout
/// BCS: `blob 32 | object 32 | segment u32 | metadata bool | slivers vector<(shard u16, axis u8)> |
/// confirm bool`, at most 2,048 slivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutSliver {
    /// The blob.
    pub blob: BlobId,
    /// Its registration on the chain.
    pub object: ObjectId,
    /// The segment all of them belong to.
    pub segment: SegmentIndex,
    /// Whether item 0 is the segment's metadata.
    pub metadata: bool,
    /// Which slivers follow.
    pub slivers: Bounded<SliverKey, 2048>,
    /// Whether the node should confirm right away if nothing is missing afterwards.
    pub confirm: bool,
}

impl Request for PutSliver {
    const KIND: Kind = Kind::PUT_SLIVER;
    type Reply = PutSliverReply;
}

/// Everything that was handed over is on disk.
///
/// # Layout
/// BCS: `confirmation option<confirmation>`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutSliverReply {
    /// The confirmation, if it was asked for and nothing is missing.
    pub confirmation: Option<Confirmation>,
}

/// Asks for the slivers of one axis, of several shards and segments.
///
/// Item `s * shards.len() + i` is the sliver of `shards[i]` in segment `segments.first + s`.
///
/// # Layout
/// BCS: `blob 32 | axis u8 | shards vector<u16> | segments`, at most 1,024 shards and 65,536 items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetSliver {
    /// The blob.
    pub blob: BlobId,
    /// Which of each shard's two slivers.
    pub axis: Axis,
    /// The shards whose slivers are wanted.
    pub shards: Bounded<ShardIndex, 1024>,
    /// Of which segments.
    pub segments: SegmentRange,
}

impl GetSliver {
    /// The most items one request may name.
    pub const MAX_ITEMS: u64 = 1 << 16;

    /// How many items the request names.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.shards.len() as u64 * u64::from(self.segments.count)
    }

    /// The item with this index; `None` past the end.
    #[must_use]
    pub fn item(&self, index: u32) -> Option<(SegmentIndex, ShardIndex)> {
        let shards = u32::try_from(self.shards.len()).ok()?;
        let segment = self.segments.get(index.checked_div(shards)?)?;
        let shard = self.shards.get((index % shards) as usize)?;
        Some((segment, *shard))
    }
}

impl Request for GetSliver {
    const KIND: Kind = Kind::GET_SLIVER;
    type Reply = ();

    fn check(&self) -> Result<(), WireError> {
        self.segments.check()?;
        check_max("list of items", self.items(), Self::MAX_ITEMS)
    }
}
