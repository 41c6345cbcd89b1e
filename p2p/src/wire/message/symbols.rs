//! The message that asks for single symbols: recovery and range reads around a missing row.

use floe_codec::{Axis, BlobId, ShardIndex};
use serde::{Deserialize, Serialize};

use super::{Request, SegmentRange, check_max};
use crate::wire::{Bounded, Kind, WireError};

/// Asks for the symbols with which slivers of the target shard can be rebuilt, from the slivers of
/// the orthogonal axis that the peer keeps for its own shards.
///
/// There is one item for each (blob, segment), in the order listed. It is a bitmap of
/// `ceil(sources / 8)` bytes, least significant bit first, that says which sources are present, and
/// for each of them, in order, its symbol; if `proven` is set, the codec's symbol proof in BCS in
/// place of the symbol. Their sizes follow from the blob's layout.
///
/// # Layout
/// BCS: `target u16 | axis u8 | sources vector<u16> | blobs vector<(blob 32, segments)> |
/// proven bool`, at most 1,024 sources, 256 blobs and 4,096 items of at most 8 MiB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetSymbols {
    /// The shard whose slivers are to be rebuilt.
    pub target: ShardIndex,
    /// The axis of the slivers to be rebuilt; the sources' slivers are of the orthogonal one.
    pub axis: Axis,
    /// The peer's shards to take symbols from.
    pub sources: Bounded<ShardIndex, 1024>,
    /// Of which blobs and segments.
    pub blobs: Bounded<SymbolRange, 256>,
    /// Whether each symbol comes as a proof that its sliver contains it.
    pub proven: bool,
}

/// Segments of one blob.
///
/// # Layout
/// BCS: `blob 32 | segments`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolRange {
    /// The blob.
    pub blob: BlobId,
    /// Its segments.
    pub segments: SegmentRange,
}

impl GetSymbols {
    /// The most items one request may name.
    pub const MAX_ITEMS: u64 = 4096;

    /// How many items the request names.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.blobs
            .iter()
            .map(|range| u64::from(range.segments.count))
            .sum()
    }

    /// How many symbols it asks for; each is paid for, held or not.
    #[must_use]
    pub fn symbols(&self) -> u64 {
        self.items() * self.sources.len() as u64
    }

    /// The blobs and segments of the items, in order.
    pub fn iter(&self) -> impl Iterator<Item = (BlobId, floe_codec::SegmentIndex)> + '_ {
        self.blobs
            .iter()
            .flat_map(|range| range.segments.iter().map(|segment| (range.blob, segment)))
    }
}

impl Request for GetSymbols {
    const KIND: Kind = Kind::GET_SYMBOLS;
    type Reply = ();

    fn check(&self) -> Result<(), WireError> {
        self.blobs
            .iter()
            .try_for_each(|range| range.segments.check())?;
        check_max("list of items", self.items(), Self::MAX_ITEMS)
    }
}
