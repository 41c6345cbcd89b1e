//! Values from BCS bytes. Total: every length is checked against the bytes that are left before
//! memory is taken, and every part takes at least one byte.

use std::sync::Arc;

use ruint::aliases::U256;
use sui_sdk_types::Address;

use super::{DepthExceeded, Value};
use crate::types::Type;

/// Why bytes are not a value of the type asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end early.
    #[error("{needed} bytes needed, {remaining} left")]
    UnexpectedEnd {
        /// Bytes the next part needs at least.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// Bytes after the value.
    #[error("{0} bytes after the value")]
    TrailingBytes(usize),
    /// A byte that is no boolean.
    #[error("{0} is no boolean")]
    Bool(u8),
    /// A length that is not canonical ULEB128 of at most 32 bits.
    #[error("a length is not canonical")]
    Length,
    /// A tag beyond the enum's variants.
    #[error("variant {tag} of {variants}")]
    Variant {
        /// The tag found.
        tag: usize,
        /// How many variants there are.
        variants: usize,
    },
    /// A string that is not UTF-8 or not ASCII, or an option of more than one element.
    #[error("not a valid {0}")]
    Invalid(&'static str),
    /// References and signers have no bytes.
    #[error("a reference, signer or type parameter has no bytes")]
    NoBytes,
    /// Nested too deep.
    #[error(transparent)]
    Depth(#[from] DepthExceeded),
}

/// How a struct or enum is built, with closed types.
pub(crate) enum Shape {
    Struct(Vec<Type>),
    Enum(Vec<Vec<Type>>),
}

/// Who knows the definitions of structs and enums.
pub(crate) trait DecodeType {
    type Error: From<DecodeError>;

    /// The shape of a struct or enum. Called once per occurrence: the place to charge for it.
    fn shape(&mut self, datatype: &Type) -> Result<Arc<Shape>, Self::Error>;
}

/// Reads one value of type `kind`, leaving the cursor after it.
pub(crate) fn decode<D: DecodeType>(
    definitions: &mut D,
    kind: &Type,
    bytes: &mut Bytes<'_>,
    depth: u8,
) -> Result<Value, D::Error> {
    if depth > super::MAX_VALUE_DEPTH {
        return Err(DecodeError::from(DepthExceeded).into());
    }
    Ok(match kind {
        Type::Bool => match bytes.array()? {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            [other] => return Err(DecodeError::Bool(other).into()),
        },
        Type::U8 => Value::U8(u8::from_le_bytes(bytes.array()?)),
        Type::U16 => Value::U16(u16::from_le_bytes(bytes.array()?)),
        Type::U32 => Value::U32(u32::from_le_bytes(bytes.array()?)),
        Type::U64 => Value::U64(u64::from_le_bytes(bytes.array()?)),
        Type::U128 => Value::from(u128::from_le_bytes(bytes.array()?)),
        Type::U256 => Value::U256(U256::from_le_bytes(bytes.array::<32>()?)),
        Type::Address => Value::Address(Address::new(bytes.array()?)),
        Type::Vector(element) if **element == Type::U8 => {
            let length = bytes.length()?;
            Value::Bytes(bytes.take(length)?.to_vec())
        }
        Type::Vector(element) => {
            let length = bytes.length()?;
            let mut elements = Vec::with_capacity(length.min(1024));
            for _ in 0..length {
                elements.push(decode(definitions, element, bytes, depth + 1)?);
            }
            Value::vector(elements).map_err(DecodeError::from)?
        }
        Type::Datatype(_) => {
            let value = match &*definitions.shape(kind)? {
                Shape::Struct(fields) => {
                    Value::structure(parts(definitions, fields, bytes, depth)?)
                        .map_err(DecodeError::from)?
                }
                Shape::Enum(variants) => {
                    let tag = bytes.uleb()?;
                    let fields = variants.get(tag).ok_or(DecodeError::Variant {
                        tag,
                        variants: variants.len(),
                    })?;
                    let parts = parts(definitions, fields, bytes, depth)?;
                    let tag = u16::try_from(tag).map_err(|_| DecodeError::Length)?;
                    Value::Variant(tag, super::Items::new(parts).map_err(DecodeError::from)?)
                }
            };
            check_well_known(kind, &value)?;
            value
        }
        Type::Reference(_) | Type::MutableReference(_) | Type::Signer | Type::Parameter(_) => {
            return Err(DecodeError::NoBytes.into());
        }
    })
}

fn parts<D: DecodeType>(
    definitions: &mut D,
    types: &[Type],
    bytes: &mut Bytes<'_>,
    depth: u8,
) -> Result<Vec<Value>, D::Error> {
    types
        .iter()
        .map(|kind| decode(definitions, kind, bytes, depth + 1))
        .collect()
}

/// The invariants that the standard library's own constructors keep.
fn check_well_known(kind: &Type, value: &Value) -> Result<(), DecodeError> {
    let Value::Struct(fields) = value else {
        return Ok(());
    };
    let of = |module, name| kind.is(Address::from_static("0x1"), module, name);
    match &**fields {
        [Value::Bytes(bytes)] if of("string", "String") && std::str::from_utf8(bytes).is_err() => {
            Err(DecodeError::Invalid("UTF-8 string"))
        }
        [Value::Bytes(bytes)] if of("ascii", "String") && !bytes.is_ascii() => {
            Err(DecodeError::Invalid("ASCII string"))
        }
        [Value::Bytes(bytes)] if of("option", "Option") && bytes.len() > 1 => {
            Err(DecodeError::Invalid("option"))
        }
        [Value::Vector(items)] if of("option", "Option") && items.len() > 1 => {
            Err(DecodeError::Invalid("option"))
        }
        _ => Ok(()),
    }
}

/// A cursor over BCS bytes.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes(self.0.len()))
        }
    }

    fn take(&mut self, needed: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .0
            .split_at_checked(needed)
            .ok_or(DecodeError::UnexpectedEnd {
                needed,
                remaining: self.0.len(),
            })?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A count of parts, each of which takes at least one byte.
    fn length(&mut self) -> Result<usize, DecodeError> {
        let needed = self.uleb()?;
        if needed > self.0.len() {
            return Err(DecodeError::UnexpectedEnd {
                needed,
                remaining: self.0.len(),
            });
        }
        Ok(needed)
    }

    fn uleb(&mut self) -> Result<usize, DecodeError> {
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                if (byte == 0 && shift > 0) || number > u64::from(u32::MAX) {
                    break;
                }
                return usize::try_from(number).map_err(|_| DecodeError::Length);
            }
        }
        Err(DecodeError::Length)
    }
}
