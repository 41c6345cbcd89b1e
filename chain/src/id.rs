//! 32-byte names on the chain: objects, nodes, accounts, the chain itself.
//!
//! Nothing here knows what an object contains or whether it exists.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that is not a 32-byte identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseIdError {
    /// What was given, cut to 80 characters.
    pub text: String,
    /// What would have been right.
    pub expected: &'static str,
}

impl ParseIdError {
    fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.chars().take(80).collect(),
            expected,
        }
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.is_empty() || digits.len() > 64 {
        return None;
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(format!("{digits:0>64}"), &mut bytes).ok()?;
    Some(bytes)
}

fn from_base58(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // 32 bytes never need more than 44 characters: longer text is refused before any work.
    (text.len() <= 44 && bs58::decode(text).onto(&mut bytes).ok()? == 32).then_some(bytes)
}

fn hex_text(bytes: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn base58_text(bytes: &[u8; 32]) -> String {
    bs58::encode(bytes).into_string()
}

/// Serializes as 32 raw bytes in BCS and as text where a person reads it.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $parse:path, $show:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Length on the wire.
            pub const LEN: usize = 32;

            /// Wraps the raw bytes; every value is well formed.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The raw bytes, as signed and stored.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&$show(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                $parse(text).map(Self).ok_or_else(|| ParseIdError::new(text, $expected))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 32]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

id!(
    /// An object on the chain, shown as `0x` and 64 hexadecimal digits.
    ObjectId,
    "an object id (0x and up to 64 hexadecimal digits)",
    from_hex,
    hex_text
);
id!(
    /// A storage node: the id of its `Pool` object. Committee order is ascending `NodeId`.
    NodeId,
    "a node id (0x and up to 64 hexadecimal digits)",
    from_hex,
    hex_text
);
id!(
    /// The `System` object: one deployment of the packages.
    SystemId,
    "a system object id (0x and up to 64 hexadecimal digits)",
    from_hex,
    hex_text
);
id!(
    /// An account that sends transactions and owns objects.
    Address,
    "an address (0x and up to 64 hexadecimal digits)",
    from_hex,
    hex_text
);
id!(
    /// A chain: the digest of its genesis checkpoint, shown in base58 as Sui's tools do.
    ChainId,
    "a chain id (base58 of 32 bytes)",
    from_base58,
    base58_text
);

id!(
    /// A transaction: the digest of its contents, shown in base58 as Sui's tools do.
    TransactionDigest,
    "a transaction digest (base58 of 32 bytes)",
    from_base58,
    base58_text
);

impl From<NodeId> for ObjectId {
    fn from(node: NodeId) -> Self {
        Self(node.0)
    }
}

impl From<SystemId> for ObjectId {
    fn from(system: SystemId) -> Self {
        Self(system.0)
    }
}

/// One deployment on one chain. Everything signed names it, so nothing replays elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NetworkId {
    /// The chain the deployment lives on.
    pub chain: ChainId,
    /// Its `System` object there.
    pub system: SystemId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_short_hex_is_left_padded() {
        let id = ObjectId::from_bytes([0xab; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        let clock: ObjectId = "0x6".parse().unwrap();
        assert_eq!(clock.as_bytes()[31], 6);
        let chain = ChainId::from_bytes([7; 32]);
        assert_eq!(chain.to_string().parse(), Ok(chain));
    }

    #[test]
    fn wrong_text_is_named() {
        for text in ["", "0x", "0xzz", &"1".repeat(65), &"é".repeat(32)] {
            assert!(text.parse::<NodeId>().is_err(), "{text}");
        }
        for text in ["", "0OIl", &"1".repeat(45), "abc"] {
            assert!(text.parse::<ChainId>().is_err(), "{text}");
        }
    }

    #[test]
    fn bcs_is_32_raw_bytes() {
        assert_eq!(
            bcs::to_bytes(&Address::from_bytes([3; 32])).unwrap(),
            [3; 32]
        );
    }
}
