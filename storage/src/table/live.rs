//! Table `live`: which sequence numbers stand for live blobs.

use super::{Bytes, Table, Take};
use crate::inventory::Bitmap;

/// One row for each page of [`Bitmap::BITS`] sequence numbers that ever had a live blob.
///
/// # Layout
/// ```text
/// page u32 BE  ->  bitmap 128 (least significant bit first)
/// ```
#[derive(Debug)]
pub(crate) struct LiveTable;

impl Table for LiveTable {
    const NAME: &'static str = "live";
    type Key = u32;
    type Value = Bitmap;

    fn encode_key(page: &u32, out: &mut Bytes) {
        out.u32_be(*page);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<u32> {
        bytes.u32_be()
    }

    fn encode_value(bitmap: &Bitmap, out: &mut Bytes) {
        out.put(bitmap.as_bytes());
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<Bitmap> {
        bytes.array().map(Bitmap::from_bytes)
    }
}

#[cfg(test)]
super::table_tests!(
    LiveTable,
    any::<u32>(),
    bitmap(),
    "3cc19304",
    "ebd75c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36cb2731d9cefcb4821acb23861\
     4b8a57860fe4e5eefb56e2d1c00b09c59819b6b567e7b33e51668e74f5515c02fc04e545bc486d0da14a\
     401e8f3b684738cf3088b2a2b8083f9e3e2763df6fb01a8db6ed0d1853e82dee068429a52729dccd25b8\
     98c58061c9c13034f28b"
);
