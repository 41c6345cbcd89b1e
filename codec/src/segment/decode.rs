//! Decodes one segment and checks that it is consistent before its bytes are released.
//!
//! Every reader of a segment gets the same: its bytes, or that it is inconsistent. That needs the
//! segment encoded again from what was decoded, because each reader sees only some of its slivers.

use rayon::prelude::*;

use super::encode::{SegmentBuffers, TASKS, deal};
use crate::{
    Axis, ByAxis, Codec, InconsistencyProof, SegmentIndex, SegmentLayout, SegmentMetadata,
    SliverIndex, VerifiedSliver,
    kernel::symbols::{Place, Symbols, SymbolsMut},
    pool::Buffer,
    sliver::SliverBytes,
};

/// Why a segment gives no bytes.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A sliver was verified against other metadata than that of this segment.
    #[error("{axis} sliver {index} belongs to another segment")]
    Foreign {
        /// The axis of the sliver.
        axis: Axis,
        /// The index of the sliver.
        index: SliverIndex,
    },
    /// Neither axis has enough different slivers; they cannot be mixed.
    #[error(
        "segment {segment} needs {} primary or {} secondary slivers, got {} and {}",
        needed.primary, needed.secondary, got.primary, got.secondary
    )]
    TooFew {
        /// The segment to decode.
        segment: SegmentIndex,
        /// k1 and k2.
        needed: ByAxis<u16>,
        /// The different slivers given.
        got: ByAxis<usize>,
    },
    /// The slivers are the committed ones, but they are not those of any bytes: whoever encoded the
    /// blob is at fault, every reader fails alike, and the proof convinces others.
    #[error("segment {segment} is inconsistent")]
    Inconsistent {
        /// The inconsistent segment.
        segment: SegmentIndex,
        /// What shows it.
        proof: Box<InconsistencyProof>,
    },
}

/// Memory of [`Codec::decode_segment`], reused from segment to segment.
#[derive(Debug, Default)]
pub struct DecodeBuffers {
    /// The segment that was decoded last.
    pub(crate) matrix: Buffer,
    pub(crate) encode: SegmentBuffers,
}

impl Codec {
    /// Decodes a segment from any k1 primary or k2 secondary slivers and checks its consistency.
    ///
    /// Returns exactly the bytes of the segment, in `buffers`. Slivers beyond those needed are ignored.
    pub fn decode_segment<'b, B: AsRef<[u8]> + Sync>(
        &self,
        metadata: &SegmentMetadata,
        slivers: &[VerifiedSliver<B>],
        buffers: &'b mut DecodeBuffers,
    ) -> Result<&'b [u8], DecodeError> {
        let layout = metadata.layout();
        let (axis, chosen) = choose(metadata, slivers)?;
        let matrix = buffers.matrix.sized(layout.padded_length());
        self.decode_matrix(layout, axis, &chosen, matrix);

        let clean = matrix[layout.length()..].iter().all(|&byte| byte == 0);
        let consistent = clean && {
            let source = &matrix[..layout.length()];
            let root = self.commit_segment(layout, source, &mut buffers.encode);
            root.as_ref() == Ok(metadata.root())
        };
        if !consistent && !cfg!(sabotage = "skip_reencode_check") {
            let segment = layout.index();
            let proof = InconsistencyProof::find(self, metadata, axis, &chosen, matrix);
            return Err(DecodeError::Inconsistent {
                segment,
                proof: Box::new(proof),
            });
        }
        Ok(&matrix[..layout.length()])
    }

    /// For the benchmark: decodes without the check, so what comes out may not be given to anybody.
    #[doc(hidden)]
    pub fn decode_unchecked<B: AsRef<[u8]> + Sync>(
        &self,
        metadata: &SegmentMetadata,
        slivers: &[VerifiedSliver<B>],
        matrix: &mut [u8],
    ) -> Result<(), DecodeError> {
        let (axis, chosen) = choose(metadata, slivers)?;
        self.decode_matrix(metadata.layout(), axis, &chosen, matrix);
        Ok(())
    }

    /// Decodes the padded source matrix from exactly as many slivers of `axis` as needed, ascending.
    fn decode_matrix(
        &self,
        layout: &SegmentLayout,
        axis: Axis,
        slivers: &[SliverBytes<'_>],
        matrix: &mut [u8],
    ) {
        let size = layout.symbol_size();
        let row_size = layout.sliver_size(Axis::Primary);
        let (positions, lines): (Vec<usize>, Vec<&[u8]>) = slivers
            .iter()
            .map(|(index, sliver)| (usize::from(index.get()), *sliver))
            .unzip();
        // The codewords that cross slivers of one axis are the slivers of the other.
        let codes = self.codes(layout.shards());
        let pattern = codes.get(axis.orthogonal()).pattern(&positions);
        let restore = |first: usize, words: usize, sources: &mut [&mut [u8]], place| {
            let present = Symbols::new(&lines, Place::lines(size, first * size));
            pattern.restore(words, present, &mut SymbolsMut::new(sources, place));
        };
        let rows = matrix.chunks_exact_mut(row_size);
        match axis {
            // Each task restores some columns of all rows.
            Axis::Primary => {
                let columns = row_size / size;
                let each = columns.div_ceil(TASKS);
                let tasks: Vec<_> = deal(rows, each * size, columns.div_ceil(each)).collect();
                self.run(|| {
                    let tasks = tasks.into_par_iter().enumerate();
                    tasks.for_each(|(task, mut rows)| {
                        let words = each.min(columns - task * each);
                        restore(task * each, words, &mut rows, Place::lines(size, 0));
                    });
                });
            }
            // Each task restores some rows.
            Axis::Secondary => {
                let mut rows: Vec<&mut [u8]> = rows.collect();
                let each = rows.len().div_ceil(TASKS);
                self.run(|| {
                    let tasks = rows.par_chunks_mut(each).enumerate();
                    tasks.for_each(|(task, rows)| {
                        restore(task * each, rows.len(), rows, Place::words(size, size));
                    });
                });
            }
        }
    }
}

/// As many slivers of one axis as decode the segment, ascending: systematic ones come first, because
/// they need no decoding, and primaries before secondaries.
fn choose<'a, B: AsRef<[u8]>>(
    metadata: &SegmentMetadata,
    slivers: &'a [VerifiedSliver<B>],
) -> Result<(Axis, Vec<SliverBytes<'a>>), DecodeError> {
    let layout = metadata.layout();
    if let Some(foreign) = slivers.iter().find(|sliver| !sliver.is_of(metadata)) {
        return Err(DecodeError::Foreign {
            axis: foreign.axis(),
            index: foreign.index(),
        });
    }
    let by_axis = ByAxis::from_fn(|axis| {
        let of_axis = slivers.iter().filter(|sliver| sliver.axis() == axis);
        let mut of_axis: Vec<_> = of_axis
            .map(|sliver| (sliver.index(), sliver.bytes()))
            .collect();
        of_axis.sort_by_key(|(index, _)| *index);
        of_axis.dedup_by_key(|(index, _)| *index);
        of_axis
    });
    let needed = layout.shards().source_slivers();
    for axis in Axis::BOTH {
        let needed = usize::from(*needed.get(axis));
        if let Some(enough) = by_axis.get(axis).get(..needed) {
            return Ok((axis, enough.to_vec()));
        }
    }
    let got = ByAxis::from_fn(|axis| by_axis.get(axis).len());
    Err(DecodeError::TooFew {
        segment: layout.index(),
        needed,
        got,
    })
}
