//! Table `numbering`: the number of the next volume, because numbers are never reused.

use super::{Bytes, Table, Take};

/// At most one row.
///
/// # Layout
/// ```text
/// nothing  ->  next volume u64
/// ```
#[derive(Debug)]
pub(crate) struct NumberingTable;

impl Table for NumberingTable {
    const NAME: &'static str = "numbering";
    type Key = ();
    type Value = u64;

    fn encode_key((): &(), _: &mut Bytes) {}

    fn decode_key(_: &mut Take<'_>) -> Option<()> {
        Some(())
    }

    fn encode_value(next: &u64, out: &mut Bytes) {
        out.u64_le(*next);
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<u64> {
        bytes.u64_le()
    }
}

#[cfg(test)]
super::table_tests!(
    NumberingTable,
    Just(()),
    any::<u64>(),
    "",
    "0493c13c96bdbbf6423b38054766b249"
);
