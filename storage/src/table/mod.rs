//! The tables of the index: one file each, with key layout, value layout and codec.
//!
//! Owns how rows become bytes and how damage in them is told. A value carries a checksum of its
//! own over table, key and value, because the database checks its pages only when it repairs.
//! Decides nothing about what rows mean.

pub(crate) mod blob;
pub(crate) mod boundary;
pub(crate) mod digest;
pub(crate) mod expiry;
pub(crate) mod garbage;
pub(crate) mod held;
pub(crate) mod inconsistency;
pub(crate) mod inventory;
pub(crate) mod ledger;
pub(crate) mod live;
pub(crate) mod metadata;
pub(crate) mod numbering;
pub(crate) mod recovery;
pub(crate) mod registration;
pub(crate) mod sequence;
pub(crate) mod shard;
pub(crate) mod sliver;
pub(crate) mod sync;
pub(crate) mod volume;
pub(crate) mod watermark;

mod rows;
mod wire;

pub use rows::IndexError;
pub(crate) use rows::{Page, ReadRows, Rows, WriteRows};
pub(crate) use wire::{Bytes, Take};

/// A persisted table.
///
/// # Layout
/// `key -> value | checksum 8`, the checksum being the first 8 bytes of BLAKE3 keyed with
/// derive_key(`floe/table/1`) over name length u8, name, key length u16 LE, key, value.
pub(crate) trait Table {
    /// The name in the database. Never reuse one.
    const NAME: &'static str;
    /// What a row is found by.
    type Key;
    /// What a row says.
    type Value;

    /// Big-endian, so that rows lie in the order of the key's parts.
    fn encode_key(key: &Self::Key, out: &mut Bytes);
    /// `None` if the bytes are no key.
    fn decode_key(bytes: &mut Take<'_>) -> Option<Self::Key>;
    /// Little-endian.
    fn encode_value(value: &Self::Value, out: &mut Bytes);
    /// `None` if the bytes are no value.
    fn decode_value(bytes: &mut Take<'_>) -> Option<Self::Value>;
}

#[cfg(test)]
mod testing;
#[cfg(test)]
use testing::table_tests;
