//! The AVX-512 tier: multiplication by a coefficient is an 8 x 8 bit matrix, which GFNI multiplies by
//! whatever the field's polynomial.

use std::arch::x86_64::{
    __m512i, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_storeu_si512, _mm512_xor_si512,
};

use super::{Images, VECTOR, lanes::Lanes};

/// 64 bytes.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512i);

impl Lanes for Avx512 {
    /// The row of output bit i in byte 7 - i.
    type Factor = u64;
    type Input = __m512i;

    fn factor(images: &Images) -> u64 {
        let row = |bit: usize| (0..8).map(|b| (images[b] >> bit & 1) << b).sum();
        u64::from_be_bytes(std::array::from_fn(row))
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has AVX-512.
        unsafe { Self(_mm512_setzero_si512()) }
    }

    #[inline(always)]
    unsafe fn input(bytes: &[u8; VECTOR]) -> __m512i {
        // SAFETY: the caller has AVX-512; 64 bytes are one vector.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, bytes: &mut [u8; VECTOR]) {
        // SAFETY: the caller has AVX-512; 64 bytes are one vector.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add_product(self, input: __m512i, factor: &u64) -> Self {
        // SAFETY: the caller has AVX-512 with GFNI.
        unsafe {
            let matrix = _mm512_set1_epi64(factor.cast_signed());
            Self(_mm512_xor_si512(
                self.0,
                _mm512_gf2p8affine_epi64_epi8::<0>(input, matrix),
            ))
        }
    }
}
