//! Rebuilds lost slivers of one segment from symbols of slivers of the other axis.
//!
//! Symbols come without proofs: their slivers' hashes are checked once after decoding, and only if
//! one differs are proofs asked for, which name either a liar or an inconsistent segment.

use rayon::prelude::*;

use crate::{
    Axis, Codec, IndexError, SegmentLayout, SegmentMetadata, SliverError, SliverIndex,
    VerifiedSliver,
    kernel::symbols::{Place, Symbols, SymbolsMut},
    sliver::SliverBytes,
};

/// What one helper sends: the symbols where its sliver crosses each of the targets.
#[derive(Clone, Copy, Debug)]
pub struct HelperSymbols<'a> {
    /// The helper's sliver, of the axis orthogonal to the targets.
    pub sliver: SliverIndex,
    /// One symbol for each target, in their order.
    pub symbols: &'a [u8],
}

/// Why nothing was recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// There is no such sliver.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A helper's symbols are not as many bytes as there are targets.
    #[error("helper {sliver} must send {expected} bytes, got {got}")]
    Size {
        /// The helper's sliver.
        sliver: SliverIndex,
        /// S for each target.
        expected: usize,
        /// The bytes given.
        got: usize,
    },
    /// There are too few different helpers.
    #[error("{needed} helpers are needed to recover {axis} slivers, got {got}")]
    TooFew {
        /// The axis of the targets.
        axis: Axis,
        /// How many symbols rebuild a sliver of this axis.
        needed: usize,
        /// The different helpers given.
        got: usize,
    },
}

impl Codec {
    /// Rebuilds the slivers `targets` of `axis` and checks each against the metadata.
    ///
    /// Helpers beyond those needed are ignored. The results are in the order of the targets; a
    /// [`SliverError::Hash`] says that a symbol is wrong or the segment inconsistent.
    pub fn recover_slivers(
        &self,
        metadata: &SegmentMetadata,
        axis: Axis,
        targets: &[SliverIndex],
        helpers: &[HelperSymbols<'_>],
    ) -> Result<Vec<Result<VerifiedSliver, SliverError>>, RecoverError> {
        let layout = metadata.layout();
        for target in targets {
            target.within(layout.shards())?;
        }
        let expected = targets.len() * layout.symbol_size();
        for helper in helpers {
            helper.sliver.within(layout.shards())?;
            if helper.symbols.len() != expected {
                let (sliver, got) = (helper.sliver, helper.symbols.len());
                return Err(RecoverError::Size {
                    sliver,
                    expected,
                    got,
                });
            }
        }
        let mut helpers: Vec<_> = helpers.iter().map(|h| (h.sliver, h.symbols)).collect();
        helpers.sort_by_key(|(sliver, _)| *sliver);
        helpers.dedup_by_key(|(sliver, _)| *sliver);
        let needed = usize::from(layout.shards().source_symbols(axis));
        if helpers.len() < needed {
            return Err(RecoverError::TooFew {
                axis,
                needed,
                got: helpers.len(),
            });
        }
        helpers.truncate(needed);

        let slivers = self.decode_slivers(layout, axis, targets.len(), &helpers);
        Ok(self.run(|| {
            let checked = targets
                .par_iter()
                .zip(slivers)
                .map(|(&target, bytes)| self.verify_sliver(metadata, axis, target, bytes));
            checked.collect()
        }))
    }

    /// Decodes `count` slivers of `axis` from lines of symbols: one line for each of exactly as many
    /// helpers as needed, ascending, with one symbol for each sliver.
    pub(crate) fn decode_slivers(
        &self,
        layout: &SegmentLayout,
        axis: Axis,
        count: usize,
        helpers: &[SliverBytes<'_>],
    ) -> Vec<Vec<u8>> {
        let size = layout.symbol_size();
        let codes = self.codes(layout.shards());
        let (positions, lines): (Vec<usize>, Vec<&[u8]>) = helpers
            .iter()
            .map(|(helper, symbols)| (usize::from(helper.get()), *symbols))
            .unzip();
        let mut slivers = vec![vec![0; layout.sliver_size(axis)]; count];
        let mut words: Vec<&mut [u8]> = slivers.iter_mut().map(Vec::as_mut_slice).collect();
        codes.get(axis).pattern(&positions).restore(
            count,
            Symbols::new(&lines, Place::lines(size, 0)),
            &mut SymbolsMut::new(&mut words, Place::words(size, size)),
        );
        slivers
    }
}
