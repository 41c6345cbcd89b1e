//! The AVX2 tier: products by look-ups of 16 bytes at a time, one table for each nibble and each half
//! of the product.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_load_si128, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_load_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi64, _mm256_store_si256, _mm256_xor_si256,
};

use super::{
    field::Images,
    lanes::{Block, Lanes},
    scalar::Scalar,
};

/// The low and the high bytes of 32 elements.
#[derive(Clone, Copy)]
pub(super) struct Avx2 {
    low: __m256i,
    high: __m256i,
}

/// For each nibble, lowest first, the low and the high bytes of its 16 products.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tables([[[u8; 16]; 2]; 4]);

impl Lanes for Avx2 {
    const PARTS: usize = 2;
    type Factor = Tables;
    type Ready<'f> = &'f Tables;

    fn factor(images: &Images) -> Tables {
        let products = Scalar::factor(images);
        Tables(products.map(|nibble| {
            let bytes = nibble.map(u16::to_le_bytes);
            [bytes.map(|[low, _]| low), bytes.map(|[_, high]| high)]
        }))
    }

    #[inline(always)]
    unsafe fn ready(factor: &Tables) -> &Tables {
        factor
    }

    #[inline(always)]
    unsafe fn load(block: &Block, part: usize) -> Self {
        let (low, high) = (
            &block.low.as_chunks::<32>().0[part],
            &block.high.as_chunks::<32>().0[part],
        );
        // SAFETY: the halves of a block's rows are aligned vectors.
        unsafe {
            Self {
                low: _mm256_load_si256(low.as_ptr().cast()),
                high: _mm256_load_si256(high.as_ptr().cast()),
            }
        }
    }

    #[inline(always)]
    unsafe fn store(self, block: &mut Block, part: usize) {
        let low = &mut block.low.as_chunks_mut::<32>().0[part];
        let high = &mut block.high.as_chunks_mut::<32>().0[part];
        // SAFETY: the halves of a block's rows are aligned vectors.
        unsafe {
            _mm256_store_si256(low.as_mut_ptr().cast(), self.low);
            _mm256_store_si256(high.as_mut_ptr().cast(), self.high);
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe {
            Self {
                low: _mm256_xor_si256(self.low, other.low),
                high: _mm256_xor_si256(self.high, other.high),
            }
        }
    }

    #[inline(always)]
    unsafe fn add_product(self, other: Self, factor: &Tables) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe { self.add(other.product(factor)) }
    }

    #[inline(always)]
    unsafe fn product(self, factor: &Tables) -> Self {
        // SAFETY: the caller has AVX2; tables are aligned to 16 bytes.
        unsafe {
            let mask = _mm256_set1_epi8(15);
            let nibbles = [
                _mm256_and_si256(self.low, mask),
                _mm256_and_si256(_mm256_srli_epi64::<4>(self.low), mask),
                _mm256_and_si256(self.high, mask),
                _mm256_and_si256(_mm256_srli_epi64::<4>(self.high), mask),
            ];
            Self {
                low: look_up(factor, 0, &nibbles),
                high: look_up(factor, 1, &nibbles),
            }
        }
    }
}

/// The sum of the products of the four nibbles, as far as it goes to one half of the element.
///
/// Not a closure: what lies between the intrinsics and the function that is compiled with the
/// instructions must be inlined unconditionally.
#[inline(always)]
unsafe fn look_up(factor: &Tables, half: usize, nibbles: &[__m256i; 4]) -> __m256i {
    // SAFETY: the caller has AVX2; tables are aligned to 16 bytes.
    unsafe {
        let mut sum = _mm256_setzero_si256();
        for (tables, nibble) in factor.0.iter().zip(nibbles) {
            let table = tables[half].as_ptr().cast::<__m128i>();
            let table = _mm256_broadcastsi128_si256(_mm_load_si128(table));
            sum = _mm256_xor_si256(sum, _mm256_shuffle_epi8(table, *nibble));
        }
        sum
    }
}
