//! Encodes one segment: source bytes in, the 2n slivers and their hashes out.
//!
//! Two passes. Rows: each of the k1 source rows is extended to n symbols, which gives the parity
//! columns. Columns, in blocks of 32: each of the n columns is extended to n symbols, which gives the
//! parity rows, and all its symbols are hashed. 32 columns are one BLAKE3 chunk of every row's list of
//! symbol hashes, so the n x n hashes are never held together.
//!
//! What is coded is worked on in the second-level cache, a few rows or columns at a time, with symbols
//! padded as they are hashed; from there they go where they are kept, each in one piece. Source rows
//! are read where the caller has them.

use rayon::prelude::*;

use crate::{
    Axis, Codec, IndexError, SegmentLayout, SegmentRoot, SliverHash, SliverIndex,
    code::Codes,
    commit::{self, CHUNK_ENTRIES, Hash, Level},
    kernel::{
        copy::{copy, copy_out},
        hash::LANES,
        symbols::{Place, Symbols, SymbolsMut},
    },
    pool::{Buffer, sized},
};

/// Tasks of a pass: enough for any number of threads, few enough to cost nothing.
pub(super) const TASKS: usize = 32;

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
    tail: Buffer,
    /// Primary slivers k1 to n.
    parity_rows: Buffer,
    /// Secondary slivers 0 to k2.
    source_columns: Buffer,
    /// Secondary slivers k2 to n.
    parity_columns: Buffer,
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

/// Working memory of one task.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Symbol hashes, one line of n for each column of the block.
    grid: Vec<Hash>,
    symbols: Buffer,
    /// The size of the symbols there were last.
    size: usize,
}

impl Scratch {
    /// What the symbols coded at once may take, in bytes, so that they are written, hashed and copied
    /// in the second-level cache.
    const CACHE: usize = 512 << 10;

    /// How many lines of `count` symbols of `size` bytes are coded at once.
    fn lines(count: usize, size: usize) -> usize {
        (Self::CACHE / (count * commit::padded(size))).clamp(1, CHUNK_ENTRIES)
    }

    /// Room for `count` symbols of `size` bytes, each followed by the zeros that pad it.
    fn symbols(&mut self, count: usize, size: usize) -> &mut [u8] {
        if self.size != size {
            self.size = size;
            self.symbols.clear();
        }
        self.symbols.sized(count * commit::padded(size))
    }
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
                    Some(index) => (self.buffers.tail.bytes(), index),
                }
            }
            (Axis::Primary, Some(index)) => (self.buffers.parity_rows.bytes(), index),
            (Axis::Secondary, None) => (self.buffers.source_columns.bytes(), index),
            (Axis::Secondary, Some(index)) => (self.buffers.parity_columns.bytes(), index),
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
        let tail = buffers.tail.sized((self.k1 - full_rows) * row_size);
        let (whole, rest) = source.split_at(full_rows * row_size);
        let (filled, padding) = tail.split_at_mut(rest.len());
        filled.copy_from_slice(rest);
        padding.fill(0);
        let rows: Vec<&[u8]> = whole
            .chunks_exact(row_size)
            .chain(tail.chunks_exact(row_size))
            .collect();

        let parity_columns = buffers
            .parity_columns
            .sized((self.n - self.k2) * column_size);
        let kept = usize::from(keep);
        let parity_rows = buffers
            .parity_rows
            .sized(kept * (self.n - self.k1) * row_size);
        let source_columns = buffers.source_columns.sized(kept * self.k2 * column_size);
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
        let (size, padded) = (self.symbol, commit::padded(self.symbol));
        let each = self.k1.div_ceil(TASKS);
        let columns = parity_columns.chunks_exact_mut(self.k1 * size);
        let tasks = deal(columns, each * size, self.k1.div_ceil(each));
        let tasks: Vec<_> = tasks.zip(rows.chunks(each)).collect();
        let recoveries = self.n - self.k2;
        let at_once = Scratch::lines(recoveries, size);
        tasks.into_par_iter().for_each(|(mut columns, rows)| {
            self.codec.scratch().with(Scratch::default, |scratch| {
                for (group, rows) in rows.chunks(at_once).enumerate() {
                    let symbols = scratch.symbols(rows.len() * recoveries, size);
                    let mut words: Vec<&mut [u8]> =
                        symbols.chunks_exact_mut(recoveries * padded).collect();
                    self.codes.primary.extend(
                        rows.len(),
                        Symbols::new(rows, Place::words(size, size)),
                        &mut SymbolsMut::new(&mut words, Place::words(size, padded)),
                    );
                    let start = group * at_once * size;
                    let columns = columns.iter_mut().zip((0..).step_by(padded));
                    copy_out(columns.flat_map(|(column, at)| {
                        let places = column[start..].chunks_exact_mut(size);
                        let symbols = words.iter().map(move |word| &word[at..at + size]);
                        symbols.zip(places)
                    }));
                }
            });
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
        let (n, size, column_size) = (self.n, self.symbol, self.k1 * self.symbol);
        let first = index * CHUNK_ENTRIES;
        let last = (first + CHUNK_ENTRIES).min(n);
        let at_once = Scratch::lines(n, size);
        let mut memory = std::mem::take(&mut scratch.grid);
        let grid = sized(&mut memory, (last - first) * n);
        let mut next = first;
        while next < last {
            let end = if next < self.k2 {
                last.min(self.k2)
            } else {
                last
            };
            let columns = next..end.min(next + at_once);
            let symbols = scratch.symbols(columns.len() * n, size);
            let mut words: Vec<&mut [u8]> =
                symbols.chunks_exact_mut(n * commit::padded(size)).collect();
            match next.checked_sub(self.k2) {
                Some(parity) => {
                    let columns = parity_columns.chunks_exact(column_size).skip(parity);
                    for (word, column) in words.iter_mut().zip(columns) {
                        for (place, symbol) in self.symbols_mut(word).zip(column.chunks_exact(size))
                        {
                            copy(symbol, place);
                        }
                    }
                }
                None => {
                    for (position, row) in rows.iter().enumerate() {
                        let at = position * commit::padded(size);
                        let symbols = row[next * size..].chunks_exact(size);
                        for (word, symbol) in words.iter_mut().zip(symbols) {
                            copy(symbol, &mut word[at..at + size]);
                        }
                    }
                }
            }
            let hashes = &mut grid[(next - first) * n..][..columns.len() * n];
            self.extend_padded(&mut words);
            for (word, hashes) in words.iter().zip(hashes.chunks_exact_mut(n)) {
                commit::symbol_hashes(self.codec.tier(), commit::padded(size), word, hashes);
            }
            let kept = block.source_columns.chunks_exact_mut(column_size);
            let kept = words.iter().zip(kept.skip(next - first));
            copy_out(
                kept.flat_map(|(word, kept)| self.symbols(word).zip(kept.chunks_exact_mut(size))),
            );
            if next < self.k2 {
                let rows = block.parity_rows.iter_mut().zip(self.k1..);
                copy_out(rows.flat_map(|(row, at)| {
                    let at = at * commit::padded(size);
                    let places = row[(next - first) * size..].chunks_exact_mut(size);
                    let symbols = words.iter().map(move |word| &word[at..at + size]);
                    symbols.zip(places)
                }));
            }
            next = columns.end;
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
        let columns = commit::list_hashes(tier, level, &columns);
        scratch.grid = memory;
        BlockHashes {
            columns,
            row_chunks,
        }
    }

    /// Extends some columns, of n padded symbols each.
    fn extend_padded(&self, words: &mut [&mut [u8]]) {
        let padded = commit::padded(self.symbol);
        let place = Place::words(self.symbol, padded);
        let halves = words
            .iter_mut()
            .map(|word| word.split_at_mut(self.k1 * padded));
        let (source, mut recovery): (Vec<&mut [u8]>, Vec<&mut [u8]>) = halves.unzip();
        let source: Vec<&[u8]> = source.into_iter().map(|source| &*source).collect();
        self.codes.secondary.extend(
            source.len(),
            Symbols::new(&source, place),
            &mut SymbolsMut::new(&mut recovery, place),
        );
    }

    /// The symbols of a column without their padding.
    fn symbols<'s>(&self, word: &'s [u8]) -> impl Iterator<Item = &'s [u8]> {
        let size = self.symbol;
        word.chunks_exact(commit::padded(size))
            .map(move |symbol| &symbol[..size])
    }

    fn symbols_mut<'s>(&self, word: &'s mut [u8]) -> impl Iterator<Item = &'s mut [u8]> {
        let size = self.symbol;
        let symbols = word.chunks_exact_mut(commit::padded(size));
        symbols.map(move |symbol| &mut symbol[..size])
    }

    /// The 2n sliver hashes in their order.
    fn collect_hashes(&self, blocks: &[BlockHashes]) -> Vec<Hash> {
        let columns = blocks.iter().flat_map(|block| &block.columns);
        let mut rows = vec![Hash::default(); self.n];
        commit::roots_of_chunks(
            self.codec.tier(),
            Level::sliver(),
            blocks.len(),
            |block| &blocks[block].row_chunks,
            &mut rows,
        );
        rows.into_iter()
            .zip(columns)
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
