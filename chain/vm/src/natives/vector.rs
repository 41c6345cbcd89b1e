//! `std::vector`. Compilers emit instructions instead of these; only transactions call them.

use super::{ARGUMENT, Call, Outcome, Table, abort, returns};
use crate::{types::Type, value::Value};

pub(super) const TABLE: Table = &[
    ("vector", "empty", empty),
    ("vector", "length", length),
    ("vector", "destroy_empty", destroy_empty),
];

/// The abort code of vector operations out of bounds.
const E_NOT_EMPTY: u64 = 3;

fn empty(call: &mut Call<'_, '_>) -> Outcome {
    Ok(Some(match call.type_argument(0)? {
        Type::U8 => Value::Bytes(Vec::new()),
        _ => Value::vector(Vec::new())?,
    }))
}

fn length(call: &mut Call<'_, '_>) -> Outcome {
    let vector = call.reference()?;
    let length = match call.machine.memory.value(&vector)? {
        Value::Bytes(bytes) => bytes.len(),
        Value::Vector(items) => items.len(),
        _ => return Err(ARGUMENT),
    };
    returns(u64::try_from(length).map_err(|_| ARGUMENT)?)
}

fn destroy_empty(call: &mut Call<'_, '_>) -> Outcome {
    match call.value()? {
        Value::Bytes(bytes) if bytes.is_empty() => Ok(None),
        Value::Vector(items) if items.is_empty() => Ok(None),
        Value::Bytes(_) | Value::Vector(_) => abort(E_NOT_EMPTY),
        _ => Err(ARGUMENT),
    }
}
