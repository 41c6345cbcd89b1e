//! Table `volume`: how far each volume is committed, and how much of it is still wanted.

use super::{Bytes, Table, Take};
use crate::log::volume::VolumeId;

/// A volume of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VolumeRow {
    /// Bytes up to the end of the last committed record; what lies beyond does not exist.
    pub(crate) len: u64,
    /// Bytes of records that the index points to.
    pub(crate) live: u64,
    /// Nothing points to it any more: its file is being removed.
    pub(crate) removed: bool,
}

/// One row for each volume.
///
/// # Layout
/// ```text
/// shard u16 BE | number u64 BE  ->  length u64 | live u64 | removed u8
/// ```
#[derive(Debug)]
pub(crate) struct VolumeTable;

impl Table for VolumeTable {
    const NAME: &'static str = "volume";
    type Key = VolumeId;
    type Value = VolumeRow;

    fn encode_key(id: &VolumeId, out: &mut Bytes) {
        out.u16_be(id.shard.get()).u64_be(id.number);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<VolumeId> {
        Some(VolumeId {
            shard: bytes.shard()?,
            number: bytes.u64_be()?,
        })
    }

    fn encode_value(row: &VolumeRow, out: &mut Bytes) {
        out.u64_le(row.len).u64_le(row.live).flag(row.removed);
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<VolumeRow> {
        Some(VolumeRow {
            len: bytes.u64_le()?,
            live: bytes.u64_le()?,
            removed: bytes.flag()?,
        })
    }
}

#[cfg(test)]
super::table_tests!(
    VolumeTable,
    (shard(), any::<u64>()).prop_map(|(shard, number)| VolumeId { shard, number }),
    any::<(u64, u64, bool)>().prop_map(|(len, live, removed)| VolumeRow { len, live, removed }),
    "9304cf3dcbebf6bbbd96",
    "f7ff7eb5cd457b87141eace399bab554004cbe0ff56d8de5f9"
);
