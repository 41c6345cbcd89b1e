//! Table `inventory`: which live blobs are held completely, by shard and axis.
//!
//! The page comes first in the key: a certified blob changes one place of the tree, however many
//! shards this machine keeps.

use floe_codec::{Axis, ShardIndex};

use super::{Bytes, Table, Take};
use crate::inventory::Bitmap;

/// One row for each page with a bit set.
///
/// # Layout
/// ```text
/// page u32 BE | shard u16 BE | axis u8  ->  bitmap 128 (least significant bit first)
/// ```
#[derive(Debug)]
pub(crate) struct InventoryTable;

impl Table for InventoryTable {
    const NAME: &'static str = "inventory";
    type Key = (u32, ShardIndex, Axis);
    type Value = Bitmap;

    fn encode_key((page, shard, axis): &Self::Key, out: &mut Bytes) {
        out.u32_be(*page).u16_be(shard.get()).axis(*axis);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<Self::Key> {
        Some((bytes.u32_be()?, bytes.shard()?, bytes.axis()?))
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
    InventoryTable,
    (any::<u32>(), shard(), axis()),
    bitmap(),
    "3cc19304bd9600",
    "1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36cb2731d9cefcb4821acb238614b8a57860fe4\
     e5eefb56e2d1c00b09c59819b6b567e7b33e51668e74f5515c02fc04e545bc486d0da14a401e8f3b6847\
     38cf3088b2a2b8083f9e3e2763df6fb01a8db6ed0d1853e82dee068429a52729dccd25b898c50a4817ac\
     2e2da87fbdfc7a1af3bd"
);
