//! The plan of a read: which bytes, which segments, and of those which whole and which by rows. A
//! pure function of the blob's layout and the range asked for.

use std::{fmt, ops::Range, str::FromStr};

use floe_codec::{Axis, BlobId, BlobLayout, SegmentIndex, SegmentLayout};
use serde::Serialize;

use super::ByteSize;

/// Bytes of a blob, as people ask for them: both ends are included, as in HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ByteRange {
    /// Everything.
    #[default]
    All,
    /// `A-B`.
    Closed(u64, u64),
    /// `A-`: from A to the end.
    From(u64),
    /// `-N`: the last N bytes.
    Last(u64),
}

/// Text that is not a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a byte range: write A-B (both included), A- or -N")]
pub struct ParseRangeError {
    /// What was given, cut to 80 characters.
    pub text: String,
}

impl FromStr for ByteRange {
    type Err = ParseRangeError;

    fn from_str(text: &str) -> Result<Self, ParseRangeError> {
        let wrong = || ParseRangeError {
            text: text.chars().take(80).collect(),
        };
        let number = |part: &str| part.parse::<u64>().map_err(|_| wrong());
        match text.split_once('-').ok_or_else(wrong)? {
            ("", last) => Ok(Self::Last(number(last)?)),
            (first, "") => Ok(Self::From(number(first)?)),
            (first, last) => match (number(first)?, number(last)?) {
                (first, last) if first <= last => Ok(Self::Closed(first, last)),
                _ => Err(wrong()),
            },
        }
    }
}

/// A range that begins past the end of the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range begins at byte {first}, but blob {blob} has {length} bytes")]
pub struct RangeError {
    /// The blob.
    pub blob: BlobId,
    /// First byte asked for.
    pub first: u64,
    /// Bytes there are.
    pub length: u64,
}

/// What reading is going to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadPlan {
    /// The blob.
    pub blob: BlobId,
    /// Its shape.
    pub layout: BlobLayout,
    /// Bytes to return.
    pub bytes: Range<u64>,
}

/// How one segment is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRead {
    /// Its shape.
    pub layout: SegmentLayout,
    /// Bytes to return, within the segment.
    pub bytes: Range<usize>,
    /// What is fetched.
    pub part: Part,
}

/// What of a segment is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Enough to decode it, encode it again and compare: two readers never differ.
    Whole,
    /// Only these source rows, each verified. Never other bytes than the committed ones, but
    /// possibly bytes of a segment that a whole read refuses as inconsistent.
    Rows(Range<u16>),
}

impl ReadPlan {
    /// Plans a read. A range that ends past the end is cut there.
    ///
    /// # Errors
    /// The range begins past the end.
    pub fn new(blob: BlobId, layout: BlobLayout, range: ByteRange) -> Result<Self, RangeError> {
        let length = layout.length();
        let bytes = match range {
            ByteRange::All => 0..length,
            ByteRange::Last(count) => length.saturating_sub(count)..length,
            ByteRange::From(first) => first..length,
            ByteRange::Closed(first, last) => first..last.saturating_add(1).min(length),
        };
        let past = matches!(range, ByteRange::From(_) | ByteRange::Closed(..));
        if past && bytes.start >= length {
            return Err(RangeError {
                blob,
                first: bytes.start,
                length,
            });
        }
        Ok(Self {
            blob,
            layout,
            bytes,
        })
    }

    /// Bytes that are returned.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }

    /// The segments touched, in order. An empty blob still has one, which is read whole.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = SegmentRead> + Clone + use<> {
        let capacity = u64::try_from(self.layout.segment_capacity()).unwrap_or(u64::MAX);
        let index = move |byte: u64| u32::try_from(byte / capacity).unwrap_or(u32::MAX);
        let count = if self.bytes.is_empty() && self.layout.length() > 0 {
            0
        } else {
            index(self.bytes.end.saturating_sub(1)).saturating_sub(index(self.bytes.start)) + 1
        };
        let plan = self.clone();
        (0..count).map(move |position| plan.segment(index(plan.bytes.start) + position))
    }

    fn segment(&self, index: u32) -> SegmentRead {
        let layout = self.layout.segment(SegmentIndex(index));
        let layout = layout.expect("the range lies within the blob");
        let within = |byte: u64| {
            let offset = byte.saturating_sub(layout.offset());
            usize::try_from(offset).map_or(layout.length(), |offset| offset.min(layout.length()))
        };
        let bytes = within(self.bytes.start)..within(self.bytes.end);
        let row = layout.sliver_size(Axis::Primary);
        let number = |row: usize| u16::try_from(row).expect("rows are below n");
        let rows = number(bytes.start / row)..number(bytes.end.div_ceil(row));
        let all = number(layout.length().div_ceil(row));
        let part = if rows.end - rows.start < all {
            Part::Rows(rows)
        } else {
            Part::Whole
        };
        SegmentRead {
            layout,
            bytes,
            part,
        }
    }
}

impl fmt::Display for ReadPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = self.segments();
        let rows = segments
            .clone()
            .filter(|segment| segment.part != Part::Whole)
            .count();
        writeln!(f, "blob        {}", self.blob)?;
        writeln!(f, "size        {}", ByteSize(self.layout.length()))?;
        writeln!(
            f,
            "read        {} from byte {}",
            ByteSize(self.length()),
            self.bytes.start
        )?;
        write!(f, "segments    {}, of these {rows} by rows", segments.len())
    }
}

#[cfg(test)]
mod tests {
    use floe_codec::ShardCount;
    use proptest::prelude::*;

    use super::*;

    fn plan(n: u16, length: u64, range: ByteRange) -> Result<ReadPlan, RangeError> {
        let layout = BlobLayout::for_shards(ShardCount::new(n).unwrap(), length).unwrap();
        ReadPlan::new(BlobId::from_bytes([9; 32]), layout, range)
    }

    #[test]
    fn ranges_are_read_as_people_write_them() {
        assert_eq!("0-99".parse(), Ok(ByteRange::Closed(0, 99)));
        assert_eq!("5-".parse(), Ok(ByteRange::From(5)));
        assert_eq!("-7".parse(), Ok(ByteRange::Last(7)));
        for wrong in ["", "-", "9-3", "a-b", "1-2-3", "12"] {
            assert!(wrong.parse::<ByteRange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_past_the_end_is_named() {
        let error = plan(10, 100, ByteRange::From(100)).unwrap_err();
        assert_eq!((error.first, error.length), (100, 100));
        assert_eq!(
            plan(10, 100, ByteRange::Closed(10, 999)).unwrap().bytes,
            10..100
        );
        assert_eq!(plan(10, 0, ByteRange::All).unwrap().segments().len(), 1);
    }

    #[test]
    fn a_plan_prints_what_is_fetched() {
        let plan = plan(10, 10 << 20, ByteRange::Closed(100, 5 << 20)).unwrap();
        insta::assert_snapshot!("range", plan);
    }

    proptest! {
        /// The parts of the segments, joined, are the range asked for; rows cover their bytes.
        #[test]
        fn segments_cover_the_range_exactly(
            n in 4u16..200, length in 1u64..40 << 20, first: u64, count in 0u64..30 << 20,
        ) {
            let first = first % length;
            let range = ByteRange::Closed(first, first.saturating_add(count));
            let plan = plan(n, length, range).unwrap();
            let mut at = plan.bytes.start;
            for segment in plan.segments() {
                let offset = segment.layout.offset();
                prop_assert_eq!(offset + segment.bytes.start as u64, at);
                at = offset + segment.bytes.end as u64;
                if let Part::Rows(rows) = segment.part {
                    let row = segment.layout.sliver_size(Axis::Primary);
                    prop_assert!(usize::from(rows.start) * row <= segment.bytes.start);
                    prop_assert!(usize::from(rows.end) * row >= segment.bytes.end);
                    prop_assert!(rows.end <= segment.layout.shards().source_slivers().primary);
                }
            }
            prop_assert_eq!(at, plan.bytes.end);
        }
    }
}
