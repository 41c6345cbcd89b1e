//! Writes a blob segment by segment, each only after it was decoded and found consistent, and while the
//! next one is decoded.

use std::io::Write;

use crate::{
    BlobId, BlobLayout, Codec, DecodeBuffers, DecodeError, SegmentIndex, SegmentLayout,
    SegmentMetadata, VerifiedSliver, pool::Buffer,
};

/// Writes the bytes of a blob from verified slivers, one segment after the other.
#[derive(Debug)]
pub struct Decoder<W> {
    codec: Codec,
    blob: BlobId,
    layout: BlobLayout,
    output: W,
    /// The next segment to decode.
    next: u32,
    /// Segments written.
    written: u32,
    buffers: DecodeBuffers,
    /// The segment before it, which is decoded and not written yet.
    decoded: Option<SegmentLayout>,
    /// Its bytes.
    held: Buffer,
}

/// Why a blob was not written, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum DecodeStreamError {
    /// Metadata of another segment or blob than the one that is next.
    #[error("expected segment {expected} of {blob}, got segment {got} of {got_blob}")]
    OutOfOrder {
        /// The blob being written.
        blob: BlobId,
        /// The segment that is next.
        expected: SegmentIndex,
        /// The segment of the metadata.
        got: SegmentIndex,
        /// The blob of the metadata.
        got_blob: BlobId,
    },
    /// The segment gives no bytes.
    #[error(transparent)]
    Segment(#[from] DecodeError),
    /// The output cannot be written.
    #[error("cannot write segment {segment}")]
    Write {
        /// The segment being written.
        segment: SegmentIndex,
        /// What the writer said.
        source: std::io::Error,
    },
    /// Segments are missing at the end.
    #[error("{written} of {expected} segments were written")]
    Incomplete {
        /// The segments of the blob.
        expected: u32,
        /// The segments written.
        written: u32,
    },
}

impl Codec {
    /// Writes blob `blob` to `output` from the slivers pushed.
    pub fn decoder<W: Write + Send>(
        &self,
        blob: BlobId,
        layout: BlobLayout,
        output: W,
    ) -> Decoder<W> {
        let memory = self.streams();
        Decoder {
            codec: self.clone(),
            blob,
            layout,
            output,
            next: 0,
            written: 0,
            buffers: DecodeBuffers {
                matrix: memory.plain.take().unwrap_or_default(),
                encode: memory.encoded.take().unwrap_or_default(),
            },
            decoded: None,
            held: memory.plain.take().unwrap_or_default(),
        }
    }
}

impl<W: Write + Send> Decoder<W> {
    /// The segment to push next, `None` after the last.
    pub fn next_segment(&self) -> Option<SegmentIndex> {
        (self.next < self.layout.segment_count()).then_some(SegmentIndex(self.next))
    }

    /// Decodes the next segment while the bytes of the one before are written. The last one is written by
    /// [`Self::finish`].
    pub fn push<B: AsRef<[u8]> + Sync>(
        &mut self,
        metadata: &SegmentMetadata,
        slivers: &[VerifiedSliver<B>],
    ) -> Result<(), DecodeStreamError> {
        let segment = metadata.segment();
        if (metadata.blob(), metadata.blob_layout(), segment.get())
            != (&self.blob, &self.layout, self.next)
        {
            return Err(DecodeStreamError::OutOfOrder {
                blob: self.blob,
                expected: SegmentIndex(self.next),
                got: segment,
                got_blob: *metadata.blob(),
            });
        }
        let (codec, held, output) = (&self.codec, &self.held, &mut self.output);
        let buffers = &mut self.buffers;
        let mut decode = || codec.decode_segment(metadata, slivers, buffers).map(drop);
        let (written, decoded) = match self.decoded.take() {
            Some(waiting) => super::beside(|| write(&waiting, held, output), decode),
            None => (Ok(0), decode()),
        };
        self.written += written?;
        decoded?;
        self.decoded = Some(*metadata.layout());
        std::mem::swap(&mut self.held, &mut self.buffers.matrix);
        self.next += 1;
        Ok(())
    }

    /// The output, if every segment was written to it.
    pub fn finish(mut self) -> Result<W, DecodeStreamError> {
        if let Some(last) = self.decoded.take() {
            self.written += write(&last, &self.held, &mut self.output)?;
        }
        let memory = self.codec.streams();
        memory.plain.give(self.held);
        memory.plain.give(self.buffers.matrix);
        memory.encoded.give(self.buffers.encode);
        let (expected, written) = (self.layout.segment_count(), self.written);
        if written == expected {
            Ok(self.output)
        } else {
            Err(DecodeStreamError::Incomplete { expected, written })
        }
    }
}

/// Writes one segment, and says so.
fn write<W: Write>(
    layout: &SegmentLayout,
    held: &Buffer,
    output: &mut W,
) -> Result<u32, DecodeStreamError> {
    let segment = layout.index();
    output
        .write_all(&held.bytes()[..layout.length()])
        .map_err(|source| DecodeStreamError::Write { segment, source })?;
    Ok(1)
}
