//! Table `sequence`: which blob each live sequence number stands for.

use floe_codec::BlobId;

use super::{Bytes, Table, Take};
use crate::inventory::BlobSeq;

/// One row for each live blob.
///
/// # Layout
/// ```text
/// sequence number u64 BE  ->  blob id 32
/// ```
#[derive(Debug)]
pub(crate) struct SequenceTable;

impl Table for SequenceTable {
    const NAME: &'static str = "sequence";
    type Key = BlobSeq;
    type Value = BlobId;

    fn encode_key(seq: &BlobSeq, out: &mut Bytes) {
        out.u64_be(seq.get());
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<BlobSeq> {
        bytes.u64_be().map(BlobSeq)
    }

    fn encode_value(blob: &BlobId, out: &mut Bytes) {
        out.blob(blob);
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<BlobId> {
        bytes.blob()
    }
}

#[cfg(test)]
super::table_tests!(
    SequenceTable,
    seq(),
    blob(),
    "f6bbbd963cc19304",
    "5c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36cb2731d9c1d620cb68306c4ca"
);
