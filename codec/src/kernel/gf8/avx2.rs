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
            Nibbles([
                nibbles(_mm256_loadu_si256(halves)),
                nibbles(_mm256_loadu_si256(halves.add(1))),
            ])
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
            let low = _mm_load_si128(factor.0[0].as_ptr().cast::<__m128i>());
            let high = _mm_load_si128(factor.0[1].as_ptr().cast::<__m128i>());
            let tables = [
                _mm256_broadcastsi128_si256(low),
                _mm256_broadcastsi128_si256(high),
            ];
            Self([
                add_look_up(self.0[0], tables, input.0[0]),
                add_look_up(self.0[1], tables, input.0[1]),
            ])
        }
    }
}

// Not closures: what lies between the intrinsics and the function that is compiled with the
// instructions must be inlined unconditionally.

/// The low and the high nibble of each byte.
#[inline(always)]
unsafe fn nibbles(bytes: __m256i) -> [__m256i; 2] {
    // SAFETY: the caller has AVX2.
    unsafe {
        let mask = _mm256_set1_epi8(15);
        let high = _mm256_srli_epi64::<4>(bytes);
        [_mm256_and_si256(bytes, mask), _mm256_and_si256(high, mask)]
    }
}

/// The sum plus what the tables say of the low and the high nibbles.
#[inline(always)]
unsafe fn add_look_up(sum: __m256i, tables: [__m256i; 2], nibbles: [__m256i; 2]) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe {
        let low = _mm256_shuffle_epi8(tables[0], nibbles[0]);
        let high = _mm256_shuffle_epi8(tables[1], nibbles[1]);
        _mm256_xor_si256(sum, _mm256_xor_si256(low, high))
    }
}
