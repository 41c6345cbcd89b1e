//! The tier without vector instructions: a table of 16 products for each nibble.

use super::{Images, VECTOR, lanes::Lanes};

/// 64 bytes.
#[derive(Clone, Copy)]
pub(super) struct Scalar([u8; VECTOR]);

impl Lanes for Scalar {
    /// The products of the low and of the high nibble.
    type Factor = [[u8; 16]; 2];
    type Input = [u8; VECTOR];

    fn factor(images: &Images) -> Self::Factor {
        std::array::from_fn(|nibble| {
            std::array::from_fn(|value| {
                let bits = (0..4).filter(|bit| value >> bit & 1 == 1);
                bits.fold(0, |sum, bit| sum ^ images[4 * nibble + bit])
            })
        })
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0; VECTOR])
    }

    #[inline(always)]
    unsafe fn input(bytes: &[u8; VECTOR]) -> Self::Input {
        *bytes
    }

    #[inline(always)]
    unsafe fn store(self, bytes: &mut [u8; VECTOR]) {
        *bytes = self.0;
    }

    #[inline(always)]
    unsafe fn add_product(self, input: Self::Input, factor: &Self::Factor) -> Self {
        let product =
            |byte: u8| factor[0][usize::from(byte & 15)] ^ factor[1][usize::from(byte >> 4)];
        Self(std::array::from_fn(|i| self.0[i] ^ product(input[i])))
    }
}
