//! Giving a compiled module its addresses. Compilers write zero for the package itself and
//! placeholders for unpublished siblings; publishing decides.

use sui_sdk_types::Address;

use super::{
    ParseError,
    tables::{Kind, Tables},
};

/// Replaces the address `from` by `to` wherever a module names it, and says whether it does.
pub fn relocate(module: &mut [u8], from: &Address, to: &Address) -> Result<bool, ParseError> {
    let Some((start, length)) = Tables::read(module)?
        .section(Kind::Addresses)
        .map(|(start, bytes)| (start, bytes.len()))
    else {
        return Ok(false);
    };
    let table = module
        .get_mut(start..start + length)
        .expect("the section was cut from these bytes");
    let mut found = false;
    for entry in table.chunks_exact_mut(Address::LENGTH) {
        if entry == from.as_bytes() {
            entry.copy_from_slice(to.as_bytes());
            found = true;
        }
    }
    Ok(found)
}
