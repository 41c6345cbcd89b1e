//! Move values as plain trees. References are paths from a root, so a tree never shares or cycles,
//! and a reference that outlived its target fails to resolve instead of dangling.

mod decode;
mod encode;
mod items;
mod reference;

use ruint::aliases::U256;
use sui_sdk_types::Address;

pub use decode::DecodeError;
pub(crate) use decode::{Bytes, DecodeType, Shape, decode};
pub use encode::EncodeError;
pub use items::{DepthExceeded, Items};
pub use reference::Reference;
pub(crate) use reference::{Place, PlaceMut, Root, descend, descend_mut};

/// Deepest nesting of a value, as on Sui.
pub const MAX_VALUE_DEPTH: u8 = 128;

/// One Move value.
///
/// `vector<u8>` is always [`Value::Bytes`], every other vector [`Value::Vector`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An empty local: moved out or not yet stored to.
    Empty,
    /// `bool`
    Bool(bool),
    /// `u8`
    U8(u8),
    /// `u16`
    U16(u16),
    /// `u32`
    U32(u32),
    /// `u64`
    U64(u64),
    /// `u128`
    U128(Packed128),
    /// `u256`
    U256(U256),
    /// `address`
    Address(Address),
    /// `vector<u8>`
    Bytes(Vec<u8>),
    /// A vector of anything but `u8`.
    Vector(Items),
    /// The fields of a struct in declaration order.
    Struct(Items),
    /// A variant's tag and its fields in declaration order.
    Variant(u16, Items),
    /// A reference, mutable or not.
    Reference(Reference),
}

/// A `u128` at the alignment of a `u64`, which keeps [`Value`] at 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed(8))]
pub struct Packed128(u128);

impl Packed128 {
    /// The number.
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl From<u128> for Value {
    fn from(number: u128) -> Self {
        Self::U128(Packed128(number))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::U64(number)
    }
}

impl From<Address> for Value {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl Value {
    /// A struct of these fields.
    pub fn structure(fields: Vec<Self>) -> Result<Self, DepthExceeded> {
        Items::new(fields).map(Self::Struct)
    }

    /// A vector of these elements, whose type is not `u8`.
    pub fn vector(elements: Vec<Self>) -> Result<Self, DepthExceeded> {
        Items::new(elements).map(Self::Vector)
    }

    /// Nesting: zero for a value without parts.
    pub fn depth(&self) -> u8 {
        match self {
            Self::Vector(items) | Self::Struct(items) | Self::Variant(_, items) => items.depth(),
            Self::Bytes(_) => 1,
            _ => 0,
        }
    }

    /// Memory this value holds, in units of one leaf (32 bytes of a byte vector are one).
    pub fn weight(&self) -> u64 {
        match self {
            Self::Vector(items) | Self::Struct(items) | Self::Variant(_, items) => items
                .iter()
                .fold(1, |sum, item| sum.saturating_add(item.weight())),
            Self::Bytes(bytes) => bytes_weight(bytes.len()),
            _ => 1,
        }
    }
}

/// Weight of a byte vector of this length.
pub(crate) fn bytes_weight(length: usize) -> u64 {
    1 + u64::try_from(length / 32).unwrap_or(u64::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_forty_bytes() {
        assert_eq!(size_of::<Value>(), 40);
    }
}
