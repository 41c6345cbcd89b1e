//! Table `recovery`: slivers that were held and are no longer, and slivers whose recovery failed.
//!
//! What a shard never had is not listed here: the inventory says that.

use super::{Bytes, Table, Take};
use crate::key::SliverKey;

/// A sliver to be recovered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryTask {
    /// How often it was tried.
    pub attempts: u32,
    /// Not to be tried before this moment, in milliseconds of the clock the node uses.
    pub not_before_ms: u64,
}

/// One row for each sliver to recover; removed by the put that stores it.
///
/// # Layout
/// ```text
/// blob id 32 | segment u32 BE | shard u16 BE | axis u8  ->  attempts u32 | not before, ms u64
/// ```
#[derive(Debug)]
pub(crate) struct RecoveryTable;

impl Table for RecoveryTable {
    const NAME: &'static str = "recovery";
    type Key = SliverKey;
    type Value = RecoveryTask;

    fn encode_key(key: &SliverKey, out: &mut Bytes) {
        super::sliver::SliverTable::encode_key(key, out);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<SliverKey> {
        super::sliver::SliverTable::decode_key(bytes)
    }

    fn encode_value(task: &RecoveryTask, out: &mut Bytes) {
        out.u32_le(task.attempts).u64_le(task.not_before_ms);
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<RecoveryTask> {
        Some(RecoveryTask {
            attempts: bytes.u32_le()?,
            not_before_ms: bytes.u64_le()?,
        })
    }
}

#[cfg(test)]
super::table_tests!(
    RecoveryTable,
    sliver_key(),
    any::<(u32, u64)>().prop_map(|(attempts, not_before_ms)| RecoveryTask {
        attempts,
        not_before_ms
    }),
    "0496ebd75c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36c4c72a3b2737301",
    "f533c6aa51f4846c5c19d055d211c4011135c95f"
);
