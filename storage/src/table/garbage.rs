//! Table `garbage`: blobs that nothing on the chain keeps any more, and since when.

use floe_chain::epoch::Epoch;
use floe_codec::BlobId;

use super::{Bytes, Table, Take};

/// One row for each blob that lost its last registration or was found invalid. A candidate only:
/// whoever collects looks at the ledger again.
///
/// # Layout
/// ```text
/// since u32 BE | blob id 32  ->  nothing
/// ```
#[derive(Debug)]
pub(crate) struct GarbageTable;

impl Table for GarbageTable {
    const NAME: &'static str = "garbage";
    type Key = (Epoch, BlobId);
    type Value = ();

    fn encode_key((since, blob): &Self::Key, out: &mut Bytes) {
        out.u32_be(since.get()).blob(blob);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<Self::Key> {
        Some((bytes.epoch_be()?, bytes.blob()?))
    }

    fn encode_value((): &(), _: &mut Bytes) {}

    fn decode_value(_: &mut Take<'_>) -> Option<()> {
        Some(())
    }
}

#[cfg(test)]
super::table_tests!(
    GarbageTable,
    (epoch(), blob()),
    Just(()),
    "3cc1930496ebd75c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36cb2",
    "42eb03dbbd09b1d0"
);
