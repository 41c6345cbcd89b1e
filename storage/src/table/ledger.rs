//! Table `ledger`: how far the chain was followed.

use floe_chain::{epoch::Epoch, event::EventCursor};

use super::{Bytes, Table, Take};
use crate::inventory::BlobSeq;

/// Where the ledger stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LedgerRow {
    /// The last event whose effects are durable.
    pub(crate) cursor: EventCursor,
    /// The epoch of the last `EpochStarted`.
    pub(crate) epoch: Epoch,
    /// The sequence number the next blob to become live gets.
    pub(crate) next_seq: BlobSeq,
}

/// At most one row, saved in the transaction that holds the effects of its cursor.
///
/// # Layout
/// ```text
/// nothing  ->  checkpoint u64 | transaction u32 | event u32 | epoch u32 | next sequence number u64
/// ```
#[derive(Debug)]
pub(crate) struct LedgerTable;

impl Table for LedgerTable {
    const NAME: &'static str = "ledger";
    type Key = ();
    type Value = LedgerRow;

    fn encode_key((): &(), _: &mut Bytes) {}

    fn decode_key(_: &mut Take<'_>) -> Option<()> {
        Some(())
    }

    fn encode_value(row: &LedgerRow, out: &mut Bytes) {
        out.cursor(&row.cursor)
            .u32_le(row.epoch.get())
            .u64_le(row.next_seq.get());
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<LedgerRow> {
        Some(LedgerRow {
            cursor: bytes.cursor()?,
            epoch: bytes.epoch_le()?,
            next_seq: BlobSeq(bytes.u64_le()?),
        })
    }
}

#[cfg(test)]
super::table_tests!(
    LedgerTable,
    Just(()),
    (cursor(), epoch(), seq()).prop_map(|(cursor, epoch, next_seq)| LedgerRow {
        cursor,
        epoch,
        next_seq
    }),
    "",
    "0493c13c96bdbbf6ebcb3dcfd734d25c5c94ff0e07b4bc1af7ff7eb593418eeb7657165c"
);
