//! One dimension of the code: n symbols, any k of which give the other n - k.
//!
//! This trait is the seam between the matrix above and the arithmetic below. It knows no blobs, axes
//! or hashes, and its callers have checked every length: implementations may rely on the shapes.

mod fft16;
mod kernel16;
mod matrix8;

use crate::{Axis, ByAxis, Encoding, ShardCount, Tier, kernel::gf16::Gf16};

/// A systematic code over k source and n - k recovery symbols.
///
/// Symbols are passed as *lines*: line `i` is a slice of one or more whole symbols, all at position
/// `i` of as many independent codewords. All lines of a call have the same length.
pub(crate) trait Code: Send + Sync {
    /// Fills the n - k `recovery` lines from the k `source` lines of symbols of `size` bytes.
    fn extend(&self, size: usize, source: &[&[u8]], recovery: &mut [&mut [u8]]);

    /// Prepares to restore from the k positions in `present` (ascending, distinct, below n).
    ///
    /// Whatever depends only on the positions is computed here, once for all codewords.
    fn pattern(&self, present: &[usize]) -> Box<dyn Pattern>;
}

/// A set of k present positions, ready to restore the others from.
pub(crate) trait Pattern: Send + Sync {
    /// The absent source positions, ascending.
    fn missing(&self) -> &[usize];

    /// Fills the `missing` source lines, in the order of [`missing`](Self::missing), from the k
    /// `present` lines, in the order of their positions.
    fn restore(&self, size: usize, present: &[&[u8]], missing: &mut [&mut [u8]]);
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

/// The source positions that are not in `present`.
fn missing_sources(k: usize, present: &[usize]) -> Vec<usize> {
    (0..k)
        .filter(|position| present.binary_search(position).is_err())
        .collect()
}
