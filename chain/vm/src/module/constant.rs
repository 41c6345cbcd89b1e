//! The constant pool: values of primitive and vector types.

use super::{DatatypeHandle, ParseError, SignatureToken, definitions::check_token, reader::Reader};
use crate::{
    types::Type,
    value::{Bytes, DecodeError, DecodeType, Shape, Value, decode},
};
use std::sync::Arc;

/// Most bytes of one constant.
const MAX_CONSTANT: u32 = 65_535;

/// # Layout
///
/// `token length *byte`: the type, then the BCS bytes of the value with their length.
pub(super) fn read(
    reader: &mut Reader<'_>,
    handles: &[DatatypeHandle],
) -> Result<Value, ParseError> {
    let offset = reader.offset();
    let token = SignatureToken::read(reader)?;
    check_token(&token, handles)?;
    let length = reader.count(MAX_CONSTANT)?;
    let bytes = reader.bytes(length)?;
    let inconsistent = |problem| ParseError::Inconsistent {
        what: "constant",
        name: format!("at offset {offset}"),
        problem,
    };
    let kind = constant_type(&token).ok_or_else(|| inconsistent("has no constant type"))?;
    let mut bytes = Bytes::new(bytes);
    let value = decode(&mut NoDatatypes, &kind, &mut bytes, 0)
        .map_err(|_| inconsistent("is no value of its type"))?;
    bytes
        .finish()
        .map_err(|_| inconsistent("is longer than its type"))?;
    Ok(value)
}

fn constant_type(token: &SignatureToken) -> Option<Type> {
    match token {
        SignatureToken::Vector(inner) => Type::vector(constant_type(inner)?).ok(),
        SignatureToken::Signer | SignatureToken::Parameter(_) => None,
        other => other.primitive(),
    }
}

struct NoDatatypes;

impl DecodeType for NoDatatypes {
    type Error = DecodeError;

    fn shape(&mut self, _: &Type) -> Result<Arc<Shape>, DecodeError> {
        Err(DecodeError::NoBytes)
    }
}
