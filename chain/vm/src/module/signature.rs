//! Types as a module's tables spell them.

use super::{DatatypeHandleIndex, ParseError, reader::Reader};
use crate::types::Type;

/// Deepest nesting of a type in a module.
pub const MAX_SIGNATURE_DEPTH: usize = 128;

/// Longest list of types in a module's signature pool.
const MAX_SIGNATURE_LENGTH: u32 = 255;

/// A type in terms of its module's own tables.
///
/// # Layout
///
/// ```text
/// token = %x01 ; bool        / %x02 ; u8    / %x0d ; u16 / %x0e ; u32 / %x03 ; u64
///       / %x04 ; u128        / %x0f ; u256  / %x05 ; address / %x0c ; signer
///       / %x06 token         ; &T
///       / %x07 token         ; &mut T
///       / %x0a token         ; vector<T>
///       / %x08 uleb          ; datatype handle
///       / %x0b uleb uleb *token ; datatype handle, count and type arguments
///       / %x09 uleb          ; type parameter
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureToken {
    /// `bool`
    Bool,
    /// `u8`
    U8,
    /// `u16`
    U16,
    /// `u32`
    U32,
    /// `u64`
    U64,
    /// `u128`
    U128,
    /// `u256`
    U256,
    /// `address`
    Address,
    /// `signer`
    Signer,
    /// `vector<T>`
    Vector(Box<SignatureToken>),
    /// `&T`
    Reference(Box<SignatureToken>),
    /// `&mut T`
    MutableReference(Box<SignatureToken>),
    /// A struct or enum with its type arguments.
    Datatype(DatatypeHandleIndex, Vec<SignatureToken>),
    /// A type parameter by position.
    Parameter(u16),
}

impl SignatureToken {
    /// The type, if it is made of no others.
    pub(crate) fn primitive(&self) -> Option<Type> {
        Some(match self {
            Self::Bool => Type::Bool,
            Self::U8 => Type::U8,
            Self::U16 => Type::U16,
            Self::U32 => Type::U32,
            Self::U64 => Type::U64,
            Self::U128 => Type::U128,
            Self::U256 => Type::U256,
            Self::Address => Type::Address,
            Self::Signer => Type::Signer,
            Self::Parameter(index) => Type::Parameter(*index),
            Self::Vector(_)
            | Self::Reference(_)
            | Self::MutableReference(_)
            | Self::Datatype(..) => return None,
        })
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Self::read_at(reader, 0)
    }

    /// A length-prefixed list of types.
    pub(super) fn read_list(reader: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        let count = reader.count(MAX_SIGNATURE_LENGTH)?;
        (0..count).map(|_| Self::read(reader)).collect()
    }

    fn read_at(reader: &mut Reader<'_>, depth: usize) -> Result<Self, ParseError> {
        if depth >= MAX_SIGNATURE_DEPTH {
            return Err(ParseError::TypeDepth {
                maximum: MAX_SIGNATURE_DEPTH,
            });
        }
        let offset = reader.offset();
        let inner = |reader: &mut Reader<'_>| Self::read_at(reader, depth + 1).map(Box::new);
        Ok(match reader.u8()? {
            0x01 => Self::Bool,
            0x02 => Self::U8,
            0x03 => Self::U64,
            0x04 => Self::U128,
            0x05 => Self::Address,
            0x06 => Self::Reference(inner(reader)?),
            0x07 => Self::MutableReference(inner(reader)?),
            0x08 => Self::Datatype(DatatypeHandleIndex(reader.index()?), Vec::new()),
            0x09 => Self::Parameter(reader.index()?),
            0x0a => Self::Vector(inner(reader)?),
            0x0b => {
                let handle = DatatypeHandleIndex(reader.index()?);
                let count = reader.count(MAX_SIGNATURE_LENGTH)?;
                let arguments = (0..count)
                    .map(|_| Self::read_at(reader, depth + 1))
                    .collect::<Result<_, _>>()?;
                Self::Datatype(handle, arguments)
            }
            0x0c => Self::Signer,
            0x0d => Self::U16,
            0x0e => Self::U32,
            0x0f => Self::U256,
            byte => {
                return Err(ParseError::Unknown {
                    what: "type",
                    byte,
                    offset,
                });
            }
        })
    }

    /// Calls `visit` on this token and all inside it.
    pub(super) fn try_for_each<E>(
        &self,
        visit: &mut impl FnMut(&Self) -> Result<(), E>,
    ) -> Result<(), E> {
        visit(self)?;
        match self {
            Self::Vector(inner) | Self::Reference(inner) | Self::MutableReference(inner) => {
                inner.try_for_each(visit)
            }
            Self::Datatype(_, arguments) => arguments
                .iter()
                .try_for_each(|argument| argument.try_for_each(visit)),
            _ => Ok(()),
        }
    }
}
