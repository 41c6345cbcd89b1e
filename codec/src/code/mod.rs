//! One dimension of the code: n symbols, any k of which give the other n - k.
//!
//! This trait is the seam between the matrix above and the arithmetic below. It knows no blobs, axes
//! or hashes, and its callers have checked every length: implementations may rely on the shapes.

mod fft16;
mod kernel16;
mod matrix8;

use crate::{
    Axis, ByAxis, Encoding, ShardCount, Tier,
    kernel::{
        gf16::Gf16,
        symbols::{Symbols, SymbolsMut},
    },
};

/// A systematic code over k source and n - k recovery symbols, of several codewords at once.
pub(crate) trait Code: Send + Sync {
    /// Fills the n - k recovery symbols of `words` codewords from their k source symbols.
    fn extend(&self, words: usize, source: Symbols<'_>, recovery: &mut SymbolsMut<'_, '_>);

    /// Prepares to restore from the k positions in `present` (ascending, distinct, below n).
    ///
    /// Whatever depends only on the positions is computed here, once for all codewords.
    fn pattern(&self, present: &[usize]) -> Box<dyn Pattern>;
}

/// A set of k present positions, ready to restore the others from.
pub(crate) trait Pattern: Send + Sync {
    /// Fills the k source symbols of `words` codewords from the k present ones, which are in the order
    /// of their positions.
    fn restore(&self, words: usize, present: Symbols<'_>, sources: &mut SymbolsMut<'_, '_>);
}

/// The codes along the slivers of both axes: `primary` has k2 source symbols, `secondary` k1.
pub(crate) type Codes = ByAxis<Box<dyn Code>>;

/// The codes of the encoding of `shards`, on own kernels where the tier has them.
pub(crate) fn codes(tier: Tier, shards: ShardCount) -> Codes {
    let n = usize::from(shards.get());
    ByAxis::from_fn(|axis: Axis| -> Box<dyn Code> {
        let k = usize::from(shards.source_symbols(axis));
        match Encoding::for_shards(shards) {
            Encoding::RedStuff8 => Box::new(matrix8::Matrix8::new(tier, k, n)),
            Encoding::RedStuff16 => match Gf16::new(tier, k, n - k) {
                Some(kernel) => Box::new(kernel),
                None => Box::new(fft16::Fft16::new(k, n)),
            },
        }
    })
}

/// Copies the source symbols that are present.
fn copy_present(
    k: usize,
    positions: &[usize],
    words: usize,
    present: Symbols<'_>,
    sources: &mut SymbolsMut<'_, '_>,
) {
    for (index, &position) in positions.iter().enumerate().filter(|(_, p)| **p < k) {
        for word in 0..words {
            sources
                .get_mut(position, word)
                .copy_from_slice(present.get(index, word));
        }
    }
}

/// The source positions that are not in `present`.
fn missing_sources(k: usize, present: &[usize]) -> Vec<usize> {
    (0..k)
        .filter(|position| present.binary_search(position).is_err())
        .collect()
}
