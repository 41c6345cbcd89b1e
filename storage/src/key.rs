//! The name of one stored sliver, and nothing about where it lies.

use std::fmt;

use floe_codec::{Axis, BlobId, SegmentIndex, ShardIndex};

/// One sliver on this machine: of which blob and segment, for which shard, on which axis.
///
/// The order is that of the index: everything of a blob lies together, then of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliverKey {
    /// The blob.
    pub blob: BlobId,
    /// The segment of the blob.
    pub segment: SegmentIndex,
    /// The shard that keeps it; with the blob id it determines the sliver's index.
    pub shard: ShardIndex,
    /// Primary or secondary.
    pub axis: Axis,
}

impl fmt::Display for SliverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            blob,
            segment,
            shard,
            axis,
        } = self;
        write!(
            f,
            "{axis} sliver of shard {shard}, segment {segment} of blob {blob}"
        )
    }
}

/// The byte that stands for an axis on disk. Never renumber.
pub(crate) const fn axis_code(axis: Axis) -> u8 {
    match axis {
        Axis::Primary => 0,
        Axis::Secondary => 1,
    }
}

/// The axis that a byte on disk stands for.
pub(crate) const fn axis_of(code: u8) -> Option<Axis> {
    match code {
        0 => Some(Axis::Primary),
        1 => Some(Axis::Secondary),
        _ => None,
    }
}
