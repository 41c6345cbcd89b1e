//! What the tests of every table share: strategies for the parts of rows, and the assertions.

use floe_chain::{epoch::Epoch, event::EventCursor, id::ObjectId};
use floe_codec::{Axis, BlobId, SegmentIndex, ShardIndex};
use proptest::prelude::*;

use super::{
    Bytes, Table, Take,
    rows::{decode_value, encode_row},
};
use crate::{
    inventory::{Bitmap, BlobSeq},
    key::SliverKey,
};

pub(crate) fn blob() -> impl Strategy<Value = BlobId> {
    any::<[u8; 32]>().prop_map(BlobId::from_bytes)
}

pub(crate) fn object() -> impl Strategy<Value = ObjectId> {
    any::<[u8; 32]>().prop_map(ObjectId::from_bytes)
}

pub(crate) fn shard() -> impl Strategy<Value = ShardIndex> {
    any::<u16>().prop_map(ShardIndex)
}

pub(crate) fn axis() -> impl Strategy<Value = Axis> {
    prop::sample::select(Axis::BOTH.to_vec())
}

pub(crate) fn epoch() -> impl Strategy<Value = Epoch> {
    any::<u32>().prop_map(Epoch::new)
}

pub(crate) fn seq() -> impl Strategy<Value = BlobSeq> {
    any::<u64>().prop_map(BlobSeq)
}

pub(crate) fn cursor() -> impl Strategy<Value = EventCursor> {
    any::<(u64, u32, u32)>().prop_map(|(checkpoint, transaction, event)| EventCursor {
        checkpoint,
        transaction,
        event,
    })
}

pub(crate) fn bitmap() -> impl Strategy<Value = Bitmap> {
    prop::array::uniform32(any::<[u8; 4]>()).prop_map(|parts| {
        let mut bytes = [0; 128];
        bytes.copy_from_slice(parts.as_flattened());
        Bitmap::from_bytes(bytes)
    })
}

pub(crate) fn sliver_key() -> impl Strategy<Value = SliverKey> {
    (blob(), any::<u32>(), shard(), axis()).prop_map(|(blob, segment, shard, axis)| SliverKey {
        blob,
        segment: SegmentIndex(segment),
        shard,
        axis,
    })
}

/// Rows come back as they went in, and keys sort as their bytes do.
pub(crate) fn assert_round_trip<T: Table>(a: &T::Key, b: &T::Key, value: &T::Value)
where
    T::Key: PartialEq + Ord + std::fmt::Debug,
    T::Value: PartialEq + std::fmt::Debug,
{
    let bytes_of = |key| {
        let mut bytes = Bytes::default();
        T::encode_key(key, &mut bytes);
        bytes.0
    };
    assert_eq!(Take::whole(&bytes_of(a), T::decode_key).as_ref(), Some(a));
    assert_eq!(bytes_of(a).cmp(&bytes_of(b)), a.cmp(b));
    let mut bytes = Bytes::default();
    T::encode_value(value, &mut bytes);
    let decoded = Take::whole(&bytes.0, T::decode_value);
    assert_eq!(decoded.as_ref(), Some(value));
}

/// Asserts that rows written by the first release are still read, and would be written alike.
pub(crate) fn assert_golden<T: Table>(key: &str, stored: &str) {
    let bytes_of = |hex: &str| -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let pairs = digits
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap());
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect()
    };
    let (key, stored) = (bytes_of(key), bytes_of(stored));
    let row_key = Take::whole(&key, T::decode_key).expect("the key is read");
    let value = decode_value::<T>(&key, &stored).expect("the value is read");
    assert_eq!(encode_row::<T>(&row_key, &value), (key, stored));
}

/// The tests of a table: strategies for its keys and values, and a row as it is stored.
macro_rules! table_tests {
    ($table:ty, $key:expr, $value:expr, $golden_key:literal, $golden_value:literal) => {
        #[cfg(test)]
        mod tests {
            use proptest::prelude::*;

            use super::*;
            use crate::table::testing::*;

            fn rows() -> impl Strategy<
                Value = (
                    <$table as Table>::Key,
                    <$table as Table>::Key,
                    <$table as Table>::Value,
                ),
            > {
                ($key, $key, $value)
            }

            proptest! {
                #[test]
                fn decoding_is_total(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
                    let _ = Take::whole(&bytes, <$table>::decode_key);
                    let _ = Take::whole(&bytes, <$table>::decode_value);
                }

                #[test]
                fn rows_round_trip_in_key_order((a, b, value) in rows()) {
                    assert_round_trip::<$table>(&a, &b, &value);
                }
            }

            #[test]
            fn the_layout_never_changes() {
                assert_golden::<$table>($golden_key, $golden_value);
            }
        }
    };
}
pub(crate) use table_tests;
