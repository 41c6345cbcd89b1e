//! What a tier provides: vectors of 32 field elements and multiplication by a constant.

use super::field::Images;

/// 32 field elements as the defining crate lays them out in a symbol: the 32 low bytes, then the 32
/// high bytes.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Block(pub(super) [u8; 64]);

impl Default for Block {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Block {
    pub(super) const ZERO: Self = Self([0; 64]);

    /// Packs what a symbol has beyond its whole blocks, as tail number `tail` of those of this length.
    /// In symbols, the low bytes of a tail are its first half.
    #[inline(always)]
    pub(super) fn put_tail(&mut self, tail: usize, bytes: &[u8]) {
        let (low, high) = bytes.split_at(bytes.len() / 2);
        copy_short(low, &mut self.0[tail * low.len()..]);
        copy_short(high, &mut self.0[32 + tail * high.len()..]);
    }

    /// The inverse of [`put_tail`](Self::put_tail).
    #[inline(always)]
    pub(super) fn take_tail(&self, tail: usize, bytes: &mut [u8]) {
        let half = bytes.len() / 2;
        let (low, high) = bytes.split_at_mut(half);
        copy_short(&self.0[tail * half..][..half], low);
        copy_short(&self.0[32 + tail * half..][..half], high);
    }
}

/// Copies less than 32 bytes to the start of `to`, without a call.
#[inline(always)]
fn copy_short(from: &[u8], to: &mut [u8]) {
    let to = &mut to[..from.len()];
    let done = copy_ends::<16>(from, to)
        || copy_ends::<8>(from, to)
        || copy_ends::<4>(from, to)
        || copy_ends::<2>(from, to);
    if let (false, [from], [to]) = (done, from, to) {
        *to = *from;
    }
}

/// Copies the first and the last N bytes, which may overlap, if there are as many.
#[inline(always)]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) -> bool {
    let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
        return false;
    };
    if let Some(to) = to.first_chunk_mut() {
        *to = *first;
    }
    if let Some(to) = to.last_chunk_mut() {
        *to = *last;
    }
    true
}

/// Arithmetic on the 32 elements of a block, in the registers of one tier.
///
/// # Safety
///
/// All methods may only be called where the instructions of the tier are available, from functions
/// compiled with them (so that the methods are inlined into those).
pub(super) trait Lanes: Copy {
    /// A constant, prepared for multiplication.
    type Factor: Copy + Send + Sync;
    /// The same in registers, if it fits there, for many multiplications.
    type Ready<'f>: Copy;

    /// Prepares a constant.
    fn factor(images: &Images) -> Self::Factor;

    unsafe fn ready(factor: &Self::Factor) -> Self::Ready<'_>;
    unsafe fn load(block: &Block) -> Self;
    unsafe fn store(self, block: &mut Block);
    unsafe fn add(self, other: Self) -> Self;
    /// self + other * factor
    unsafe fn add_product(self, other: Self, factor: Self::Ready<'_>) -> Self;
    unsafe fn product(self, factor: Self::Ready<'_>) -> Self;
}
