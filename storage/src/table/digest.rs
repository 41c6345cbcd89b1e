//! Table `digest`: the running digest of each run of sequence numbers.

use super::{Bytes, Table, Take};
use crate::ledger::RunDigest;

/// One row for each run that ever had a live blob.
///
/// # Layout
/// ```text
/// run u32 BE  ->  digest 32
/// ```
#[derive(Debug)]
pub(crate) struct DigestTable;

impl Table for DigestTable {
    const NAME: &'static str = "digest";
    type Key = u32;
    type Value = RunDigest;

    fn encode_key(run: &u32, out: &mut Bytes) {
        out.u32_be(*run);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<u32> {
        bytes.u32_be()
    }

    fn encode_value(digest: &RunDigest, out: &mut Bytes) {
        out.put(digest.as_bytes());
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<RunDigest> {
        bytes.array().map(RunDigest::from_bytes)
    }
}

#[cfg(test)]
super::table_tests!(
    DigestTable,
    any::<u32>(),
    any::<[u8; 32]>().prop_map(RunDigest::from_bytes),
    "3cc19304",
    "ebd75c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36cb2731d6632098fb94a34"
);
