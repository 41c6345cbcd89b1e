//! What a tier provides: vectors of field elements and multiplication by a constant.

use super::field::Images;
use crate::kernel::copy::copy_short;

/// 64 field elements, their low and their high bytes apart, so that a product by a constant is four
/// products of bytes at one place.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Block {
    pub(super) low: [u8; 64],
    pub(super) high: [u8; 64],
}

impl Default for Block {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Block {
    pub(super) const ZERO: Self = Self {
        low: [0; 64],
        high: [0; 64],
    };

    /// Sets half of the elements from 64 bytes of a symbol: in symbols, the low bytes of 32 elements
    /// come before their high bytes.
    #[inline(always)]
    pub(super) fn put_piece(&mut self, half: usize, piece: &[u8; 64]) {
        let (low, high) = piece.split_at(32);
        self.low[32 * half..][..32].copy_from_slice(low);
        self.high[32 * half..][..32].copy_from_slice(high);
    }

    /// The inverse of [`put_piece`](Self::put_piece).
    #[inline(always)]
    pub(super) fn take_piece(&self, half: usize, piece: &mut [u8; 64]) {
        let (low, high) = piece.split_at_mut(32);
        low.copy_from_slice(&self.low[32 * half..][..32]);
        high.copy_from_slice(&self.high[32 * half..][..32]);
    }

    /// Packs what a symbol has beyond its whole pieces, as tail number `tail` of those of this length.
    /// In symbols, the low bytes of a tail are its first half.
    #[inline(always)]
    pub(super) fn put_tail(&mut self, tail: usize, bytes: &[u8]) {
        let (low, high) = bytes.split_at(bytes.len() / 2);
        copy_short(low, &mut self.low[tail * low.len()..]);
        copy_short(high, &mut self.high[tail * high.len()..]);
    }

    /// The inverse of [`put_tail`](Self::put_tail).
    #[inline(always)]
    pub(super) fn take_tail(&self, tail: usize, bytes: &mut [u8]) {
        let half = bytes.len() / 2;
        let (low, high) = bytes.split_at_mut(half);
        copy_short(&self.low[tail * half..][..half], low);
        copy_short(&self.high[tail * half..][..half], high);
    }
}

/// Arithmetic on a part of a block, in the registers of one tier.
///
/// # Safety
///
/// All methods may only be called where the instructions of the tier are available, from functions
/// compiled with them (so that the methods are inlined into those).
pub(super) trait Lanes: Copy {
    /// How many of these make up a block.
    const PARTS: usize;
    /// A constant, prepared for multiplication.
    type Factor: Copy + Send + Sync;
    /// The same in registers, if it fits there, for many multiplications.
    type Ready<'f>: Copy;

    /// Prepares a constant.
    fn factor(images: &Images) -> Self::Factor;

    unsafe fn ready(factor: &Self::Factor) -> Self::Ready<'_>;
    /// Part `part` of the block.
    unsafe fn load(block: &Block, part: usize) -> Self;
    unsafe fn store(self, block: &mut Block, part: usize);
    unsafe fn add(self, other: Self) -> Self;
    /// self + other * factor
    unsafe fn add_product(self, other: Self, factor: Self::Ready<'_>) -> Self;
    unsafe fn product(self, factor: Self::Ready<'_>) -> Self;
}
