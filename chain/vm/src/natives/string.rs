//! `std::string`. The bytes are valid UTF-8 by the module's own invariant; where they are not, the
//! functions answer rather than fail.

use super::{ARGUMENT, Call, Outcome, Table, returns};
use crate::failure::FailureKind;

pub(super) const TABLE: Table = &[
    ("string", "internal_check_utf8", check_utf8),
    ("string", "internal_is_char_boundary", is_char_boundary),
    ("string", "internal_sub_string", sub_string),
    ("string", "internal_index_of", index_of),
];

fn check_utf8(call: &mut Call<'_, '_>) -> Outcome {
    returns(std::str::from_utf8(&call.bytes()?).is_ok())
}

fn is_char_boundary(call: &mut Call<'_, '_>) -> Outcome {
    let bytes = call.bytes()?;
    let index = call.u64()?;
    // A continuation byte is 0b10xxxxxx; every other byte, and the end, is a boundary.
    let boundary = usize::try_from(index).is_ok_and(|index| {
        index == bytes.len() || bytes.get(index).is_some_and(|byte| byte & 0xc0 != 0x80)
    });
    returns(boundary)
}

fn sub_string(call: &mut Call<'_, '_>) -> Outcome {
    let bytes = call.bytes()?;
    let index = |number: u64| usize::try_from(number).map_err(|_| ARGUMENT);
    let (start, end) = (index(call.u64()?)?, index(call.u64()?)?);
    match bytes.get(start..end) {
        Some(part) => returns(part.to_vec()),
        None => Err(FailureKind::IllTyped("a substring beyond its string")),
    }
}

/// Where `needle` first occurs in `haystack`; its length if nowhere.
fn index_of(call: &mut Call<'_, '_>) -> Outcome {
    let haystack = call.bytes()?;
    let needle = call.bytes()?;
    // The search may look at every byte of the needle from every start.
    let product = haystack.len().saturating_mul(needle.len().max(1));
    call.charge(u64::try_from(product / 16).unwrap_or(u64::MAX))?;
    let found = if needle.is_empty() {
        0
    } else {
        haystack
            .windows(needle.len())
            .position(|window| window == needle)
            .unwrap_or(haystack.len())
    };
    returns(u64::try_from(found).map_err(|_| ARGUMENT)?)
}
