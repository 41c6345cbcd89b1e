//! The AVX-512 tier: multiplication by a constant is a 16 x 16 bit matrix, as four of the 8 x 8 ones
//! that GFNI multiplies by.

use std::arch::x86_64::{
    __m512i, _mm512_gf2p8affine_epi64_epi8, _mm512_load_si512, _mm512_set_epi64,
    _mm512_shuffle_i64x2, _mm512_store_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

use super::{
    field::Images,
    lanes::{Block, Lanes},
};

/// 32 elements: the low bytes in the lower half.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512i);

/// The bit matrices of a constant, from a byte of the element to a byte of the product.
#[derive(Clone, Copy)]
pub(super) struct Matrices {
    low_to_low: i64,
    high_to_low: i64,
    low_to_high: i64,
    high_to_high: i64,
}

/// The same for all bytes of a block: for those that stay in their half, and for those that change it.
#[derive(Clone, Copy)]
pub(super) struct Vectors {
    straight: __m512i,
    crossed: __m512i,
}

/// The matrix from byte `from` of an element to byte `to` of its product, as GFNI wants it: the row
/// of output bit i in byte 7 - i.
fn matrix(images: &Images, from: usize, to: usize) -> i64 {
    let row = |bit: usize| {
        let column = |b: usize| u8::from(images[8 * from + b] >> (8 * to + bit) & 1 == 1) << b;
        (0..8).map(column).sum()
    };
    i64::from_be_bytes(std::array::from_fn(row))
}

impl Lanes for Avx512 {
    type Factor = Matrices;
    type Ready<'f> = Vectors;

    fn factor(images: &Images) -> Matrices {
        Matrices {
            low_to_low: matrix(images, 0, 0),
            high_to_low: matrix(images, 1, 0),
            low_to_high: matrix(images, 0, 1),
            high_to_high: matrix(images, 1, 1),
        }
    }

    #[inline(always)]
    unsafe fn ready(factor: &Matrices) -> Vectors {
        let (ll, hl) = (factor.low_to_low, factor.high_to_low);
        let (lh, hh) = (factor.low_to_high, factor.high_to_high);
        // SAFETY: the caller has AVX-512.
        unsafe {
            Vectors {
                straight: _mm512_set_epi64(hh, hh, hh, hh, ll, ll, ll, ll),
                crossed: _mm512_set_epi64(lh, lh, lh, lh, hl, hl, hl, hl),
            }
        }
    }

    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        // SAFETY: a block is one aligned vector.
        unsafe { Self(_mm512_load_si512(std::ptr::from_ref(block).cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, block: &mut Block) {
        // SAFETY: a block is one aligned vector.
        unsafe { _mm512_store_si512(std::ptr::from_mut(block).cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has AVX-512.
        unsafe { Self(_mm512_xor_si512(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn add_product(self, other: Self, factor: Vectors) -> Self {
        /// a ^ b ^ c as a truth table.
        const XOR: i32 = 0x96;
        // SAFETY: the caller has AVX-512 with GFNI.
        unsafe {
            let (straight, crossed) = other.halves(factor);
            Self(_mm512_ternarylogic_epi64::<XOR>(self.0, straight, crossed))
        }
    }

    #[inline(always)]
    unsafe fn product(self, factor: Vectors) -> Self {
        // SAFETY: the caller has AVX-512 with GFNI.
        unsafe {
            let (straight, crossed) = self.halves(factor);
            Self(_mm512_xor_si512(straight, crossed))
        }
    }
}

impl Avx512 {
    /// The two summands of a product: bytes that stay in their half, and bytes that change it.
    #[inline(always)]
    unsafe fn halves(self, factor: Vectors) -> (__m512i, __m512i) {
        const SWAP: i32 = 0b01_00_11_10;
        // SAFETY: the caller has AVX-512 with GFNI.
        unsafe {
            let swapped = _mm512_shuffle_i64x2::<SWAP>(self.0, self.0);
            (
                _mm512_gf2p8affine_epi64_epi8::<0>(self.0, factor.straight),
                _mm512_gf2p8affine_epi64_epi8::<0>(swapped, factor.crossed),
            )
        }
    }
}
