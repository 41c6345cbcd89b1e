//! The AVX2 tier: two look-ups of 16 products for every byte.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_load_si128, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_loadu_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi64, _mm256_storeu_si256, _mm256_xor_si256,
};

use super::{Images, VECTOR, lanes::Lanes, scalar::Scalar};

/// 64 bytes.
#[derive(Clone, Copy)]
pub(super) struct Avx2([__m256i; 2]);

/// The low and the high nibbles of 64 bytes.
#[derive(Clone, Copy)]
pub(super) struct Nibbles([[__m256i; 2]; 2]);

/// The products of the low and of the high nibble.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Tables([[u8; 16]; 2]);

impl Lanes for Avx2 {
    type Factor = Tables;
    type Input = Nibbles;

    fn factor(images: &Images) -> Tables {
        Tables(Scalar::factor(images))
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has AVX2.
        unsafe { Self([_mm256_setzero_si256(); 2]) }
    }

    #[inline(always)]
    unsafe fn input(bytes: &[u8; VECTOR]) -> Nibbles {
        let halves = bytes.as_ptr().cast::<__m256i>();
        // SAFETY: the caller has AVX2; 64 bytes are two vectors.
        unsafe {
            let mask = _mm256_set1_epi8(15);
            Nibbles([0, 1].map(|half| {
                let bytes = _mm256_loadu_si256(halves.add(half));
                [
                    _mm256_and_si256(bytes, mask),
                    _mm256_and_si256(_mm256_srli_epi64::<4>(bytes), mask),
                ]
            }))
        }
    }

    #[inline(always)]
    unsafe fn store(self, bytes: &mut [u8; VECTOR]) {
        let halves = bytes.as_mut_ptr().cast::<__m256i>();
        // SAFETY: the caller has AVX2; 64 bytes are two vectors.
        unsafe {
            _mm256_storeu_si256(halves, self.0[0]);
            _mm256_storeu_si256(halves.add(1), self.0[1]);
        }
    }

    #[inline(always)]
    unsafe fn add_product(self, input: Nibbles, factor: &Tables) -> Self {
        // SAFETY: the caller has AVX2; tables are aligned to 16 bytes.
        unsafe {
            let [low, high] = [0, 1].map(|nibble: usize| {
                let table = factor.0[nibble].as_ptr().cast::<__m128i>();
                _mm256_broadcastsi128_si256(_mm_load_si128(table))
            });
            Self([0, 1].map(|half: usize| {
                let [low_nibbles, high_nibbles] = input.0[half];
                let product = _mm256_xor_si256(
                    _mm256_shuffle_epi8(low, low_nibbles),
                    _mm256_shuffle_epi8(high, high_nibbles),
                );
                _mm256_xor_si256(self.0[half], product)
            }))
        }
    }
}
