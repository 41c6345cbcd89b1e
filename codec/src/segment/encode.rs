//! Encodes one segment: source bytes in, the 2n slivers and their hashes out.
//!
//! Two passes. Rows: each of the k1 source rows is extended to n symbols, which gives the parity
//! columns. Columns, in blocks of 32: each of the n columns is extended to n symbols, which gives the
//! parity rows, and all its symbols are hashed while they are in the cache. 32 columns are one BLAKE3
//! chunk of every row's list of symbol hashes, so the n x n hashes are never held together.

use rayon::prelude::*;

use crate::{
    Axis, Codec, IndexError, SegmentLayout, SegmentRoot, SliverHash, SliverIndex,
    code::Codes,
    commit::{self, CHUNK_ENTRIES, Hash, Level},
    kernel::hash::LANES,
    pool::sized,
};

/// A coded segment: 2n slivers over the source bytes `B`, which are kept and not copied.
///
/// Hand [`into_parts`](Self::into_parts) to the next [`Codec::encode_segment`] to reuse the memory.
#[derive(Debug)]
pub struct EncodedSegment<B> {
    layout: SegmentLayout,
    source: B,
    buffers: SegmentBuffers,
}

/// Output memory of [`Codec::encode_segment`], reused from segment to segment.
#[derive(Debug, Default)]
pub struct SegmentBuffers {
    /// The source rows that reach beyond the source bytes, zero-padded.
    tail: Vec<u8>,
    /// Primary slivers k1 to n.
    parity_rows: Vec<u8>,
    /// Secondary slivers 0 to k2.
    source_columns: Vec<u8>,
    /// Secondary slivers k2 to n.
    parity_columns: Vec<u8>,
    /// primary 0, secondary 0, primary 1, and so on.
    hashes: Vec<Hash>,
}

/// The bytes given are not as many as the segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the segment holds {expected} bytes, got {got}")]
pub struct SourceLengthError {
    /// The bytes of the segment.
    pub expected: usize,
    /// The bytes given.
    pub got: usize,
}

/// Working memory of one column block.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Symbol hashes, one line of n for each column of the block.
    grid: Vec<Hash>,
    /// Parity symbols of a column that are hashed and dropped.
    symbols: Vec<u8>,
}

impl Codec {
    /// Encodes one segment. `source` is exactly the bytes of the segment, without padding.
    pub fn encode_segment<B: AsRef<[u8]>>(
        &self,
        layout: &SegmentLayout,
        source: B,
        mut buffers: SegmentBuffers,
    ) -> Result<EncodedSegment<B>, SourceLengthError> {
        check_length(layout, source.as_ref())?;
        Matrix::new(self, layout).encode(source.as_ref(), &mut buffers, true);
        Ok(EncodedSegment {
            layout: *layout,
            source,
            buffers,
        })
    }

    /// The root of one segment, without keeping its slivers.
    pub fn commit_segment(
        &self,
        layout: &SegmentLayout,
        source: &[u8],
        buffers: &mut SegmentBuffers,
    ) -> Result<SegmentRoot, SourceLengthError> {
        check_length(layout, source)?;
        Matrix::new(self, layout).encode(source, buffers, false);
        Ok(buffers.root())
    }

    /// Encodes a whole padded matrix, whatever its padding holds.
    pub(crate) fn encode_matrix<'a>(
        &self,
        layout: &SegmentLayout,
        matrix: &'a [u8],
    ) -> EncodedSegment<&'a [u8]> {
        let mut buffers = SegmentBuffers::default();
        Matrix::new(self, layout).encode(matrix, &mut buffers, true);
        EncodedSegment {
            layout: *layout,
            source: matrix,
            buffers,
        }
    }
}

fn check_length(layout: &SegmentLayout, source: &[u8]) -> Result<(), SourceLengthError> {
    if source.len() == layout.length() {
        Ok(())
    } else {
        Err(SourceLengthError {
            expected: layout.length(),
            got: source.len(),
        })
    }
}

impl SegmentBuffers {
    fn root(&self) -> SegmentRoot {
        SegmentRoot::from_bytes(Level::segment().hash(&self.hashes))
    }
}

impl<B: AsRef<[u8]>> EncodedSegment<B> {
    /// The shape of the segment.
    pub const fn layout(&self) -> &SegmentLayout {
        &self.layout
    }

    /// The root of the segment.
    pub fn root(&self) -> SegmentRoot {
        self.buffers.root()
    }

    /// The bytes of one sliver.
    pub fn sliver(&self, axis: Axis, index: SliverIndex) -> Result<&[u8], IndexError> {
        let index = usize::from(index.within(self.layout.shards())?.get());
        let size = self.layout.sliver_size(axis);
        let parity_from = usize::from(*self.layout.shards().source_slivers().get(axis));
        let (buffer, index) = match (axis, index.checked_sub(parity_from)) {
            (Axis::Primary, None) => {
                let full_rows = self.source.as_ref().len() / size;
                match index.checked_sub(full_rows) {
                    None => (self.source.as_ref(), index),
                    Some(index) => (&self.buffers.tail[..], index),
                }
            }
            (Axis::Primary, Some(index)) => (&self.buffers.parity_rows[..], index),
            (Axis::Secondary, None) => (&self.buffers.source_columns[..], index),
            (Axis::Secondary, Some(index)) => (&self.buffers.parity_columns[..], index),
        };
        Ok(&buffer[index * size..][..size])
    }

    /// The hash of one sliver.
    pub fn sliver_hash(&self, axis: Axis, index: SliverIndex) -> Result<SliverHash, IndexError> {
        let index = index.within(self.layout.shards())?;
        Ok(SliverHash::from_bytes(
            self.buffers.hashes[commit::hash_position(axis, index)],
        ))
    }

    pub(crate) fn hashes(&self) -> &[Hash] {
        &self.buffers.hashes
    }

    /// The source bytes and the memory, to use again.
    pub fn into_parts(self) -> (B, SegmentBuffers) {
        (self.source, self.buffers)
    }
}

/// A segment's code matrix: its shape as plain numbers, and what codes it.
struct Matrix<'a> {
    codec: &'a Codec,
    codes: std::sync::Arc<Codes>,
    n: usize,
    k1: usize,
    k2: usize,
    /// S, in bytes.
    symbol: usize,
}

/// The outputs of 32 columns, or of the last few. Empty where slivers are not kept.
struct ColumnBlock<'a> {
    /// For each parity row, its part in this block.
    parity_rows: Vec<&'a mut [u8]>,
    source_columns: &'a mut [u8],
}

/// What the hashes of a column block come to.
struct BlockHashes {
    columns: Vec<Hash>,
    /// For each row, the BLAKE3 chunk of its symbol hashes in this block.
    row_chunks: Vec<Hash>,
}

impl<'a> Matrix<'a> {
    fn new(codec: &'a Codec, layout: &SegmentLayout) -> Self {
        let k = layout.shards().source_slivers();
        Self {
            codec,
            codes: codec.codes(layout.shards()),
            n: layout.shards().get().into(),
            k1: k.primary.into(),
            k2: k.secondary.into(),
            symbol: layout.symbol_size(),
        }
    }

    /// Fills `buffers`; without `keep` only what the hashes need.
    fn encode(&self, source: &[u8], buffers: &mut SegmentBuffers, keep: bool) {
        let (row_size, column_size) = (self.k2 * self.symbol, self.k1 * self.symbol);
        let full_rows = source.len() / row_size;
        let tail = sized(&mut buffers.tail, (self.k1 - full_rows) * row_size);
        let (whole, rest) = source.split_at(full_rows * row_size);
        let (filled, padding) = tail.split_at_mut(rest.len());
        filled.copy_from_slice(rest);
        padding.fill(0);
        let rows: Vec<&[u8]> = whole
            .chunks_exact(row_size)
            .chain(tail.chunks_exact(row_size))
            .collect();

        let parity_columns = sized(
            &mut buffers.parity_columns,
            (self.n - self.k2) * column_size,
        );
        let kept = usize::from(keep);
        let parity_rows = sized(
            &mut buffers.parity_rows,
            kept * (self.n - self.k1) * row_size,
        );
        let source_columns = sized(&mut buffers.source_columns, kept * self.k2 * column_size);
        let mut blocks: Vec<ColumnBlock<'_>> = deal(
            parity_rows.chunks_exact_mut(row_size),
            CHUNK_ENTRIES * self.symbol,
            self.n.div_ceil(CHUNK_ENTRIES),
        )
        .map(|parity_rows| ColumnBlock {
            parity_rows,
            source_columns: &mut [],
        })
        .collect();
        for (block, columns) in blocks
            .iter_mut()
            .zip(source_columns.chunks_mut(CHUNK_ENTRIES * column_size))
        {
            block.source_columns = columns;
        }

        let hashed: Vec<BlockHashes> = self.codec.run(|| {
            self.extend_rows(&rows, parity_columns);
            blocks
                .into_par_iter()
                .enumerate()
                .map(|(index, block)| {
                    self.codec.scratch().with(Scratch::default, |scratch| {
                        self.extend_columns(index, &rows, parity_columns, block, scratch)
                    })
                })
                .collect()
        });
        buffers.hashes = self.collect_hashes(&hashed);
    }

    /// Extends the source rows into the parity columns.
    fn extend_rows(&self, rows: &[&[u8]], parity_columns: &mut [u8]) {
        /// Enough tasks for any number of threads; each holds a list of n - k2 slices.
        const TASKS: usize = 64;
        let rows_each = self.k1.div_ceil(TASKS);
        let columns = parity_columns.chunks_exact_mut(self.k1 * self.symbol);
        let tasks = deal(
            columns,
            rows_each * self.symbol,
            self.k1.div_ceil(rows_each),
        );
        let tasks: Vec<_> = tasks.zip(rows.chunks(rows_each)).collect();
        tasks.into_par_iter().for_each(|(mut columns, rows)| {
            for (index, row) in rows.iter().enumerate() {
                let symbol = index * self.symbol..(index + 1) * self.symbol;
                let source: Vec<&[u8]> = row.chunks_exact(self.symbol).collect();
                let mut recovery: Vec<&mut [u8]> = columns
                    .iter_mut()
                    .map(|column| &mut column[symbol.clone()])
                    .collect();
                self.codes
                    .primary
                    .extend(self.symbol, &source, &mut recovery);
            }
        });
    }

    /// Extends and hashes the columns of block `index`.
    fn extend_columns(
        &self,
        index: usize,
        rows: &[&[u8]],
        parity_columns: &[u8],
        mut block: ColumnBlock<'_>,
        scratch: &mut Scratch,
    ) -> BlockHashes {
        let (size, column_size) = (self.symbol, self.k1 * self.symbol);
        let first = index * CHUNK_ENTRIES;
        let last = (first + CHUNK_ENTRIES).min(self.n);
        let grid = sized(&mut scratch.grid, (last - first) * self.n);
        let dropped = sized(&mut scratch.symbols, (self.n - self.k1) * size);
        for (column, hashes) in (first..last).zip(grid.chunks_exact_mut(self.n)) {
            let at = (column - first) * size..(column - first + 1) * size;
            let (source, mut recovery): (Vec<&[u8]>, Vec<&mut [u8]>);
            if let Some(parity) = column.checked_sub(self.k2) {
                let column = &parity_columns[parity * column_size..][..column_size];
                source = column.chunks_exact(size).collect();
                recovery = dropped.chunks_exact_mut(size).collect();
            } else {
                source = rows
                    .iter()
                    .map(|row| &row[column * size..][..size])
                    .collect();
                let kept = block
                    .source_columns
                    .chunks_exact_mut(column_size)
                    .nth(column - first);
                recovery = match kept {
                    None => dropped.chunks_exact_mut(size).collect(),
                    Some(kept) => {
                        for (kept, symbol) in kept.chunks_exact_mut(size).zip(&source) {
                            kept.copy_from_slice(symbol);
                        }
                        block
                            .parity_rows
                            .iter_mut()
                            .map(|row| &mut row[at.clone()])
                            .collect()
                    }
                };
            }
            self.codes.secondary.extend(size, &source, &mut recovery);
            let mut symbols = source;
            symbols.extend(recovery.iter().map(|symbol| &**symbol));
            commit::symbol_hashes(self.codec.tier(), &symbols, hashes);
        }

        let (tier, level) = (self.codec.tier(), Level::sliver());
        let columns: Vec<&[Hash]> = grid.chunks_exact(self.n).collect();
        let mut row_chunks = Vec::with_capacity(self.n);
        let mut entries = [[Hash::default(); CHUNK_ENTRIES]; LANES];
        for first_row in (0..self.n).step_by(LANES) {
            let rows = LANES.min(self.n - first_row);
            for (at, column) in columns.iter().enumerate() {
                for (entries, hash) in entries.iter_mut().zip(&column[first_row..][..rows]) {
                    entries[at] = *hash;
                }
            }
            let chunks = entries.each_ref().map(|entries| &entries[..columns.len()]);
            row_chunks.extend(commit::chunks_of(
                tier,
                level,
                index,
                self.n,
                &chunks[..rows],
            ));
        }
        BlockHashes {
            columns: commit::list_hashes(tier, level, &columns),
            row_chunks,
        }
    }

    /// The 2n sliver hashes in their order.
    fn collect_hashes(&self, blocks: &[BlockHashes]) -> Vec<Hash> {
        let columns = blocks.iter().flat_map(|block| &block.columns);
        let rows = (0..self.n).map(|row| {
            let chunks = blocks.iter().map(|block| block.row_chunks[row]).collect();
            commit::root_of_chunks(Level::sliver(), chunks)
        });
        rows.zip(columns)
            .flat_map(|(row, column)| [row, *column])
            .collect()
    }
}

/// Cuts each line into pieces of `piece` bytes and deals them out: part i gets piece i of every line.
pub(super) fn deal<'a>(
    lines: impl Iterator<Item = &'a mut [u8]>,
    piece: usize,
    parts: usize,
) -> impl Iterator<Item = Vec<&'a mut [u8]>> {
    let mut dealt: Vec<Vec<&mut [u8]>> = (0..parts).map(|_| Vec::new()).collect();
    for line in lines {
        for (part, piece) in dealt.iter_mut().zip(line.chunks_mut(piece)) {
            part.push(piece);
        }
    }
    dealt.into_iter()
}
