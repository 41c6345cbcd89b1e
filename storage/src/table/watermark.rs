//! Table `watermark`: up to where every live blob is held, by shard and axis.

use floe_codec::{Axis, ShardIndex};

use super::{Bytes, Table, Take};
use crate::inventory::BlobSeq;

/// A lower bound: every live blob with a smaller sequence number is held completely. A shard without
/// a row starts at 0.
///
/// # Layout
/// ```text
/// shard u16 BE | axis u8  ->  sequence number u64
/// ```
#[derive(Debug)]
pub(crate) struct WatermarkTable;

impl Table for WatermarkTable {
    const NAME: &'static str = "watermark";
    type Key = (ShardIndex, Axis);
    type Value = BlobSeq;

    fn encode_key((shard, axis): &Self::Key, out: &mut Bytes) {
        out.u16_be(shard.get()).axis(*axis);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<Self::Key> {
        Some((bytes.shard()?, bytes.axis()?))
    }

    fn encode_value(seq: &BlobSeq, out: &mut Bytes) {
        out.u64_le(seq.get());
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<BlobSeq> {
        bytes.u64_le().map(BlobSeq)
    }
}

#[cfg(test)]
super::table_tests!(
    WatermarkTable,
    (shard(), axis()),
    seq(),
    "930401",
    "f7ff7eb5cd457b874c9e828e82cc7494"
);
