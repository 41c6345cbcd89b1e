//! `std::type_name`, `std::debug` and `sui::types`.

use sui_sdk_types::{Address, TypeTag};

use super::{Call, Outcome, Table, abort, returns};
use crate::{failure::FailureKind, types::Type, value::Value};

pub(super) const STANDARD: Table = &[
    // As on a real network, nobody listens.
    ("debug", "print", |_| Ok(None)),
    ("type_name", "with_defining_ids", |call| {
        name(&call.type_argument(0)?.tag()?)
    }),
    ("type_name", "with_original_ids", |call| {
        name(&call.type_argument(0)?.original_tag()?)
    }),
    // The names these had before the two forms were told apart.
    ("type_name", "get", |call| {
        name(&call.type_argument(0)?.tag()?)
    }),
    ("type_name", "get_with_original_ids", |call| {
        name(&call.type_argument(0)?.original_tag()?)
    }),
    ("type_name", "defining_id", |call| {
        package(call, |name| name.defining)
    }),
    ("type_name", "original_id", |call| {
        package(call, |name| name.original)
    }),
];

pub(super) const TABLE: Table = &[("types", "is_one_time_witness", is_one_time_witness)];

const E_NON_MODULE_TYPE: u64 = 0;

/// A `TypeName { name: String { bytes } }`.
fn name(tag: &TypeTag) -> Outcome {
    let mut text = String::new();
    spell(tag, &mut text);
    let string = Value::structure(vec![Value::Bytes(text.into_bytes())])?;
    Ok(Some(Value::structure(vec![string])?))
}

/// The canonical spelling: addresses in 64 hexadecimal digits without prefix, no spaces.
fn spell(tag: &TypeTag, out: &mut String) {
    match tag {
        TypeTag::Vector(inner) => {
            out.push_str("vector<");
            spell(inner, out);
            out.push('>');
        }
        TypeTag::Struct(tag) => {
            for byte in tag.address().as_bytes() {
                for digit in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(digit.into(), 16).expect("a nibble is a digit"));
                }
            }
            for part in [tag.module(), tag.name()] {
                out.push_str("::");
                out.push_str(part.as_str());
            }
            for (index, argument) in tag.type_params().iter().enumerate() {
                out.push(if index == 0 { '<' } else { ',' });
                spell(argument, out);
            }
            if !tag.type_params().is_empty() {
                out.push('>');
            }
        }
        primitive => out.push_str(&primitive.to_string()),
    }
}

fn package(call: &Call<'_, '_>, of: fn(&crate::types::DatatypeName) -> Address) -> Outcome {
    match call.type_argument(0)? {
        Type::Datatype(instance) => returns(of(instance.name())),
        _ => abort(E_NON_MODULE_TYPE),
    }
}

/// A one-time witness is named like its module in capitals, has no type parameters and one field,
/// a `bool`. That it has `drop` only and is never packed is for whoever publishes to check.
fn is_one_time_witness(call: &mut Call<'_, '_>) -> Outcome {
    let kind = call.type_argument(0)?.clone();
    let Type::Datatype(instance) = &kind else {
        return Err(FailureKind::IllTyped("a witness of a primitive type"));
    };
    let name = instance.name();
    let capitals = name.module.as_str().to_ascii_uppercase();
    if name.name.as_str() != capitals || !instance.arguments().is_empty() {
        return returns(false);
    }
    let shape = call.machine.linker.shape(&kind)?;
    returns(matches!(
        &*shape,
        crate::value::Shape::Struct(fields) if matches!(fields.as_slice(), [Type::Bool])
    ))
}
