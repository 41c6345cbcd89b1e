//! Table `held`: how many segments' slivers are held, so that "all of them" is one look.

use floe_codec::{Axis, BlobId, ShardIndex};

use super::{Bytes, Table, Take};

/// One row for each (blob, shard, axis) with a sliver held, except where the sliver of segment 0 is
/// the only one: most blobs have one segment, and need no row.
///
/// # Layout
/// ```text
/// blob id 32 | shard u16 BE | axis u8  ->  segments u32
/// ```
#[derive(Debug)]
pub(crate) struct HeldTable;

impl Table for HeldTable {
    const NAME: &'static str = "held";
    type Key = (BlobId, ShardIndex, Axis);
    type Value = u32;

    fn encode_key((blob, shard, axis): &Self::Key, out: &mut Bytes) {
        out.blob(blob).u16_be(shard.get()).axis(*axis);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<Self::Key> {
        Some((bytes.blob()?, bytes.shard()?, bytes.axis()?))
    }

    fn encode_value(segments: &u32, out: &mut Bytes) {
        out.u32_le(*segments);
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<u32> {
        bytes.u32_le()
    }
}

#[cfg(test)]
super::table_tests!(
    HeldTable,
    (blob(), shard(), axis()),
    any::<u32>(),
    "0496ebd75c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36ca3b200",
    "8e87e7a36d5e897ce49cd291"
);
