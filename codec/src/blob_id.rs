//! The blob id: what it commits to, how it is written, and which shard keeps which sliver pair.

use std::{fmt, str::FromStr};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::{BlobLayout, BlobRoot, IndexError, ShardCount, ShardIndex, SliverPairIndex};

/// The name of a blob; it commits to the bytes, their length, the encoding and the shard count.
///
/// Shown as base64url without padding (43 characters); 64 hexadecimal digits are accepted too.
///
/// # Layout
/// SHA-256 of `"floe/blob/1"`, encoding u8, shards u16 LE, length u64 LE, blob root 32 bytes
/// (54 bytes in all). 32 bytes without a length prefix in BCS, a base64url string in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; Self::SIZE]);

/// Text that is not a blob id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a blob id: expected 43 characters of base64url without padding or 64 of hexadecimal, \
     got {length} characters{}",
    if matches!(length, 43 | 64) { ", one of which is mistyped" } else { "" }
)]
pub struct BlobIdParseError {
    /// How many bytes of text were given.
    pub length: usize,
}

impl BlobId {
    /// Bytes of an id.
    pub const SIZE: usize = 32;

    const DOMAIN: &[u8; 11] = b"floe/blob/1";

    /// The id of the blob of this layout with this root.
    #[must_use]
    pub fn derive(layout: &BlobLayout, root: &BlobRoot) -> Self {
        let hash = Sha256::new()
            .chain_update(Self::DOMAIN)
            .chain_update([layout.encoding().code()])
            .chain_update(layout.shards().get().to_le_bytes())
            .chain_update(layout.length().to_le_bytes())
            .chain_update(root.as_bytes());
        Self(hash.finalize().into())
    }

    /// An id from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// The id as a big-endian integer modulo n: how far this blob's sliver pairs are rotated over
    /// the shards.
    #[must_use]
    pub fn rotation(&self, shards: ShardCount) -> u16 {
        let n = u32::from(shards.get());
        let rest = self
            .0
            .iter()
            .fold(0u32, |rest, &byte| (rest * 256 + u32::from(byte)) % n);
        u16::try_from(rest).expect("a remainder modulo n is below n, a u16")
    }

    /// The shard that keeps sliver pair `pair`: (p + rotation) mod n.
    pub fn shard_of(
        &self,
        pair: SliverPairIndex,
        shards: ShardCount,
    ) -> Result<ShardIndex, IndexError> {
        let pair = pair.within(shards)?;
        // n <= 1024, so twice an index fits.
        Ok(ShardIndex(
            (pair.get() + self.rotation(shards)) % shards.get(),
        ))
    }

    /// The sliver pair that `shard` keeps: (shard - rotation) mod n.
    pub fn pair_of(
        &self,
        shard: ShardIndex,
        shards: ShardCount,
    ) -> Result<SliverPairIndex, IndexError> {
        let shard = shard.within(shards)?;
        let n = shards.get();
        Ok(SliverPairIndex(
            (shard.get() + n - self.rotation(shards)) % n,
        ))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

impl FromStr for BlobId {
    type Err = BlobIdParseError;

    fn from_str(text: &str) -> Result<Self, BlobIdParseError> {
        let encoding = if text.len() == 2 * Self::SIZE {
            &HEXLOWER_PERMISSIVE
        } else {
            &BASE64URL_NOPAD
        };
        // Decoding allocates in proportion to the text, so its length is settled first.
        Some(text)
            .filter(|text| matches!(text.len(), 43 | 64))
            .and_then(|text| encoding.decode(text.as_bytes()).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(BlobIdParseError { length: text.len() })
    }
}

impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for BlobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(de::Error::custom)
        } else {
            <[u8; Self::SIZE]>::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_round_trip() {
        let id = BlobId(std::array::from_fn(|i| u8::try_from(i * 7).unwrap()));
        assert_eq!(id.to_string().len(), 43);
        assert_eq!(id.to_string().parse(), Ok(id));
        let hex = HEXLOWER_PERMISSIVE.encode(&id.0);
        assert_eq!(hex.parse(), Ok(id));
        assert_eq!(hex.to_uppercase().parse(), Ok(id));
        assert_eq!(
            serde_json::from_str::<BlobId>(&serde_json::to_string(&id).unwrap()).unwrap(),
            id
        );
        assert_eq!(bcs::to_bytes(&id).unwrap(), id.0);
        for bad in [
            "",
            "a",
            &hex[1..],
            &format!("{id}="),
            &"!".repeat(43),
            &"é".repeat(32),
        ] {
            assert_eq!(
                bad.parse::<BlobId>(),
                Err(BlobIdParseError { length: bad.len() })
            );
        }
        // 43 characters carry 258 bits: a text with the two spare bits set is a second spelling.
        assert!(
            format!("{}B", &id.to_string()[..42])
                .parse::<BlobId>()
                .is_err()
        );
    }

    #[test]
    fn rotation_is_the_big_endian_remainder() {
        let mut bytes = [0; 32];
        bytes[30..].copy_from_slice(&1003u16.to_be_bytes());
        let (id, n) = (BlobId(bytes), ShardCount::new(1000).unwrap());
        assert_eq!(id.rotation(n), 3);
        assert_eq!(id.shard_of(SliverPairIndex(999), n), Ok(ShardIndex(2)));
        // 2^248 mod 10 = 6.
        bytes = [0; 32];
        bytes[0] = 1;
        assert_eq!(BlobId(bytes).rotation(ShardCount::new(10).unwrap()), 6);
    }

    #[test]
    fn shards_and_pairs_convert_both_ways() {
        let n = ShardCount::new(31).unwrap();
        let id = BlobId([0xab; 32]);
        for pair in SliverPairIndex::all(n) {
            assert_eq!(id.pair_of(id.shard_of(pair, n).unwrap(), n), Ok(pair));
        }
        assert!(id.shard_of(SliverPairIndex(31), n).is_err());
        assert!(id.pair_of(ShardIndex(31), n).is_err());
    }
}
