//! Table `metadata`: what each segment commits to, as the node verified it.

use bytes::Bytes as Payload;
use floe_codec::{BlobId, SegmentIndex};

use super::{Bytes, Table, Take};

/// Metadata of one segment; the bytes mean nothing here.
///
/// # Layout
/// ```text
/// blob id 32 | segment u32 BE  ->  metadata, any length
/// ```
#[derive(Debug)]
pub(crate) struct MetadataTable;

impl Table for MetadataTable {
    const NAME: &'static str = "metadata";
    type Key = (BlobId, SegmentIndex);
    type Value = Payload;

    fn encode_key((blob, segment): &Self::Key, out: &mut Bytes) {
        out.blob(blob).u32_be(segment.get());
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<Self::Key> {
        Some((bytes.blob()?, bytes.segment()?))
    }

    fn encode_value(value: &Payload, out: &mut Bytes) {
        out.put(value);
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<Payload> {
        Some(Payload::copy_from_slice(bytes.rest()))
    }
}

#[cfg(test)]
super::table_tests!(
    MetadataTable,
    (blob(), any::<u32>().prop_map(SegmentIndex)),
    prop::collection::vec(any::<u8>(), 0..99).prop_map(Payload::from),
    "0496ebd75c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36c4c72a3b2",
    "3e51668e74f5515c02fc04e545bc486d0da14a401e437e5908678e70a1"
);
