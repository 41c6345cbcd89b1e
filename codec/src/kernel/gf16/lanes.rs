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

    /// The block of the first (at most) 64 bytes of `symbol`. A block cut short has its low bytes in
    /// the first half of what is there.
    #[inline(always)]
    pub(super) fn read(symbol: &[u8]) -> Self {
        if let Some(whole) = symbol.first_chunk() {
            return Self(*whole);
        }
        let mut block = Self::ZERO;
        let (low, high) = symbol.split_at(symbol.len() / 2);
        block.0[..low.len()].copy_from_slice(low);
        block.0[32..][..high.len()].copy_from_slice(high);
        block
    }

    /// The inverse of [`read`](Self::read).
    #[inline(always)]
    pub(super) fn write(&self, symbol: &mut [u8]) {
        if let Some(whole) = symbol.first_chunk_mut() {
            *whole = self.0;
            return;
        }
        let half = symbol.len() / 2;
        let (low, high) = symbol.split_at_mut(half);
        low.copy_from_slice(&self.0[..half]);
        high.copy_from_slice(&self.0[32..][..half]);
    }
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

    /// Prepares a constant.
    fn factor(images: &Images) -> Self::Factor;

    unsafe fn load(block: &Block) -> Self;
    unsafe fn store(self, block: &mut Block);
    unsafe fn add(self, other: Self) -> Self;
    /// self + other * factor
    unsafe fn add_product(self, other: Self, factor: &Self::Factor) -> Self;
    unsafe fn product(self, factor: &Self::Factor) -> Self;
}
