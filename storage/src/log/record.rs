//! One record of the sliver log: its bytes, and how damage in them is told.
//!
//! Pure: no files. A record says by itself what it is, so the index can be rebuilt from volumes.

use std::{io, sync::LazyLock};

use floe_codec::{BlobId, SegmentIndex, ShardIndex};

use crate::key::{SliverKey, axis_code, axis_of};

/// Bytes before the sliver.
pub(crate) const HEADER_SIZE: usize = 80;
/// The longest sliver a record holds: far above every sliver an encoding has (at most 3 MiB).
pub(crate) const MAX_LENGTH: u32 = 1 << 26;

/// What scanning looks for.
pub(super) const MAGIC: [u8; 4] = *b"FLSV";
const VERSION: u16 = 1;

static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| blake3::derive_key("floe/record/1", b""));

/// What a record says before its sliver.
///
/// # Layout
/// All integers little-endian, 80 bytes:
/// ```text
/// magic "FLSV" 4 | version u16 = 1 | axis u8 | zero u8 | shard u16 | zero 2 | segment u32 |
/// length u32 | zero 4 | blob id 32 | sliver checksum 16 | header checksum 8
/// ```
/// Checksums are leading bytes of keyed BLAKE3 (key: derive_key of `floe/record/1`); the header
/// checksum covers the 72 bytes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) key: SliverKey,
    /// Bytes of the sliver.
    pub(crate) length: u32,
    checksum: [u8; 16],
}

/// What is wrong with bytes that should be a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordDamage {
    /// The file is gone, or ends before the record does.
    #[error("the volume ends before the record does")]
    Truncated,
    /// The header is not one, or its checksum differs.
    #[error("the record header is damaged")]
    Header,
    /// A newer program wrote it.
    #[error("the record has format version {0}, this program reads {VERSION}")]
    Version(u16),
    /// A valid record, of another sliver: a misdirected write or a swapped file.
    #[error("the record is that of another sliver")]
    OtherSliver,
    /// The sliver's bytes are not those that were written.
    #[error("the sliver's checksum differs")]
    Sliver,
    /// The disk reports an error where the record lies.
    #[error("the disk cannot read the record")]
    Unreadable,
}

/// Whether the medium itself cannot give back the bytes (EIO): another try does not help, and a copy
/// from elsewhere does. Any other error is this machine's of the moment.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO)
}

fn checksum<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&blake3::keyed_hash(&KEY, bytes).as_bytes()[..N]);
    out
}

impl RecordHeader {
    /// The header of a sliver; `None` if it is longer than [`MAX_LENGTH`].
    pub(crate) fn new(key: SliverKey, sliver: &[u8]) -> Option<Self> {
        let length = u32::try_from(sliver.len()).ok()?;
        (length <= MAX_LENGTH).then(|| Self {
            key,
            length,
            checksum: checksum(sliver),
        })
    }

    /// Bytes of the whole record.
    pub(crate) fn record_size(&self) -> u64 {
        HEADER_SIZE as u64 + u64::from(self.length)
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut out = [0; HEADER_SIZE];
        out[0..4].copy_from_slice(&MAGIC);
        out[4..6].copy_from_slice(&VERSION.to_le_bytes());
        out[6] = axis_code(self.key.axis);
        out[8..10].copy_from_slice(&self.key.shard.get().to_le_bytes());
        out[12..16].copy_from_slice(&self.key.segment.get().to_le_bytes());
        out[16..20].copy_from_slice(&self.length.to_le_bytes());
        out[24..56].copy_from_slice(self.key.blob.as_bytes());
        out[56..72].copy_from_slice(&self.checksum);
        let sum: [u8; 8] = checksum(&out[..72]);
        out[72..].copy_from_slice(&sum);
        out
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_SIZE]) -> Result<Self, RecordDamage> {
        let (covered, sum) = bytes.split_at(72);
        if bytes[0..4] != MAGIC || sum != checksum::<8>(covered) {
            return Err(RecordDamage::Header);
        }
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        if version != VERSION {
            return Err(RecordDamage::Version(version));
        }
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let length = u32_at(16);
        let axis = axis_of(bytes[6]).ok_or(RecordDamage::Header)?;
        if length > MAX_LENGTH {
            return Err(RecordDamage::Header);
        }
        let mut blob = [0; 32];
        blob.copy_from_slice(&bytes[24..56]);
        let mut checksum = [0; 16];
        checksum.copy_from_slice(&bytes[56..72]);
        let key = SliverKey {
            blob: BlobId::from_bytes(blob),
            segment: SegmentIndex(u32_at(12)),
            shard: ShardIndex(u16::from_le_bytes([bytes[8], bytes[9]])),
            axis,
        };
        Ok(Self {
            key,
            length,
            checksum,
        })
    }

    /// Checks the bytes that follow the header.
    pub(crate) fn verify(&self, sliver: &[u8]) -> Result<(), RecordDamage> {
        if cfg!(sabotage = "skip_sliver_hash") {
            return Ok(());
        }
        if sliver.len() as u64 != u64::from(self.length) || checksum::<16>(sliver) != self.checksum
        {
            return Err(RecordDamage::Sliver);
        }
        Ok(())
    }
}

/// Checks that `record` is, whole and undamaged, the record of `key`.
pub(crate) fn verify_record(key: &SliverKey, record: &[u8]) -> Result<(), RecordDamage> {
    let (header, sliver) = record
        .split_first_chunk::<HEADER_SIZE>()
        .ok_or(RecordDamage::Truncated)?;
    let header = RecordHeader::decode(header)?;
    if header.key != *key {
        return Err(RecordDamage::OtherSliver);
    }
    header.verify(sliver)
}

#[cfg(test)]
mod tests {
    use floe_codec::Axis;
    use proptest::prelude::*;

    use super::*;

    fn record(key: SliverKey, sliver: &[u8]) -> Vec<u8> {
        let header = RecordHeader::new(key, sliver).unwrap();
        [&header.encode()[..], sliver].concat()
    }

    const SAMPLE: SliverKey = SliverKey {
        blob: BlobId::from_bytes([0xb1; 32]),
        segment: SegmentIndex(0x0403_0201),
        shard: ShardIndex(0x0605),
        axis: Axis::Secondary,
    };

    #[test]
    fn bytes_never_change() {
        let hash = blake3::hash(&record(SAMPLE, b"a sliver"));
        assert_eq!(
            hash.to_hex().as_str(),
            "40ff8786fc5b2c4708fc615bfc42470d41f9c40fc828007a9b04212350c0e3a8"
        );
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_told(
            sliver in prop::collection::vec(any::<u8>(), 0..200),
            at: prop::sample::Index,
            bit in 0..8,
        ) {
            let mut bytes = record(SAMPLE, &sliver);
            prop_assert_eq!(verify_record(&SAMPLE, &bytes), Ok(()));
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            prop_assert!(verify_record(&SAMPLE, &bytes).is_err());
        }

        #[test]
        fn headers_round_trip(
            blob: [u8; 32],
            segment: u32,
            shard: u16,
            primary: bool,
            sliver in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let key = SliverKey {
                blob: BlobId::from_bytes(blob),
                segment: SegmentIndex(segment),
                shard: ShardIndex(shard),
                axis: if primary { Axis::Primary } else { Axis::Secondary },
            };
            let header = RecordHeader::new(key, &sliver).unwrap();
            prop_assert_eq!(RecordHeader::decode(&header.encode()), Ok(header));
        }

        #[test]
        fn decoding_is_total(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(verify_record(&SAMPLE, &bytes).is_err());
        }
    }
}
