//! The encodings a blob can have. Codes are permanent: a changed byte anywhere is a new encoding.

use serde::{Deserialize, Serialize};

use crate::ShardCount;

/// How a blob is coded: the field, the code and the canonical segment size.
///
/// # Layout
/// One byte: 1 `RedStuff8`, 2 `RedStuff16`. It is part of the blob id; codes are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Encoding {
    /// GF(2^8) systematic matrix code, 4 to 64 shards; the bytes of `reed-solomon-erasure`.
    RedStuff8,
    /// GF(2^16) FFT code, 65 to 1024 shards; the bytes of `reed-solomon-simd`, one symbol a shard.
    RedStuff16,
}

/// A code byte no encoding has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown encoding code {0}; known are 1 (RedStuff8) and 2 (RedStuff16)")]
pub struct UnknownEncoding(pub u8);

impl Encoding {
    /// The largest shard count of `RedStuff8`, by which the two encodings divide the range.
    pub const RED_STUFF_8_MAX: u16 = 64;

    /// The encoding of blobs written to a committee of `shards`.
    #[must_use]
    pub const fn for_shards(shards: ShardCount) -> Self {
        if shards.get() <= Self::RED_STUFF_8_MAX {
            Self::RedStuff8
        } else {
            Self::RedStuff16
        }
    }

    /// The permanent code of this encoding.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::RedStuff8 => 1,
            Self::RedStuff16 => 2,
        }
    }

    /// The encoding with this code.
    pub const fn from_code(code: u8) -> Result<Self, UnknownEncoding> {
        match code {
            1 => Ok(Self::RedStuff8),
            2 => Ok(Self::RedStuff16),
            _ => Err(UnknownEncoding(code)),
        }
    }
}

impl TryFrom<u8> for Encoding {
    type Error = UnknownEncoding;
    fn try_from(code: u8) -> Result<Self, UnknownEncoding> {
        Self::from_code(code)
    }
}

impl From<Encoding> for u8 {
    fn from(encoding: Encoding) -> u8 {
        encoding.code()
    }
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RedStuff8 => "RedStuff8",
            Self::RedStuff16 => "RedStuff16",
        })
    }
}
