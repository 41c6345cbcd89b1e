//! Everything that follows from (encoding, shard count, blob length): segments and sizes.
//!
//! Sizes are derived here and nowhere else, never taken from a message; whatever carries a size is
//! compared with the derivation before anything is allocated. `docs/protocol.md`, "Segments".

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Axis, Encoding, IndexError, SegmentIndex, ShardCount, SliverIndex};

/// The shape of a blob: its encoding, shard count and length, and what they imply.
///
/// # Layout
/// encoding u8, shards u16, length u64, little-endian in BCS. Deserializing derives and checks the
/// rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Header", into = "Header")]
pub struct BlobLayout {
    encoding: Encoding,
    shards: ShardCount,
    length: u64,
    segments: u32,
}

/// Why no blob has this encoding, shard count and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The encoding is not defined for the shard count.
    #[error("{encoding} is not defined for {shards} shards")]
    Shards {
        /// The encoding given.
        encoding: Encoding,
        /// The shard count given.
        shards: ShardCount,
    },
    /// The blob would have more than [`BlobLayout::MAX_SEGMENTS`] segments.
    #[error(
        "a blob of {length} bytes is too long; with {shards} shards at most {max} are possible"
    )]
    TooLong {
        /// The length given, in bytes.
        length: u64,
        /// The longest possible blob, in bytes.
        max: u64,
        /// The shard count given.
        shards: ShardCount,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    encoding: Encoding,
    shards: ShardCount,
    length: u64,
}

impl TryFrom<Header> for BlobLayout {
    type Error = LayoutError;
    fn try_from(header: Header) -> Result<Self, LayoutError> {
        Self::new(header.encoding, header.shards, header.length)
    }
}

impl From<BlobLayout> for Header {
    fn from(layout: BlobLayout) -> Self {
        Self {
            encoding: layout.encoding,
            shards: layout.shards,
            length: layout.length,
        }
    }
}

impl BlobLayout {
    /// The most segments of a blob; their roots, 32 bytes each, are kept in memory.
    pub const MAX_SEGMENTS: u32 = 1 << 20;

    /// The source bytes a full segment holds at least.
    const SEGMENT_TARGET: usize = 4 << 20;
    /// The smallest symbol of a full segment, in bytes; hashing dominates below it.
    const SYMBOL_FLOOR: usize = 512;
    /// The encoded size counts one copy of the metadata for each of at most this many nodes.
    const METADATA_COPIES: u16 = 128;

    /// The layout of a blob of `length` bytes.
    pub fn new(encoding: Encoding, shards: ShardCount, length: u64) -> Result<Self, LayoutError> {
        if encoding != Encoding::for_shards(shards) {
            return Err(LayoutError::Shards { encoding, shards });
        }
        let capacity = size_u64(segment_capacity(shards));
        let segments = length.div_ceil(capacity).max(1);
        match u32::try_from(segments) {
            Ok(segments) if segments <= Self::MAX_SEGMENTS => Ok(Self {
                encoding,
                shards,
                length,
                segments,
            }),
            _ => {
                let max = capacity * u64::from(Self::MAX_SEGMENTS);
                Err(LayoutError::TooLong {
                    length,
                    max,
                    shards,
                })
            }
        }
    }

    /// The layout of a blob of `length` bytes in the encoding of its shard count.
    pub fn for_shards(shards: ShardCount, length: u64) -> Result<Self, LayoutError> {
        Self::new(Encoding::for_shards(shards), shards, length)
    }

    /// The encoding.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// n.
    #[must_use]
    pub const fn shards(&self) -> ShardCount {
        self.shards
    }

    /// The blob's length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// How many segments there are, at least one.
    #[must_use]
    pub const fn segment_count(&self) -> u32 {
        self.segments
    }

    /// C = k1 k2 S_max, the source bytes of every segment but the last.
    #[must_use]
    pub fn segment_capacity(&self) -> usize {
        segment_capacity(self.shards)
    }

    /// The layout of one segment.
    pub fn segment(&self, index: SegmentIndex) -> Result<SegmentLayout, IndexError> {
        if index.get() >= self.segments {
            return Err(IndexError {
                what: "segment",
                index: index.get().into(),
                count: self.segments.into(),
            });
        }
        Ok(self.segment_unchecked(index))
    }

    /// The layouts of all segments, in order.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = SegmentLayout> + Clone + use<> {
        let layout = *self;
        (0..layout.segments).map(move |index| layout.segment_unchecked(SegmentIndex(index)))
    }

    fn segment_unchecked(&self, index: SegmentIndex) -> SegmentLayout {
        let capacity = self.segment_capacity();
        let offset = u64::from(index.get()) * size_u64(capacity);
        let rest = self.length.saturating_sub(offset);
        let length = usize::try_from(rest).map_or(capacity, |rest| rest.min(capacity));
        let last = index.get() + 1 == self.segments;
        let symbol_size = if last {
            length
                .div_ceil(source_area(self.shards))
                .next_multiple_of(2)
                .max(2)
        } else {
            max_symbol_size(self.shards)
        };
        SegmentLayout {
            encoding: self.encoding,
            shards: self.shards,
            index,
            offset,
            length,
            symbol_size,
        }
    }

    /// The bytes all storage nodes keep together, which is what is paid for:
    /// n (k1 + k2) ((m - 1) S_max + S_last) + 64 n m min(n, 128).
    #[must_use]
    pub fn encoded_size(&self) -> u128 {
        let n = u128::from(self.shards.get());
        let copies = u128::from(self.shards.get().min(Self::METADATA_COPIES));
        let metadata = 64 * n * u128::from(self.segments) * copies;
        let pairs: u128 = Axis::BOTH
            .iter()
            .map(|&axis| u128::from(self.sliver_size(axis)))
            .sum();
        n * pairs + metadata
    }

    /// The bytes of one sliver of `axis` over all segments.
    #[must_use]
    pub fn sliver_size(&self, axis: Axis) -> u64 {
        let last = self
            .segment_unchecked(SegmentIndex(self.segments - 1))
            .symbol_size;
        let symbols = u64::from(self.shards.source_symbols(axis));
        let full = u64::from(self.segments - 1) * size_u64(max_symbol_size(self.shards));
        symbols * (full + size_u64(last))
    }
}

/// The shape of one segment.
///
/// All sizes fit comfortably in memory: the largest segment, at n = 1024, has 120 MB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentLayout {
    encoding: Encoding,
    shards: ShardCount,
    index: SegmentIndex,
    offset: u64,
    length: usize,
    symbol_size: usize,
}

impl SegmentLayout {
    /// The encoding of the blob.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// n.
    #[must_use]
    pub const fn shards(&self) -> ShardCount {
        self.shards
    }

    /// Which segment of the blob this is.
    #[must_use]
    pub const fn index(&self) -> SegmentIndex {
        self.index
    }

    /// Where the segment begins in the blob.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The blob bytes in this segment, without padding.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The bytes of the blob that this segment holds.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset + size_u64(self.length)
    }

    /// S, the bytes of a symbol: even, at least 2.
    #[must_use]
    pub const fn symbol_size(&self) -> usize {
        self.symbol_size
    }

    /// The bytes of a sliver of `axis`: k2 S for a primary, k1 S for a secondary.
    #[must_use]
    pub fn sliver_size(&self, axis: Axis) -> usize {
        usize::from(self.shards.source_symbols(axis)) * self.symbol_size
    }

    /// The bytes of the source matrix with its padding: k1 k2 S.
    #[must_use]
    pub fn padded_length(&self) -> usize {
        source_area(self.shards) * self.symbol_size
    }

    /// The bytes of the 2n sliver hashes: 64 n.
    #[must_use]
    pub fn metadata_size(&self) -> usize {
        64 * usize::from(self.shards.get())
    }

    /// The part of the padded segment (and of the blob, from [`offset`](Self::offset) on) that
    /// systematic primary sliver `row` holds; `None` for a row of parity.
    #[must_use]
    pub fn source_row(&self, row: SliverIndex) -> Option<Range<usize>> {
        if row.get() >= self.shards.source_slivers().primary {
            return None;
        }
        let size = self.sliver_size(Axis::Primary);
        let start = usize::from(row.get()) * size;
        Some(start..start + size)
    }
}

/// k1 k2, the symbols of a segment's source matrix.
fn source_area(shards: ShardCount) -> usize {
    let k = shards.source_slivers();
    usize::from(k.primary) * usize::from(k.secondary)
}

/// S_max = max(512, 4 MiB / (k1 k2) rounded up to a multiple of 64).
fn max_symbol_size(shards: ShardCount) -> usize {
    let lanes = BlobLayout::SEGMENT_TARGET.div_ceil(64 * source_area(shards));
    (64 * lanes).max(BlobLayout::SYMBOL_FLOOR)
}

fn segment_capacity(shards: ShardCount) -> usize {
    source_area(shards) * max_symbol_size(shards)
}

/// A size in memory as a `u64`.
pub(crate) fn size_u64(size: usize) -> u64 {
    u64::try_from(size).expect("usize has at most 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(n: u16, length: u64) -> BlobLayout {
        BlobLayout::for_shards(ShardCount::new(n).unwrap(), length).unwrap()
    }

    #[test]
    fn segments_cover_the_blob_exactly() {
        for n in [4, 7, 64, 65, 128, 1000, 1024] {
            let capacity = size_u64(layout(n, 0).segment_capacity());
            for length in [
                0,
                1,
                2,
                capacity - 1,
                capacity,
                capacity + 1,
                3 * capacity,
                3 * capacity + 7,
            ] {
                let blob = layout(n, length);
                let mut next = 0;
                for segment in blob.segments() {
                    assert_eq!(segment.range().start, next);
                    next = segment.range().end;
                    assert!(segment.length() <= segment.padded_length());
                    assert!(segment.symbol_size() >= 2 && segment.symbol_size() % 2 == 0);
                    assert!(segment.symbol_size() <= max_symbol_size(blob.shards()));
                    assert_eq!(blob.segment(segment.index()), Ok(segment));
                }
                assert_eq!(next, length);
                assert!(blob.segment(SegmentIndex(blob.segment_count())).is_err());
                for axis in Axis::BOTH {
                    let sum: usize = blob.segments().map(|s| s.sliver_size(axis)).sum();
                    assert_eq!(blob.sliver_size(axis), size_u64(sum));
                }
            }
        }
    }

    #[test]
    fn canonical_sizes() {
        assert_eq!(max_symbol_size(ShardCount::new(4).unwrap()), 699_072);
        assert_eq!(max_symbol_size(ShardCount::new(100).unwrap()), 1_856);
        assert_eq!(max_symbol_size(ShardCount::new(1000).unwrap()), 512);
        assert_eq!(layout(1000, 0).segment_capacity(), 114_062_336);
        let empty = layout(10, 0).segment(SegmentIndex(0)).unwrap();
        assert_eq!((empty.length(), empty.symbol_size()), (0, 2));
        // 10 (4 + 7) 2 + 64 * 10 * 10
        assert_eq!(layout(10, 0).encoded_size(), 220 + 6_400);
        // 1000 * 1001 * (512 + 2) + 64 * 1000 * 2 * 128
        assert_eq!(
            layout(1000, 114_062_337).encoded_size(),
            514_514_000 + 16_384_000
        );
    }

    #[test]
    fn impossible_layouts_are_refused() {
        let four = ShardCount::MIN;
        assert!(matches!(
            BlobLayout::new(Encoding::RedStuff16, four, 1),
            Err(LayoutError::Shards { .. })
        ));
        let max = size_u64(segment_capacity(four)) << 20;
        assert_eq!(layout(4, max).segment_count(), BlobLayout::MAX_SEGMENTS);
        for length in [max + 1, u64::MAX] {
            assert_eq!(
                BlobLayout::for_shards(four, length),
                Err(LayoutError::TooLong {
                    length,
                    max,
                    shards: four
                })
            );
        }
        let blob = layout(100, 12_345);
        let bytes = bcs::to_bytes(&blob).unwrap();
        assert_eq!(bytes, [2, 100, 0, 0x39, 0x30, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bcs::from_bytes::<BlobLayout>(&bytes).unwrap(), blob);
        assert!(bcs::from_bytes::<BlobLayout>(&[1, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(
            bcs::from_bytes::<BlobLayout>(&[2, 100, 0, 255, 255, 255, 255, 255, 255, 255, 255])
                .is_err()
        );
    }
}
