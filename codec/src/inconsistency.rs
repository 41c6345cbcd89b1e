//! Proofs that a segment's committed hashes are those of no bytes.
//!
//! A segment is consistent if its 2n sliver hashes equal those of the encoding of its bytes with zero
//! padding. Two kinds of proof cover every way to be otherwise: see [`InconsistencyProof::find`].

use serde::{Deserialize, Serialize};

use crate::{
    Axis, Codec, IndexError, SegmentIndex, SegmentMetadata, SliverIndex, SymbolError, SymbolIndex,
    SymbolProof, commit::hash_position, sliver::SliverBytes,
};

/// A proof that a segment is inconsistent, to be checked against its verified metadata.
///
/// # Layout
/// In BCS: segment u32 LE, then either 0 (mismatch), axis u8 and sliver u16 LE of the sliver whose hash
/// is wrong, ULEB128 count and that many [`SymbolProof`]s; or 1 (padding) and one [`SymbolProof`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InconsistencyProof {
    segment: SegmentIndex,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    /// Symbols of slivers of the other axis, each proved, decode to a sliver with another hash than
    /// the one committed to.
    Mismatch {
        axis: Axis,
        sliver: SliverIndex,
        symbols: Vec<SymbolProof>,
    },
    /// A proved source symbol holds a byte other than zero beyond the segment's end.
    Padding(SymbolProof),
}

/// Why something is no proof of inconsistency. Whoever made it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InconsistencyError {
    /// The proof is about another segment than the metadata.
    #[error("a proof about segment {proof} does not fit metadata of segment {metadata}")]
    Segment {
        /// The segment of the proof.
        proof: SegmentIndex,
        /// The segment of the metadata.
        metadata: SegmentIndex,
    },
    /// There is no such sliver.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A mismatch is shown by exactly as many symbols as rebuild the sliver.
    #[error("a mismatch of a {axis} sliver is shown by {expected} symbols, got {got}")]
    Count {
        /// The axis of the sliver.
        axis: Axis,
        /// The symbols that rebuild it.
        expected: usize,
        /// The symbols given.
        got: usize,
    },
    /// A symbol is not where the mismatch needs it: on the sliver, ascending, and proved against a
    /// sliver of the other axis.
    #[error("symbol {at}, proved against its {axis} sliver, is out of place")]
    Misplaced {
        /// Where the symbol lies.
        at: SymbolIndex,
        /// The axis of the sliver it is proved against.
        axis: Axis,
    },
    /// A symbol is not the committed one.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    /// Everything in the proof is true, and the segment may well be consistent.
    #[error("the symbols do not contradict the metadata of segment {segment}")]
    Consistent {
        /// The segment of the proof.
        segment: SegmentIndex,
    },
}

impl InconsistencyProof {
    /// A proof from the symbols of one sliver, each proved against its sliver of the other axis, as a
    /// failed recovery collects them. An error names the helper whose symbol is not the committed one.
    pub fn mismatch(
        codec: &Codec,
        metadata: &SegmentMetadata,
        axis: Axis,
        sliver: SliverIndex,
        mut symbols: Vec<SymbolProof>,
    ) -> Result<Self, InconsistencyError> {
        symbols.sort_by_key(SymbolProof::at);
        symbols.dedup_by_key(|symbol| symbol.at());
        symbols.truncate(metadata.layout().shards().source_symbols(axis).into());
        let kind = Kind::Mismatch {
            axis,
            sliver,
            symbols,
        };
        let proof = Self {
            segment: metadata.segment(),
            kind,
        };
        proof.verify(codec, metadata).map(|()| proof)
    }

    /// A proof from one source symbol beyond the segment's end.
    pub fn padding(
        codec: &Codec,
        metadata: &SegmentMetadata,
        symbol: SymbolProof,
    ) -> Result<Self, InconsistencyError> {
        let proof = Self {
            segment: metadata.segment(),
            kind: Kind::Padding(symbol),
        };
        proof.verify(codec, metadata).map(|()| proof)
    }

    /// The inconsistent segment.
    #[must_use]
    pub const fn segment(&self) -> SegmentIndex {
        self.segment
    }

    /// Checks the proof: `Ok` means that the segment is inconsistent.
    pub fn verify(
        &self,
        codec: &Codec,
        metadata: &SegmentMetadata,
    ) -> Result<(), InconsistencyError> {
        let (proof, of_metadata) = (self.segment, metadata.segment());
        if proof != of_metadata {
            return Err(InconsistencyError::Segment {
                proof,
                metadata: of_metadata,
            });
        }
        let shown = match &self.kind {
            Kind::Mismatch {
                axis,
                sliver,
                symbols,
            } => shows_mismatch(codec, metadata, *axis, *sliver, symbols)?,
            Kind::Padding(symbol) => {
                let symbol = symbol.verify(metadata)?;
                metadata.layout().has_dirty_padding(symbol.at, symbol.bytes)
            }
        };
        if shown {
            Ok(())
        } else {
            Err(InconsistencyError::Consistent {
                segment: self.segment,
            })
        }
    }

    /// The proof a reader holds after decoding an inconsistent segment to `matrix` from verified
    /// slivers of `axis`.
    ///
    /// Let E be the encoding of the matrix as it is. The slivers read are slivers of E. If a hash of
    /// the other axis differs from E's, they prove its symbols. If not, E's slivers of the other axis
    /// are the committed ones, and they prove the symbols of any sliver of this axis that differs. If
    /// no hash differs, the padding of the matrix is not zero, and E proves a symbol of it.
    pub(crate) fn find(
        codec: &Codec,
        metadata: &SegmentMetadata,
        axis: Axis,
        slivers: &[SliverBytes<'_>],
        matrix: &[u8],
    ) -> Self {
        let layout = metadata.layout();
        let encoded = codec.encode_matrix(layout, matrix);
        let wrong = |axis| {
            SliverIndex::all(layout.shards()).find(|&index| {
                let position = hash_position(axis, index);
                encoded.hashes()[position] != metadata.hashes()[position]
            })
        };
        let prove = |axis, index, bytes: &[u8], crossing| {
            let extended = codec.extend_bytes(layout, axis, index, bytes);
            extended.prove(crossing).expect("crossings are below n")
        };
        let sliver = |axis, index| encoded.sliver(axis, index).expect("indexes are below n");
        let other = axis.orthogonal();
        let kind = if let Some(target) = wrong(other) {
            let symbols = slivers
                .iter()
                .map(|&(index, bytes)| prove(axis, index, bytes, target));
            Kind::Mismatch {
                axis: other,
                sliver: target,
                symbols: symbols.collect(),
            }
        } else if let Some(target) = wrong(axis) {
            let helpers = (0..layout.shards().source_symbols(axis)).map(SliverIndex);
            let symbols = helpers.map(|index| prove(other, index, sliver(other, index), target));
            Kind::Mismatch {
                axis,
                sliver: target,
                symbols: symbols.collect(),
            }
        } else {
            let dirty = matrix[layout.length()..].iter().position(|&byte| byte != 0);
            let symbol = (layout.length() + dirty.unwrap_or(0)) / layout.symbol_size();
            let columns = usize::from(layout.shards().source_slivers().secondary);
            let index =
                |i: usize| SliverIndex(u16::try_from(i).expect("source symbols are below n"));
            let (row, column) = (index(symbol / columns), index(symbol % columns));
            let row_bytes = sliver(Axis::Primary, row);
            Kind::Padding(prove(Axis::Primary, row, row_bytes, column))
        };
        Self {
            segment: layout.index(),
            kind,
        }
    }
}

fn shows_mismatch(
    codec: &Codec,
    metadata: &SegmentMetadata,
    axis: Axis,
    sliver: SliverIndex,
    symbols: &[SymbolProof],
) -> Result<bool, InconsistencyError> {
    let layout = metadata.layout();
    let committed = metadata.sliver_hash(axis, sliver)?;
    let expected = usize::from(layout.shards().source_symbols(axis));
    if symbols.len() != expected {
        return Err(InconsistencyError::Count {
            axis,
            expected,
            got: symbols.len(),
        });
    }
    let mut helpers: Vec<SliverBytes<'_>> = Vec::with_capacity(expected);
    for proof in symbols {
        let symbol = proof.verify(metadata)?;
        let (on, helper) = (symbol.at.sliver(axis), symbol.at.sliver(axis.orthogonal()));
        let ascending = helpers.last().is_none_or(|(last, _)| *last < helper);
        if on != sliver || proof.axis() != axis.orthogonal() || !ascending {
            return Err(InconsistencyError::Misplaced {
                at: symbol.at,
                axis: proof.axis(),
            });
        }
        helpers.push((helper, symbol.bytes));
    }
    let decoded = codec.decode_slivers(layout, axis, 1, &helpers).concat();
    Ok(codec.extend_bytes(layout, axis, sliver, &decoded).hash() != committed)
}
