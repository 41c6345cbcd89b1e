//! Slivers that were checked against their segment's metadata, and the symbols of their extension.

use rayon::prelude::*;

use crate::{
    Axis, Codec, IndexError, Opening, SegmentIndex, SegmentLayout, SegmentMetadata, SegmentRoot,
    SliverHash, SliverIndex, SymbolIndex,
    commit::{self, ChunkTree, Level},
    kernel::symbols::{Place, Symbols, SymbolsMut},
    proof::SymbolProof,
};

/// A sliver whose bytes are the committed ones.
///
/// `B` is however the bytes are held. Only checking against metadata makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSliver<B = Vec<u8>> {
    axis: Axis,
    index: SliverIndex,
    bytes: B,
    segment: SegmentLayout,
    root: SegmentRoot,
}

/// A sliver's position on an axis known from the context, and bytes of it.
pub(crate) type SliverBytes<'a> = (SliverIndex, &'a [u8]);

/// Why bytes are not a sliver of the segment. Whoever sent them is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SliverError {
    /// There is no such sliver.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The size is not the one that follows from the layout.
    #[error("{axis} sliver {index} has {expected} bytes, got {got}")]
    Size {
        /// The axis of the sliver.
        axis: Axis,
        /// The index of the sliver.
        index: SliverIndex,
        /// The bytes it must have.
        expected: usize,
        /// The bytes given.
        got: usize,
    },
    /// The bytes are not the committed ones.
    #[error("{axis} sliver {index} of segment {segment} must have hash {expected}, has {got}")]
    Hash {
        /// The axis of the sliver.
        axis: Axis,
        /// The index of the sliver.
        index: SliverIndex,
        /// The segment of the sliver.
        segment: SegmentIndex,
        /// The hash in the metadata.
        expected: SliverHash,
        /// The hash of the bytes.
        got: SliverHash,
    },
}

/// A sliver extended to its n symbols, with their hashes.
#[derive(Clone, Debug)]
pub struct ExtendedSliver {
    axis: Axis,
    index: SliverIndex,
    symbol_size: usize,
    symbols: Vec<u8>,
    hashes: ChunkTree,
}

impl Codec {
    /// Checks that `bytes` are sliver `index` of `axis` of the segment.
    pub fn verify_sliver<B: AsRef<[u8]>>(
        &self,
        metadata: &SegmentMetadata,
        axis: Axis,
        index: SliverIndex,
        bytes: B,
    ) -> Result<VerifiedSliver<B>, SliverError> {
        let segment = *metadata.layout();
        let expected = metadata.sliver_hash(axis, index)?;
        let size = segment.sliver_size(axis);
        if bytes.as_ref().len() != size {
            let got = bytes.as_ref().len();
            return Err(SliverError::Size {
                axis,
                index,
                expected: size,
                got,
            });
        }
        let got = self
            .extend_bytes(&segment, axis, index, bytes.as_ref())
            .hash();
        if got != expected {
            let segment = segment.index();
            return Err(SliverError::Hash {
                axis,
                index,
                segment,
                expected,
                got,
            });
        }
        Ok(VerifiedSliver {
            axis,
            index,
            bytes,
            segment,
            root: *metadata.root(),
        })
    }

    /// Checks many slivers at once; the results are in the order of the slivers.
    pub fn verify_slivers<B: AsRef<[u8]> + Send>(
        &self,
        metadata: &SegmentMetadata,
        slivers: Vec<(Axis, SliverIndex, B)>,
    ) -> Vec<Result<VerifiedSliver<B>, SliverError>> {
        self.run(|| {
            let checked = slivers
                .into_par_iter()
                .map(|(axis, index, bytes)| self.verify_sliver(metadata, axis, index, bytes));
            checked.collect()
        })
    }

    /// Extends a sliver to its n symbols, to serve some of them, with proofs if asked.
    pub fn extend_sliver<B: AsRef<[u8]>>(&self, sliver: &VerifiedSliver<B>) -> ExtendedSliver {
        self.extend_bytes(&sliver.segment, sliver.axis, sliver.index, sliver.bytes())
    }

    /// For the benchmark: the hashes of rows or columns, whose symbols are zero-padded to `padded` bytes.
    #[doc(hidden)]
    #[must_use]
    pub fn hash_for_benchmark(&self, padded: usize, lines: &[Vec<u8>]) -> Vec<SliverHash> {
        let mut hashes = Vec::new();
        let hash = |line: &Vec<u8>| {
            hashes.resize(line.len() / padded, [0; 32]);
            commit::symbol_hashes(self.tier(), padded, line, &mut hashes);
            SliverHash::from_bytes(Level::sliver().hash(&hashes))
        };
        lines.iter().map(hash).collect()
    }

    /// Extends bytes of the right size, whatever they are.
    pub(crate) fn extend_bytes(
        &self,
        segment: &SegmentLayout,
        axis: Axis,
        index: SliverIndex,
        bytes: &[u8],
    ) -> ExtendedSliver {
        let (size, n) = (segment.symbol_size(), usize::from(segment.shards().get()));
        let padded = commit::padded(size);
        let mut symbols = vec![0; n * padded];
        for (place, symbol) in symbols
            .chunks_exact_mut(padded)
            .zip(bytes.chunks_exact(size))
        {
            place[..size].copy_from_slice(symbol);
        }
        let (own, recovery) = symbols.split_at_mut(bytes.len() / size * padded);
        let place = Place::words(size, padded);
        self.codes(segment.shards()).get(axis).extend(
            1,
            Symbols::new(&[&*own], place),
            &mut SymbolsMut::new(&mut [recovery], place),
        );
        let mut hashes = vec![[0; 32]; n];
        commit::symbol_hashes(self.tier(), padded, &symbols, &mut hashes);
        let hashes = ChunkTree::new(Level::sliver(), hashes);
        ExtendedSliver {
            axis,
            index,
            symbol_size: size,
            symbols,
            hashes,
        }
    }
}

impl<B: AsRef<[u8]>> VerifiedSliver<B> {
    /// The axis of the sliver.
    pub const fn axis(&self) -> Axis {
        self.axis
    }

    /// The index of the sliver on its axis.
    pub const fn index(&self) -> SliverIndex {
        self.index
    }

    /// The shape of the segment it is part of.
    pub const fn segment(&self) -> &SegmentLayout {
        &self.segment
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// The bytes as they were given.
    pub fn into_bytes(self) -> B {
        self.bytes
    }

    /// Whether this sliver is of the segment that `metadata` describes.
    pub(crate) fn is_of(&self, metadata: &SegmentMetadata) -> bool {
        self.root == *metadata.root() && self.segment == *metadata.layout()
    }

    /// The first symbol of this sliver that holds a byte other than zero beyond the segment's end.
    ///
    /// Such a sliver is the committed one, and proves that its segment is inconsistent: see
    /// [`InconsistencyProof::padding`](crate::InconsistencyProof::padding).
    pub fn dirty_padding(&self) -> Option<SymbolIndex> {
        let size = self.segment.symbol_size();
        (0..self.segment.shards().source_symbols(self.axis))
            .map(SliverIndex)
            .find_map(|crossing| {
                let at = SymbolIndex::at(self.axis, self.index, crossing);
                let start = usize::from(crossing.get()) * size;
                let symbol = &self.bytes()[start..start + size];
                self.segment.has_dirty_padding(at, symbol).then_some(at)
            })
    }
}

impl ExtendedSliver {
    /// The hash of the sliver.
    #[must_use]
    pub fn hash(&self) -> SliverHash {
        SliverHash::from_bytes(self.hashes.root())
    }

    /// The symbol where this sliver crosses `crossing` of the orthogonal axis.
    pub fn symbol(&self, crossing: SliverIndex) -> Result<&[u8], IndexError> {
        let position = self.position(crossing)?;
        let start = position * commit::padded(self.symbol_size);
        Ok(&self.symbols[start..start + self.symbol_size])
    }

    /// That symbol with its opening to this sliver's hash.
    pub fn prove(&self, crossing: SliverIndex) -> Result<SymbolProof, IndexError> {
        let opening: Opening = self.hashes.open(self.position(crossing)?);
        let at = SymbolIndex::at(self.axis, self.index, crossing);
        Ok(SymbolProof::new(
            at,
            self.axis,
            self.symbol(crossing)?.to_vec(),
            opening,
        ))
    }

    fn position(&self, crossing: SliverIndex) -> Result<usize, IndexError> {
        let (position, count) = (usize::from(crossing.get()), self.hashes.entries().len());
        if position < count {
            Ok(position)
        } else {
            let (index, count) = (crossing.get().into(), crate::layout::size_u64(count));
            Err(IndexError {
                what: "symbol",
                index,
                count,
            })
        }
    }
}
