//! The keys of a storage node: BLS12-381 for statements that aggregate, Ed25519 for its identity.
//!
//! Both are read from and shown as one line of text; files and permissions belong to whoever opens
//! them. Account keys (they hold SUI and WAL) are Sui's own and live with the chain client.

use data_encoding::BASE64URL_NOPAD;

mod bls;
mod identity;

pub use bls::{BlsPublicKey, BlsSecretKey, BlsSignature};
pub use identity::{IdentityContext, IdentityPublicKey, IdentitySecretKey, IdentitySignature};

/// Bytes or text that are not the key or signature they claim to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not an encoding of the right number of bytes.
    #[error("{what} is written as {expected} characters of {alphabet}")]
    Text {
        /// Which key.
        what: &'static str,
        /// How many characters it has.
        expected: usize,
        /// Of which alphabet.
        alphabet: &'static str,
    },
    /// The bytes are not a valid point of the group, or the identity element.
    #[error("{what} is not a valid point of its group")]
    Point {
        /// Which key or signature.
        what: &'static str,
    },
    /// The bytes are not a scalar in range.
    #[error("{what} is out of range")]
    Scalar {
        /// Which key.
        what: &'static str,
    },
    /// A signature does not match its message and key.
    #[error("{what} does not verify")]
    Signature {
        /// Which signature.
        what: &'static str,
    },
}

/// Secret keys are one line of base64url without padding.
fn secret_from_line(what: &'static str, line: &str) -> Result<[u8; 32], KeyError> {
    let line = line.trim();
    let expected = 43;
    (line.len() == expected)
        .then(|| {
            BASE64URL_NOPAD
                .decode(line.as_bytes())
                .ok()?
                .try_into()
                .ok()
        })
        .flatten()
        .ok_or(KeyError::Text {
            what,
            expected,
            alphabet: "base64url",
        })
}

/// Public keys and signatures are hexadecimal.
fn from_hex<const N: usize>(what: &'static str, text: &str) -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyError::Text {
        what,
        expected: 2 * N,
        alphabet: "hexadecimal",
    })?;
    Ok(bytes)
}

/// Serializes as raw bytes in BCS (no length) and as hexadecimal where a person reads it.
macro_rules! serde_bytes_of {
    ($name:ident, $len:expr) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeTuple;
                let bytes = self.to_bytes();
                if serializer.is_human_readable() {
                    return serializer.serialize_str(&hex::encode(bytes));
                }
                let mut tuple = serializer.serialize_tuple($len)?;
                for byte in bytes {
                    tuple.serialize_element(&byte)?;
                }
                tuple.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Raw;
                impl<'de> serde::de::Visitor<'de> for Raw {
                    type Value = [u8; $len];

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(f, "{} bytes", $len)
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'de>>(
                        self,
                        mut seq: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut bytes = [0; $len];
                        for (i, byte) in bytes.iter_mut().enumerate() {
                            *byte = seq
                                .next_element()?
                                .ok_or_else(|| serde::de::Error::invalid_length(i, &self))?;
                        }
                        Ok(bytes)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                        crate::keys::from_hex(stringify!($name), text).map_err(E::custom)
                    }
                }
                let bytes = if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Raw)?
                } else {
                    deserializer.deserialize_tuple($len, Raw)?
                };
                Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_bytes_of;
