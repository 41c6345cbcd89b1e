//! Which segments, rows and columns hold a range of a blob's bytes.
//!
//! The systematic rows are the blob itself, so a range can be read without decoding. This is the mode
//! `rows`: it never gives other bytes than the committed ones, but it may give bytes of a segment
//! that [`Codec::decode_segment`](crate::Codec::decode_segment) calls inconsistent.

use std::ops::Range;

use crate::{
    Axis, BlobLayout, ProvenSymbol, SegmentIndex, SegmentLayout, SliverIndex, VerifiedSliver,
    layout::size_u64,
};

/// A range of bytes of a blob, cut into segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangePlan {
    layout: BlobLayout,
    bytes: Range<u64>,
}

/// A range that is not within the blob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bytes {} to {} are not within a blob of {length} bytes", range.start, range.end)]
pub struct RangeError {
    /// The range asked for.
    pub range: Range<u64>,
    /// The length of the blob.
    pub length: u64,
}

/// The part of a range in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRange {
    /// The segment.
    pub segment: SegmentLayout,
    /// The bytes, counted from the start of the segment.
    pub bytes: Range<usize>,
}

/// The part of a range in one row of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRange {
    /// The segment.
    pub segment: SegmentLayout,
    /// The primary sliver that holds the bytes.
    pub row: SliverIndex,
    /// The bytes, counted from the start of the row.
    pub bytes: Range<usize>,
}

/// A sliver or symbol that does not hold the bytes asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bytes of row {row} of segment {segment} are not in what was given")]
pub struct WrongRowError {
    /// The segment asked for.
    pub segment: SegmentIndex,
    /// The row asked for.
    pub row: SliverIndex,
}

impl BlobLayout {
    /// The plan to read `range` of the blob.
    pub fn plan_range(&self, range: Range<u64>) -> Result<RangePlan, RangeError> {
        if range.start <= range.end && range.end <= self.length() {
            Ok(RangePlan {
                layout: *self,
                bytes: range,
            })
        } else {
            Err(RangeError {
                range,
                length: self.length(),
            })
        }
    }
}

impl RangePlan {
    /// The segments touched, in order; none if the range is empty.
    pub fn segments(&self) -> impl Iterator<Item = SegmentRange> + use<> {
        let (layout, bytes) = (self.layout, self.bytes.clone());
        let capacity = size_u64(layout.segment_capacity());
        let touched = bytes.start / capacity..bytes.end.div_ceil(capacity);
        let touched = if bytes.is_empty() { 0..0 } else { touched };
        touched.map(move |index| {
            let index = u32::try_from(index).expect("there are at most 2^20 segments");
            let segment = layout
                .segment(SegmentIndex(index))
                .expect("the range is in the blob");
            let whole = segment.range();
            let within = |at: u64| {
                let at = at.clamp(whole.start, whole.end) - whole.start;
                usize::try_from(at).expect("a segment fits in memory")
            };
            SegmentRange {
                bytes: within(bytes.start)..within(bytes.end),
                segment,
            }
        })
    }
}

impl SegmentRange {
    /// The systematic rows touched, in order.
    pub fn rows(&self) -> impl Iterator<Item = RowRange> + use<> {
        let (segment, bytes) = (self.segment, self.bytes.clone());
        let size = segment.sliver_size(Axis::Primary);
        (bytes.start / size..bytes.end.div_ceil(size)).map(move |row| {
            let start = row * size;
            let row = u16::try_from(row).expect("there are fewer than n rows");
            let bytes = bytes.start.max(start) - start..bytes.end.min(start + size) - start;
            RowRange {
                segment,
                row: SliverIndex(row),
                bytes,
            }
        })
    }
}

impl RowRange {
    /// The columns whose symbols in this row hold the bytes, to fetch them one by one when the row is
    /// missing: the symbol at (row, column) is on the secondary sliver of the column too.
    pub fn columns(&self) -> impl Iterator<Item = SliverIndex> + use<> {
        let size = self.segment.symbol_size();
        let columns = self.bytes.start / size..self.bytes.end.div_ceil(size);
        columns.map(|column| SliverIndex(u16::try_from(column).expect("there are k2 < n columns")))
    }

    /// The bytes from the verified row itself.
    pub fn in_row<'a, B: AsRef<[u8]>>(
        &self,
        row: &'a VerifiedSliver<B>,
    ) -> Result<&'a [u8], WrongRowError> {
        let fits =
            (row.axis(), row.index(), row.segment()) == (Axis::Primary, self.row, &self.segment);
        row.bytes()
            .get(self.bytes.clone())
            .filter(|_| fits)
            .ok_or_else(|| self.wrong())
    }

    /// Those of the bytes that one proven symbol of the row holds.
    pub fn in_symbol<'a>(&self, symbol: &ProvenSymbol<'a>) -> Result<&'a [u8], WrongRowError> {
        let start = usize::from(symbol.at.column.get()) * self.segment.symbol_size();
        let part = self.bytes.start.saturating_sub(start)..self.bytes.end.saturating_sub(start);
        let part = part.start..part.end.min(symbol.bytes.len());
        let fits = symbol.at.row == self.row && !part.is_empty();
        symbol
            .bytes
            .get(part)
            .filter(|_| fits)
            .ok_or_else(|| self.wrong())
    }

    fn wrong(&self) -> WrongRowError {
        WrongRowError {
            segment: self.segment.index(),
            row: self.row,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ShardCount;

    proptest! {
        #[test]
        fn plans_cover_exactly_the_range(
            n in prop::sample::select(vec![4u16, 10, 64, 65, 100, 1000]),
            (start, end) in (0u64..400_000_000, 0u64..400_000_000),
        ) {
            let layout = BlobLayout::for_shards(ShardCount::new(n).unwrap(), 400_000_000).unwrap();
            let range = start.min(end)..start.max(end);
            let mut next = range.start;
            for part in layout.plan_range(range.clone()).unwrap().segments() {
                for row in part.rows() {
                    let size = part.segment.sliver_size(Axis::Primary);
                    let row_start = part.segment.offset()
                        + size_u64(usize::from(row.row.get()) * size);
                    prop_assert_eq!(row_start + size_u64(row.bytes.start), next);
                    prop_assert!(!row.bytes.is_empty());
                    next = row_start + size_u64(row.bytes.end);
                    let columns: Vec<_> = row.columns().collect();
                    let symbol = part.segment.symbol_size();
                    prop_assert_eq!(usize::from(columns[0].get()), row.bytes.start / symbol);
                    prop_assert_eq!(
                        usize::from(columns[columns.len() - 1].get()),
                        (row.bytes.end - 1) / symbol
                    );
                }
            }
            prop_assert_eq!(next, range.end);
        }
    }

    #[test]
    fn ranges_outside_are_refused() {
        let layout = BlobLayout::for_shards(ShardCount::MIN, 10).unwrap();
        assert_eq!(layout.plan_range(10..10).unwrap().segments().count(), 0);
        for range in [0..11, 11..12, Range { start: 2, end: 1 }] {
            let error = layout.plan_range(range.clone()).unwrap_err();
            assert_eq!(error, RangeError { range, length: 10 });
        }
    }
}
