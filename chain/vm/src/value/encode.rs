//! BCS bytes of a value. Needs no type: the tree carries all there is.

use super::{Items, Value};

/// A value that has no bytes: an empty local or a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an empty or reference value has no bytes")]
pub struct EncodeError;

impl Value {
    /// The BCS bytes of this value.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        self.encode_into(&mut out)?;
        Ok(out)
    }

    fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::U8(number) => out.push(*number),
            Self::U16(number) => out.extend(number.to_le_bytes()),
            Self::U32(number) => out.extend(number.to_le_bytes()),
            Self::U64(number) => out.extend(number.to_le_bytes()),
            Self::U128(number) => out.extend(number.get().to_le_bytes()),
            Self::U256(number) => out.extend(number.to_le_bytes::<32>()),
            Self::Address(address) => out.extend(address.as_bytes()),
            Self::Bytes(bytes) => {
                uleb(bytes.len(), out);
                out.extend(bytes);
            }
            Self::Vector(items) => {
                uleb(items.len(), out);
                parts(items, out)?;
            }
            Self::Struct(items) => parts(items, out)?,
            Self::Variant(tag, items) => {
                uleb(usize::from(*tag), out);
                parts(items, out)?;
            }
            Self::Empty | Self::Reference(_) => return Err(EncodeError),
        }
        Ok(())
    }
}

fn parts(items: &Items, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    items.iter().try_for_each(|item| item.encode_into(out))
}

fn uleb(mut number: usize, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits fit a byte");
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}
