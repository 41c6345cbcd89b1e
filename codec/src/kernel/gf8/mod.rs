//! Linear maps over GF(2^8), with the field of `reed-solomon-erasure`: what a matrix code encodes and
//! decodes with.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
mod scalar;

use lanes::{Map, VECTOR};
use reed_solomon_erasure::galois_8;

use super::Tier;

/// A matrix of coefficients, ready to be applied to lines of bytes.
pub(crate) struct Gf8(Box<dyn Apply>);

impl Gf8 {
    /// The map with one row of coefficients for each output; `None` where the tier has no code of its
    /// own here.
    pub(crate) fn new(tier: Tier, rows: &[Vec<u8>]) -> Option<Self> {
        if !tier.is_available() {
            return None;
        }
        match tier {
            Tier::Portable => None,
            Tier::Scalar => Some(Self(Box::new(Map::<scalar::Scalar, 4>::new(rows)))),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => Some(Self(Box::new(Map::<avx2::Avx2, 4>::new(rows)))),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512 => Some(Self(Box::new(Map::<avx512::Avx512, 8>::new(rows)))),
            #[cfg(not(target_arch = "x86_64"))]
            Tier::Avx2 | Tier::Avx512 => None,
        }
    }

    /// Fills each output line with the sum of the input lines times the row's coefficients. All lines
    /// have the same length.
    pub(crate) fn apply(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        self.0.apply(inputs, outputs);
    }
}

/// A map on one tier, without its vector type.
trait Apply: Send + Sync {
    fn apply(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]);
}

/// The products of one coefficient with each power of two.
type Images = [u8; 8];

fn images(coefficient: u8) -> Images {
    std::array::from_fn(|bit| galois_8::mul(coefficient, 1 << bit))
}

/// Compiles a map with the instructions of a tier.
macro_rules! tier {
    ($lanes:ty, $outputs:literal $(, $features:literal)?) => {
        impl Apply for Map<$lanes, $outputs> {
            fn apply(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
                $(#[target_feature(enable = $features)])?
                unsafe fn enter(
                    map: &Map<$lanes, $outputs>,
                    inputs: &[&[u8]],
                    outputs: &mut [&mut [u8]],
                ) {
                    // SAFETY: this function is compiled with the instructions.
                    unsafe { map.apply_lanes(inputs, outputs) }
                }
                // SAFETY: maps are made where the processor has the instructions.
                unsafe { enter(self, inputs, outputs) }
            }
        }
    };
}

tier!(scalar::Scalar, 4);
#[cfg(target_arch = "x86_64")]
tier!(avx2::Avx2, 4, "avx2");
#[cfg(target_arch = "x86_64")]
tier!(avx512::Avx512, 8, "avx512f,avx512bw,avx512vl,gfni");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tier_multiplies_as_the_defining_crate() {
        let tiers = Tier::ALL
            .into_iter()
            .filter(|t| *t != Tier::Portable && t.is_available());
        for tier in tiers {
            for (outputs, inputs) in [(1, 1), (3, 7), (8, 2), (9, 5), (42, 22), (21, 43), (0, 4)] {
                for length in [0, 1, 2, 63, 64, 65, 130, 256, 1000] {
                    let mut bytes = blake3::Hasher::new().finalize_xof();
                    let mut line = |length: usize| {
                        let mut line = vec![0; length];
                        bytes.fill(&mut line);
                        line
                    };
                    let rows: Vec<Vec<u8>> = (0..outputs).map(|_| line(inputs)).collect();
                    let lines: Vec<Vec<u8>> = (0..inputs).map(|_| line(length)).collect();
                    let mut expected = vec![vec![0; length]; outputs];
                    for (row, line) in rows.iter().zip(&mut expected) {
                        for (coefficient, input) in row.iter().zip(&lines) {
                            galois_8::mul_slice_xor(*coefficient, input, line);
                        }
                    }
                    let mut actual = vec![vec![0xAA; length]; outputs];
                    let mut outputs: Vec<&mut [u8]> =
                        actual.iter_mut().map(|l| &mut l[..]).collect();
                    let inputs: Vec<&[u8]> = lines.iter().map(|line| &line[..]).collect();
                    Gf8::new(tier, &rows)
                        .expect("available")
                        .apply(&inputs, &mut outputs);
                    assert!(actual == expected, "{tier} {rows:?} {length}");
                }
            }
        }
    }
}
