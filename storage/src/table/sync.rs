//! Table `sync`: how far each shard was received from its previous owner.

use floe_chain::epoch::Epoch;
use floe_codec::{Axis, ShardIndex};

use super::{Bytes, Table, Take};
use crate::inventory::BlobSeq;

/// How far one axis of a shard was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncProgress {
    /// The epoch for which the shard is received.
    pub epoch: Epoch,
    /// Everything below was asked for; what is missing of it is up to recovery.
    pub next: BlobSeq,
}

/// One row for each transfer that runs.
///
/// # Layout
/// ```text
/// shard u16 BE | axis u8  ->  epoch u32 | next sequence number u64
/// ```
#[derive(Debug)]
pub(crate) struct SyncTable;

impl Table for SyncTable {
    const NAME: &'static str = "sync";
    type Key = (ShardIndex, Axis);
    type Value = SyncProgress;

    fn encode_key((shard, axis): &Self::Key, out: &mut Bytes) {
        out.u16_be(shard.get()).axis(*axis);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<Self::Key> {
        Some((bytes.shard()?, bytes.axis()?))
    }

    fn encode_value(row: &SyncProgress, out: &mut Bytes) {
        out.u32_le(row.epoch.get()).u64_le(row.next.get());
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<SyncProgress> {
        Some(SyncProgress {
            epoch: bytes.epoch_le()?,
            next: BlobSeq(bytes.u64_le()?),
        })
    }
}

#[cfg(test)]
super::table_tests!(
    SyncTable,
    (shard(), axis()),
    (epoch(), seq()).prop_map(|(epoch, next)| SyncProgress { epoch, next }),
    "930401",
    "f7ff7eb5cd457b87141eace364ff7e6b2ddd7b4a"
);
