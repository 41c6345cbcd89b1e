//! Table `sliver`: where each sliver lies in the log.
//!
//! The blob comes first in the key: a put touches one place of the tree, and everything of a blob
//! is one range. Dropping a shard walks the table instead, which is rare and can be resumed.

use super::{Bytes, Table, Take};
use crate::{key::SliverKey, log::Location};

/// One row for each sliver that is durable and undamaged as far as known.
///
/// # Layout
/// ```text
/// blob id 32 | segment u32 BE | shard u16 BE | axis u8  ->  volume u64 | offset u64 | length u32
/// ```
#[derive(Debug)]
pub(crate) struct SliverTable;

impl Table for SliverTable {
    const NAME: &'static str = "sliver";
    type Key = SliverKey;
    type Value = Location;

    fn encode_key(key: &SliverKey, out: &mut Bytes) {
        out.blob(&key.blob)
            .u32_be(key.segment.get())
            .u16_be(key.shard.get())
            .axis(key.axis);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<SliverKey> {
        Some(SliverKey {
            blob: bytes.blob()?,
            segment: bytes.segment()?,
            shard: bytes.shard()?,
            axis: bytes.axis()?,
        })
    }

    fn encode_value(location: &Location, out: &mut Bytes) {
        out.u64_le(location.volume)
            .u64_le(location.offset)
            .u32_le(location.length);
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<Location> {
        Some(Location {
            volume: bytes.u64_le()?,
            offset: bytes.u64_le()?,
            length: bytes.u32_le()?,
        })
    }
}

#[cfg(test)]
super::table_tests!(
    SliverTable,
    sliver_key(),
    any::<(u64, u64, u32)>().prop_map(|(volume, offset, length)| Location {
        volume,
        offset,
        length
    }),
    "0496ebd75c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36c4c72a3b2737301",
    "f533c6aa51f4846c5c19d05502165f32fcd2e80151489d6c2b3164b7"
);
