//! What is held of what is live: sequence numbers, bitmaps, and how they are compared.
//!
//! Pure. A bit of the inventory is a cache of "the slivers of all segments are indexed"; only live
//! sequence numbers count, so bits of ended blobs need no clearing.

use std::fmt;

/// The number a blob gets when it becomes live: dense, in event order, the same on every node,
/// never reused. A blob that ends and is certified again gets a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobSeq(pub u64);

impl BlobSeq {
    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number `count` later.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }

    /// The page its bit lies in.
    pub(crate) fn page(self) -> u32 {
        // 2^42 blobs are out of reach of any chain; all beyond would share the last page.
        u32::try_from(self.0 / Bitmap::BITS).unwrap_or(u32::MAX)
    }

    pub(crate) const fn bit(self) -> u64 {
        self.0 % Bitmap::BITS
    }

    /// The first of a page.
    pub(crate) const fn first_of(page: u32) -> Self {
        Self(page as u64 * Bitmap::BITS)
    }
}

impl fmt::Display for BlobSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One bit for each sequence number of a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bitmap([u8; Self::BYTES]);

impl Default for Bitmap {
    fn default() -> Self {
        Self([0; Self::BYTES])
    }
}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.ones()).finish()
    }
}

impl Bitmap {
    const BYTES: usize = 128;
    /// Sequence numbers in a page.
    pub const BITS: u64 = 8 * Self::BYTES as u64;

    pub(crate) const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bits, least significant first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Whether a bit is set; bits beyond the page are not.
    #[must_use]
    pub fn get(&self, bit: u64) -> bool {
        let byte = usize::try_from(bit / 8).ok().and_then(|at| self.0.get(at));
        byte.is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }

    /// Sets or clears a bit of the page.
    pub fn set(&mut self, bit: u64, value: bool) {
        if let Some(byte) = usize::try_from(bit / 8)
            .ok()
            .and_then(|at| self.0.get_mut(at))
        {
            let mask = 1 << (bit % 8);
            *byte = if value { *byte | mask } else { *byte & !mask };
        }
    }

    /// The bits set here and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut difference = *self;
        for (byte, other) in difference.0.iter_mut().zip(other.0) {
            *byte &= !other;
        }
        difference
    }

    /// How many bits are set.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// The positions of the bits set, ascending.
    pub fn ones(&self) -> impl Iterator<Item = u64> + '_ {
        (0..Self::BITS).filter(|&bit| self.get(bit))
    }
}

/// What one shard holds on one axis, at one cursor of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InventorySummary {
    /// Every live blob with a smaller sequence number is held completely.
    pub complete_up_to: BlobSeq,
    /// Live blobs of which a sliver is missing.
    pub missing: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bitmaps_are_sets(
            a in prop::collection::btree_set(0..Bitmap::BITS, 0..40),
            b in prop::collection::btree_set(0..Bitmap::BITS, 0..40),
        ) {
            let of = |set: &std::collections::BTreeSet<u64>| {
                let mut bitmap = Bitmap::default();
                set.iter().for_each(|&bit| bitmap.set(bit, true));
                bitmap
            };
            let difference = of(&a).without(&of(&b));
            prop_assert!(difference.ones().eq(a.difference(&b).copied()));
            prop_assert_eq!(of(&a).count(), a.len() as u64);
            let mut cleared = of(&a);
            a.iter().for_each(|&bit| cleared.set(bit, false));
            prop_assert_eq!(cleared, Bitmap::default());
        }
    }

    #[test]
    fn pages_are_of_1024() {
        assert_eq!((BlobSeq(1023).page(), BlobSeq(1023).bit()), (0, 1023));
        assert_eq!((BlobSeq(1024).page(), BlobSeq(1024).bit()), (1, 0));
        assert_eq!(BlobSeq::first_of(2), BlobSeq(2048));
    }
}
