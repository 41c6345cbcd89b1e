//! Table `expiry`: registrations in the order in which they end.

use floe_chain::{epoch::Epoch, id::ObjectId};
use floe_codec::BlobId;

use super::{Bytes, Table, Take};

/// One row for each row of `registration`.
///
/// # Layout
/// ```text
/// end u32 BE | blob id 32 | object id 32  ->  nothing
/// ```
#[derive(Debug)]
pub(crate) struct ExpiryTable;

impl Table for ExpiryTable {
    const NAME: &'static str = "expiry";
    type Key = (Epoch, BlobId, ObjectId);
    type Value = ();

    fn encode_key((end, blob, object): &Self::Key, out: &mut Bytes) {
        out.u32_be(end.get()).blob(blob).object(object);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<Self::Key> {
        Some((bytes.epoch_be()?, bytes.blob()?, bytes.object()?))
    }

    fn encode_value((): &(), _: &mut Bytes) {}

    fn decode_value(_: &mut Take<'_>) -> Option<()> {
        Some(())
    }
}

#[cfg(test)]
super::table_tests!(
    ExpiryTable,
    (epoch(), blob(), object()),
    Just(()),
    "3cc1930496ebd75c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36cb2731d9cefcb48\
     21acb238614b8a57860fe4e5eefb56e2d1c00b09c59819b6b567",
    "41e34c9cc65a04b9"
);
