//! The tier without vector instructions: tables of 16 products for each nibble of an element.

use super::{
    field::Images,
    lanes::{Block, Lanes},
};

/// The 64 field elements of a block.
#[derive(Clone, Copy)]
pub(super) struct Scalar([u16; 64]);

impl Lanes for Scalar {
    const PARTS: usize = 1;
    /// For each of the four nibbles, lowest first, its 16 products.
    type Factor = [[u16; 16]; 4];
    type Ready<'f> = &'f Self::Factor;

    fn factor(images: &Images) -> Self::Factor {
        std::array::from_fn(|nibble| {
            std::array::from_fn(|value| {
                let bits = (0..4).filter(|bit| value >> bit & 1 == 1);
                bits.fold(0, |sum, bit| sum ^ images[4 * nibble + bit])
            })
        })
    }

    #[inline(always)]
    unsafe fn ready(factor: &Self::Factor) -> &Self::Factor {
        factor
    }

    #[inline(always)]
    unsafe fn load(block: &Block, _: usize) -> Self {
        Self(std::array::from_fn(|i| {
            u16::from_le_bytes([block.low[i], block.high[i]])
        }))
    }

    #[inline(always)]
    unsafe fn store(self, block: &mut Block, _: usize) {
        for (i, element) in self.0.into_iter().enumerate() {
            [block.low[i], block.high[i]] = element.to_le_bytes();
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }

    #[inline(always)]
    unsafe fn add_product(self, other: Self, factor: &Self::Factor) -> Self {
        Self(std::array::from_fn(|i| {
            self.0[i] ^ product(other.0[i], factor)
        }))
    }

    #[inline(always)]
    unsafe fn product(self, factor: &Self::Factor) -> Self {
        Self(self.0.map(|element| product(element, factor)))
    }
}

#[inline(always)]
fn product(element: u16, factor: &[[u16; 16]; 4]) -> u16 {
    let nibble = |n: usize| usize::from(element >> (4 * n) & 15);
    factor[0][nibble(0)] ^ factor[1][nibble(1)] ^ factor[2][nibble(2)] ^ factor[3][nibble(3)]
}
