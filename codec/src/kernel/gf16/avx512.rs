//! The AVX-512 tier: multiplication by a constant is a 16 x 16 bit matrix, as four of the 8 x 8 ones
//! that GFNI multiplies by.

use std::arch::x86_64::{
    __m512i, _mm512_gf2p8affine_epi64_epi8, _mm512_load_si512, _mm512_set1_epi64,
    _mm512_store_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

use super::{
    field::Images,
    lanes::{Block, Lanes},
};

/// The low and the high bytes of 64 elements.
#[derive(Clone, Copy)]
pub(super) struct Avx512 {
    low: __m512i,
    high: __m512i,
}

/// For each byte of the product, the bit matrices from the low and the high byte of the element.
#[derive(Clone, Copy)]
pub(super) struct Matrices<M>([[M; 2]; 2]);

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
    const PARTS: usize = 1;
    type Factor = Matrices<i64>;
    type Ready<'f> = Matrices<__m512i>;

    fn factor(images: &Images) -> Matrices<i64> {
        Matrices([0, 1].map(|to| [0, 1].map(|from| matrix(images, from, to))))
    }

    #[inline(always)]
    unsafe fn ready(factor: &Matrices<i64>) -> Matrices<__m512i> {
        let [[low_low, high_low], [low_high, high_high]] = factor.0;
        // SAFETY: the caller has AVX-512.
        unsafe {
            Matrices([
                [_mm512_set1_epi64(low_low), _mm512_set1_epi64(high_low)],
                [_mm512_set1_epi64(low_high), _mm512_set1_epi64(high_high)],
            ])
        }
    }

    #[inline(always)]
    unsafe fn load(block: &Block, _: usize) -> Self {
        // SAFETY: the rows of a block are aligned vectors.
        unsafe {
            Self {
                low: _mm512_load_si512(block.low.as_ptr().cast()),
                high: _mm512_load_si512(block.high.as_ptr().cast()),
            }
        }
    }

    #[inline(always)]
    unsafe fn store(self, block: &mut Block, _: usize) {
        // SAFETY: the rows of a block are aligned vectors.
        unsafe {
            _mm512_store_si512(block.low.as_mut_ptr().cast(), self.low);
            _mm512_store_si512(block.high.as_mut_ptr().cast(), self.high);
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has AVX-512.
        unsafe {
            Self {
                low: _mm512_xor_si512(self.low, other.low),
                high: _mm512_xor_si512(self.high, other.high),
            }
        }
    }

    #[inline(always)]
    unsafe fn add_product(self, other: Self, factor: Matrices<__m512i>) -> Self {
        /// a ^ b ^ c as a truth table.
        const XOR: i32 = 0x96;
        // SAFETY: the caller has AVX-512 with GFNI.
        unsafe {
            let [low, high] = other.summands(factor);
            Self {
                low: _mm512_ternarylogic_epi64::<XOR>(self.low, low[0], low[1]),
                high: _mm512_ternarylogic_epi64::<XOR>(self.high, high[0], high[1]),
            }
        }
    }

    #[inline(always)]
    unsafe fn product(self, factor: Matrices<__m512i>) -> Self {
        // SAFETY: the caller has AVX-512 with GFNI.
        unsafe {
            let [low, high] = self.summands(factor);
            Self {
                low: _mm512_xor_si512(low[0], low[1]),
                high: _mm512_xor_si512(high[0], high[1]),
            }
        }
    }
}

impl Avx512 {
    /// For each byte of the product, what the low and the high byte contribute.
    #[inline(always)]
    unsafe fn summands(self, factor: Matrices<__m512i>) -> [[__m512i; 2]; 2] {
        let [low, high] = factor.0;
        // SAFETY: the caller has AVX-512 with GFNI.
        unsafe {
            [
                [
                    _mm512_gf2p8affine_epi64_epi8::<0>(self.low, low[0]),
                    _mm512_gf2p8affine_epi64_epi8::<0>(self.high, low[1]),
                ],
                [
                    _mm512_gf2p8affine_epi64_epi8::<0>(self.low, high[0]),
                    _mm512_gf2p8affine_epi64_epi8::<0>(self.high, high[1]),
                ],
            ]
        }
    }
}
