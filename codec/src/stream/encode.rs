//! The two passes over a blob: the first commits to it, the second makes its slivers.
//!
//! A few segments are encoded at once while the next ones are read.

use std::{collections::VecDeque, io::Read};

use rayon::prelude::*;

use crate::{
    BlobCommitment, BlobLayout, Codec, EncodedSegment, InputChanged, SegmentBuffers, SegmentLayout,
    SegmentMetadata, SegmentRoot, pool::Buffer,
};

/// Memory that segments being encoded at once may take, in bytes; one segment may always take what
/// it needs.
const IN_FLIGHT_BYTES: usize = 56 << 20;

/// Why a blob was not encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The input cannot be read.
    #[error("cannot read the input at byte {offset}")]
    Read {
        /// Where the segment begins that was being read.
        offset: u64,
        /// What the reader said.
        source: std::io::Error,
    },
    /// The input ends before or goes on after the stated length.
    #[error("the input does not have the stated {length} bytes")]
    Length {
        /// The length stated.
        length: u64,
    },
    /// The second pass read other bytes than the first.
    #[error(transparent)]
    InputChanged(#[from] InputChanged),
}

impl Codec {
    /// The first pass: reads the blob once and returns what it is committed to.
    pub fn commit<R: Read + Send>(
        &self,
        layout: &BlobLayout,
        input: R,
    ) -> Result<BlobCommitment, EncodeError> {
        let mut segments = Segments::new(self, *layout, input);
        let mut roots: Vec<SegmentRoot> = Vec::new();
        let memory = self.streams();
        while let Some((batch, committed)) = segments.next_batch(|batch| {
            let jobs = batch.par_iter().map(|(layout, bytes)| {
                memory.encoded.with(SegmentBuffers::default, |buffers| {
                    self.commit_segment(layout, bytes.as_ref(), buffers)
                        .expect("the segment was read in full")
                })
            });
            jobs.collect::<Vec<_>>()
        })? {
            roots.extend(committed);
            for (_, bytes) in batch {
                memory.plain.give(bytes.memory);
            }
        }
        Ok(BlobCommitment::new(*layout, &roots).expect("every segment has its root"))
    }

    /// The second pass: reads the blob again and makes its slivers, segment by segment.
    pub fn encoder<R: Read + Send>(&self, commitment: BlobCommitment, input: R) -> Encoder<R> {
        let segments = Segments::new(self, *commitment.layout(), input);
        Encoder {
            commitment,
            segments,
            ready: VecDeque::new(),
        }
    }
}

/// Makes the slivers of a blob, segment by segment.
#[derive(Debug)]
pub struct Encoder<R> {
    commitment: BlobCommitment,
    segments: Segments<R>,
    ready: VecDeque<EncodedSegment<SegmentBytes>>,
}

/// A segment of a blob, ready to be stored.
#[derive(Debug)]
pub struct ReadySegment {
    /// Its hashes with the path to the blob id.
    pub metadata: SegmentMetadata,
    /// Its slivers.
    pub encoded: EncodedSegment<SegmentBytes>,
}

/// The bytes of a segment, in memory that is used again.
#[derive(Debug)]
pub struct SegmentBytes {
    memory: Buffer,
    len: usize,
}

impl AsRef<[u8]> for SegmentBytes {
    fn as_ref(&self) -> &[u8] {
        &self.memory.bytes()[..self.len]
    }
}

impl<R: Read + Send> Encoder<R> {
    /// The next segment with its metadata, or `None` after the last.
    ///
    /// Hand it back with [`recycle`](Self::recycle) to reuse its memory.
    pub fn next_segment(&mut self) -> Result<Option<ReadySegment>, EncodeError> {
        if self.ready.is_empty() {
            self.encode_batch()?;
        }
        let Some(encoded) = self.ready.pop_front() else {
            return Ok(None);
        };
        let metadata = self.commitment.metadata(&encoded)?;
        Ok(Some(ReadySegment { metadata, encoded }))
    }

    /// Takes back the memory of a segment, for the next one.
    pub fn recycle(&mut self, encoded: EncodedSegment<SegmentBytes>) {
        let (bytes, buffers) = encoded.into_parts();
        let memory = self.segments.codec.streams();
        memory.plain.give(bytes.memory);
        memory.encoded.give(buffers);
    }

    fn encode_batch(&mut self) -> Result<(), EncodeError> {
        let codec = self.segments.codec.clone();
        let batch = self.segments.next_batch(|batch| {
            let jobs = std::mem::take(batch).into_par_iter();
            let jobs = jobs.map(|(layout, bytes)| {
                let buffers = codec.streams().encoded.take().unwrap_or_default();
                codec
                    .encode_segment(&layout, bytes, buffers)
                    .expect("the segment was read in full")
            });
            jobs.collect::<Vec<_>>()
        })?;
        self.ready
            .extend(batch.into_iter().flat_map(|(_, encoded)| encoded));
        Ok(())
    }
}

/// A segment that was read, with its layout.
type Loaded = (SegmentLayout, SegmentBytes);

/// Reads a blob in batches of segments, one batch ahead of the work on them.
#[derive(Debug)]
struct Segments<R> {
    codec: Codec,
    layout: BlobLayout,
    input: R,
    batch: usize,
    /// The next segment to read.
    next: u32,
    /// What was read ahead, or why it was not.
    ahead: Result<Vec<Loaded>, EncodeError>,
}

impl<R: Read + Send> Segments<R> {
    fn new(codec: &Codec, layout: BlobLayout, input: R) -> Self {
        let n = usize::from(layout.shards().get());
        let first = layout
            .segments()
            .next()
            .expect("there is at least one segment");
        let encoded = n
            * (first.sliver_size(crate::Axis::Primary) + first.sliver_size(crate::Axis::Secondary));
        let batch = codec.threads().min(IN_FLIGHT_BYTES / encoded).max(1);
        Self {
            codec: codec.clone(),
            layout,
            input,
            batch,
            next: 0,
            ahead: Ok(Vec::new()),
        }
    }

    /// Runs `work` on the next batch while the one after it is read. `None` after the last segment,
    /// when the input was found to end there.
    fn next_batch<T: Send>(
        &mut self,
        work: impl FnOnce(&mut Vec<Loaded>) -> T + Send,
    ) -> Result<Option<(Vec<Loaded>, T)>, EncodeError> {
        let mut batch = std::mem::replace(&mut self.ahead, Ok(Vec::new()))?;
        if batch.is_empty() {
            batch = self.read_batch()?;
        }
        if batch.is_empty() {
            return Ok(None);
        }
        let codec = self.codec.clone();
        let worked = if self.next < self.layout.segment_count() {
            let read = || self.read_batch();
            let (ahead, worked) = super::beside(read, || codec.run(|| work(&mut batch)));
            self.ahead = ahead;
            worked
        } else {
            codec.run(|| work(&mut batch))
        };
        Ok(Some((batch, worked)))
    }

    fn read_batch(&mut self) -> Result<Vec<Loaded>, EncodeError> {
        // Nothing is worked on while the first one is read.
        let most = if self.next == 0 { 1 } else { self.batch };
        let mut batch = Vec::with_capacity(most);
        while batch.len() < most && self.next < self.layout.segment_count() {
            let segment = self
                .layout
                .segment(crate::SegmentIndex(self.next))
                .expect("next is below the segment count");
            batch.push((segment, self.read_segment(&segment)?));
            self.next += 1;
            if self.next == self.layout.segment_count() {
                self.expect_end(&segment)?;
            }
        }
        Ok(batch)
    }

    fn read_segment(&mut self, segment: &SegmentLayout) -> Result<SegmentBytes, EncodeError> {
        let mut memory = self.codec.streams().plain.take().unwrap_or_default();
        let len = segment.length();
        self.input
            .read_exact(memory.sized(len))
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::UnexpectedEof => EncodeError::Length {
                    length: self.layout.length(),
                },
                _ => EncodeError::Read {
                    offset: segment.offset(),
                    source,
                },
            })?;
        Ok(SegmentBytes { memory, len })
    }

    fn expect_end(&mut self, last: &SegmentLayout) -> Result<(), EncodeError> {
        let mut beyond = Vec::new();
        let read = self.input.by_ref().take(1).read_to_end(&mut beyond);
        let offset = last.range().end;
        match read.map_err(|source| EncodeError::Read { offset, source })? {
            0 => Ok(()),
            _ => Err(EncodeError::Length {
                length: self.layout.length(),
            }),
        }
    }
}
