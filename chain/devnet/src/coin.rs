//! Reading coins: their type and balance. Owns the byte layout of `0x2::coin::Coin<T>` and nothing else.

use sui_sdk_types::{Address, MoveStruct, StructTag, TypeTag};

/// Bytes of a coin: id, then balance.
const BYTES: usize = Address::LENGTH + 8;

/// `0x2::coin::Coin<T>` for the currency `T`.
pub(crate) fn coin_type(currency: TypeTag) -> StructTag {
    StructTag::coin(currency)
}

/// Balance of a coin object; `None` if the object is no coin.
pub(crate) fn balance(object: &MoveStruct) -> Option<u64> {
    object.object_type().is_coin()?;
    decode(object.contents()).map(|(_, balance)| balance)
}

/// Id and balance from the bytes of a coin.
///
/// # Layout
///
/// `id 32 | balance u64 LE`
pub(crate) fn decode(contents: &[u8]) -> Option<(Address, u64)> {
    let (id, balance) = contents.split_at_checked(Address::LENGTH)?;
    Some((
        Address::from_bytes(id).ok()?,
        u64::from_le_bytes(balance.try_into().ok()?),
    ))
}

/// The bytes of a coin.
pub(crate) fn encode(id: Address, balance: u64) -> Vec<u8> {
    let mut contents = Vec::with_capacity(BYTES);
    contents.extend(id.as_bytes());
    contents.extend(balance.to_le_bytes());
    contents
}
