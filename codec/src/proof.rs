//! One symbol with the proof that it is the committed one.

use serde::{Deserialize, Serialize};

use crate::{
    Axis, IndexError, Opening, OpeningError, SegmentLayout, SegmentMetadata, SliverHash,
    SymbolIndex,
    commit::{self, Level},
};

/// A symbol and its opening to the hash of one of the two slivers it lies on.
///
/// # Layout
/// row u16 LE, column u16 LE, axis u8 (whose sliver hash the opening leads to), ULEB128 S and the S
/// bytes of the symbol, the [`Opening`]. This is its BCS form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolProof {
    at: SymbolIndex,
    axis: Axis,
    symbol: Vec<u8>,
    opening: Opening,
}

/// A symbol that its proof showed to be the committed one of its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenSymbol<'a> {
    /// Where it lies.
    pub at: SymbolIndex,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Why a proof does not show its symbol. Whoever made it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// There is no such symbol.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The size is not the one that follows from the layout.
    #[error("symbol {at} has {expected} bytes, got {got}")]
    Size {
        /// Where the symbol lies.
        at: SymbolIndex,
        /// S.
        expected: usize,
        /// The bytes given.
        got: usize,
    },
    /// The opening has not the length its place implies.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The symbol and its opening lead to another hash.
    #[error("symbol {at} leads to {axis} sliver hash {got}, the metadata has {expected}")]
    Hash {
        /// Where the symbol lies.
        at: SymbolIndex,
        /// The axis of the sliver it was proved against.
        axis: Axis,
        /// The hash in the metadata.
        expected: SliverHash,
        /// Where the opening leads.
        got: SliverHash,
    },
}

impl SymbolProof {
    pub(crate) const fn new(
        at: SymbolIndex,
        axis: Axis,
        symbol: Vec<u8>,
        opening: Opening,
    ) -> Self {
        Self {
            at,
            axis,
            symbol,
            opening,
        }
    }

    /// Where the symbol is claimed to lie.
    #[must_use]
    pub const fn at(&self) -> SymbolIndex {
        self.at
    }

    /// The axis of the sliver whose hash it is proved against.
    #[must_use]
    pub const fn axis(&self) -> Axis {
        self.axis
    }

    /// Checks the proof against the metadata of the segment.
    pub fn verify(&self, metadata: &SegmentMetadata) -> Result<ProvenSymbol<'_>, SymbolError> {
        let layout = metadata.layout();
        let at = self.at.within(layout.shards())?;
        if self.symbol.len() != layout.symbol_size() {
            let (expected, got) = (layout.symbol_size(), self.symbol.len());
            return Err(SymbolError::Size { at, expected, got });
        }
        let expected = metadata.sliver_hash(self.axis, at.sliver(self.axis))?;
        let position = at.sliver(self.axis.orthogonal()).get().into();
        let entry = commit::symbol_hash(&self.symbol);
        let count = layout.shards().get().into();
        let got = self.opening.root(Level::sliver(), entry, position, count)?;
        let got = SliverHash::from_bytes(got);
        if got != expected {
            return Err(SymbolError::Hash {
                at,
                axis: self.axis,
                expected,
                got,
            });
        }
        Ok(ProvenSymbol {
            at,
            bytes: &self.symbol,
        })
    }
}

impl SegmentLayout {
    /// Whether a symbol holds a byte other than zero beyond the segment's end.
    ///
    /// Parity has no padding.
    #[must_use]
    pub(crate) fn has_dirty_padding(&self, at: SymbolIndex, symbol: &[u8]) -> bool {
        let k = self.shards().source_slivers();
        if at.row.get() >= k.primary || at.column.get() >= k.secondary {
            return false;
        }
        let before =
            usize::from(at.row.get()) * usize::from(k.secondary) + usize::from(at.column.get());
        let start = before * self.symbol_size();
        let filled = self.length().saturating_sub(start).min(symbol.len());
        symbol[filled..].iter().any(|&byte| byte != 0)
    }
}
