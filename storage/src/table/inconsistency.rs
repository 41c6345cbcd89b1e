//! Table `inconsistency`: one proof per blob that no bytes have its id.

use bytes::Bytes as Payload;
use floe_codec::{BlobId, SegmentIndex};

use super::{Bytes, Table, Take};

/// The inconsistent segment and the proof; its bytes mean nothing here.
///
/// # Layout
/// ```text
/// blob id 32  ->  segment u32, proof, any length
/// ```
#[derive(Debug)]
pub(crate) struct InconsistencyTable;

impl Table for InconsistencyTable {
    const NAME: &'static str = "inconsistency";
    type Key = BlobId;
    type Value = (SegmentIndex, Payload);

    fn encode_key(blob: &BlobId, out: &mut Bytes) {
        out.blob(blob);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<BlobId> {
        bytes.blob()
    }

    fn encode_value((segment, proof): &Self::Value, out: &mut Bytes) {
        out.u32_le(segment.get()).put(proof);
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<Self::Value> {
        let segment = SegmentIndex(bytes.u32_le()?);
        Some((segment, Payload::copy_from_slice(bytes.rest())))
    }
}

#[cfg(test)]
super::table_tests!(
    InconsistencyTable,
    blob(),
    (
        any::<u32>().prop_map(SegmentIndex),
        prop::collection::vec(any::<u8>(), 0..99).prop_map(Payload::from),
    ),
    "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc",
    "07000000612070726f6f66b7f2fc083010436a"
);
