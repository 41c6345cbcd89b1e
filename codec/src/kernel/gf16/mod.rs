//! The FFT code over GF(2^16), byte for byte that of `reed-solomon-simd` with one symbol as one of its
//! shards.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod field;
mod lanes;
mod pattern;
mod scalar;
mod shape;
mod strip;
mod transform;

use std::sync::{Arc, LazyLock};

use field::skews;
use lanes::{Block, Lanes};
use pattern::Erasures;
use scalar::Scalar;
use shape::Shape;

use super::{
    Tier,
    symbols::{Symbols, SymbolsMut},
};
use crate::pool::{Pool, sized};

/// A code of k source and m recovery symbols, k + m <= 1024.
pub(crate) struct Gf16 {
    shape: Shape,
    arithmetic: &'static dyn Arithmetic,
    work: Arc<Pool<Vec<Block>>>,
}

/// A set of k present positions, ready to restore the other source symbols from.
pub(crate) struct Gf16Pattern {
    erasures: Box<dyn Restore>,
    work: Arc<Pool<Vec<Block>>>,
}

impl Gf16 {
    /// The code on one tier; `None` where the tier has no code of its own here.
    pub(crate) fn new(tier: Tier, sources: usize, recoveries: usize) -> Option<Self> {
        let arithmetic = arithmetic(tier)?;
        let shape = Shape::new(sources, recoveries);
        assert!(
            shape.end().next_power_of_two() <= field::MAX_POSITIONS,
            "at most 1024 symbols"
        );
        Some(Self {
            shape,
            arithmetic,
            work: Arc::default(),
        })
    }

    /// k, the source symbols of a codeword.
    pub(crate) fn sources(&self) -> usize {
        self.shape.sources
    }

    /// Fills the m recovery symbols of `words` codewords from their k source symbols.
    pub(crate) fn extend(
        &self,
        words: usize,
        source: Symbols<'_>,
        recovery: &mut SymbolsMut<'_, '_>,
    ) {
        self.work.with(Vec::new, |work| {
            let work = sized(work, strip::work_blocks(2 * self.shape.chunk));
            self.arithmetic
                .extend(&self.shape, words, source, recovery, work);
        });
    }

    /// Prepares to restore the source positions `missing` from the k positions `present`.
    pub(crate) fn pattern(&self, present: &[usize], missing: &[usize]) -> Gf16Pattern {
        Gf16Pattern {
            erasures: self.arithmetic.erasures(&self.shape, present, missing),
            work: Arc::clone(&self.work),
        }
    }
}

impl Gf16Pattern {
    /// Fills the missing source symbols of `words` codewords, and no others, from the present symbols.
    pub(crate) fn restore(
        &self,
        words: usize,
        present: Symbols<'_>,
        sources: &mut SymbolsMut<'_, '_>,
    ) {
        self.work.with(Vec::new, |work| {
            self.erasures.restore(words, present, sources, work);
        });
    }
}

/// The code on one tier, without its vector type.
trait Arithmetic: Send + Sync {
    fn extend(
        &self,
        shape: &Shape,
        words: usize,
        source: Symbols<'_>,
        recovery: &mut SymbolsMut<'_, '_>,
        work: &mut [Block],
    );
    fn erasures(&self, shape: &Shape, present: &[usize], missing: &[usize]) -> Box<dyn Restore>;
}

/// Decoding on one tier, without its vector type.
trait Restore: Send + Sync {
    fn restore(
        &self,
        words: usize,
        present: Symbols<'_>,
        sources: &mut SymbolsMut<'_, '_>,
        work: &mut Vec<Block>,
    );
}

fn arithmetic(tier: Tier) -> Option<&'static dyn Arithmetic> {
    if !tier.is_available() {
        return None;
    }
    match tier {
        Tier::Portable => None,
        Tier::Scalar => Some(&*SCALAR),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => Some(&*AVX2),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => Some(&*AVX512),
        #[cfg(not(target_arch = "x86_64"))]
        Tier::Avx2 | Tier::Avx512 => None,
    }
}

/// The constants of the transform for one vector type. Made only by [`arithmetic`], which has checked
/// that the processor runs the tier.
struct Constants<L: Lanes>(Vec<L::Factor>);

impl<L: Lanes> Constants<L> {
    fn new() -> Self {
        Self(skews().iter().map(L::factor).collect())
    }
}

/// Compiles the strip loops with the instructions of a tier.
macro_rules! tier {
    ($constants:ident, $lanes:ty $(, $features:literal)?) => {
        static $constants: LazyLock<Constants<$lanes>> = LazyLock::new(Constants::new);

        impl Arithmetic for Constants<$lanes> {
            fn extend(
                &self,
                shape: &Shape,
                words: usize,
                source: Symbols<'_>,
                recovery: &mut SymbolsMut<'_, '_>,
                work: &mut [Block],
            ) {
                $(#[target_feature(enable = $features)])?
                unsafe fn enter(
                    skews: &[<$lanes as Lanes>::Factor],
                    shape: &Shape,
                    words: usize,
                    source: Symbols<'_>,
                    recovery: &mut SymbolsMut<'_, '_>,
                    work: &mut [Block],
                ) {
                    // SAFETY: this function is compiled with the instructions.
                    unsafe { strip::extend::<$lanes>(skews, shape, words, source, recovery, work) }
                }
                // SAFETY: constants exist only where the processor has the instructions.
                unsafe { enter(&self.0, shape, words, source, recovery, work) }
            }

            fn erasures(
                &self,
                shape: &Shape,
                present: &[usize],
                missing: &[usize],
            ) -> Box<dyn Restore> {
                Box::new(Erasures::<$lanes>::new(shape, present, missing))
            }
        }

        impl Restore for Erasures<$lanes> {
            fn restore(
                &self,
                words: usize,
                present: Symbols<'_>,
                sources: &mut SymbolsMut<'_, '_>,
                work: &mut Vec<Block>,
            ) {
                $(#[target_feature(enable = $features)])?
                unsafe fn enter(
                    skews: &[<$lanes as Lanes>::Factor],
                    erasures: &Erasures<$lanes>,
                    words: usize,
                    present: Symbols<'_>,
                    sources: &mut SymbolsMut<'_, '_>,
                    work: &mut [Block],
                ) {
                    // SAFETY: this function is compiled with the instructions.
                    unsafe {
                        strip::restore::<$lanes>(skews, erasures, words, present, sources, work);
                    }
                }
                let work = sized(work, strip::work_blocks(self.received.len()));
                // SAFETY: erasures are made by constants, which exist only where the processor has
                // the instructions.
                unsafe { enter(&$constants.0, self, words, present, sources, work) }
            }
        }
    };
}

tier!(SCALAR, Scalar);
#[cfg(target_arch = "x86_64")]
tier!(AVX2, avx2::Avx2, "avx2");
#[cfg(target_arch = "x86_64")]
tier!(AVX512, avx512::Avx512, "avx512f,avx512bw,avx512vl,gfni");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::symbols::Place;

    /// Codes of n = 65, 100, 256 and 1000, both axes, and the corners of the layout.
    const CODES: [(usize, usize); 12] = [
        (23, 42),
        (44, 21),
        (34, 66),
        (67, 33),
        (86, 170),
        (171, 85),
        (334, 666),
        (667, 333),
        (1, 1),
        (3, 3),
        (4, 6),
        (64, 64),
    ];
    const SIZES: [usize; 9] = [2, 6, 62, 64, 66, 130, 192, 320, 512];

    fn tiers() -> impl Iterator<Item = Tier> {
        Tier::ALL
            .into_iter()
            .filter(|tier| *tier != Tier::Portable && tier.is_available())
    }

    fn bytes(seed: u64, length: usize) -> Vec<u8> {
        let mut reader = blake3::Hasher::new()
            .update(&seed.to_le_bytes())
            .finalize_xof();
        let mut bytes = vec![0; length];
        reader.fill(&mut bytes);
        bytes
    }

    /// The symbols of three codewords, each at position after position.
    fn words(k: usize, size: usize) -> [Vec<u8>; 3] {
        [1, 2, 3].map(|seed| bytes(seed, k * size))
    }

    fn slices(words: &[Vec<u8>]) -> Vec<&[u8]> {
        words.iter().map(Vec::as_slice).collect()
    }

    /// Recovery symbols: of each position, those of the three codewords after 5 other bytes.
    fn extend(code: &Gf16, size: usize, source: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut lines = vec![vec![0; 5 + 3 * size]; code.shape.recoveries];
        let mut recovery: Vec<&mut [u8]> = lines.iter_mut().map(Vec::as_mut_slice).collect();
        code.extend(
            3,
            Symbols::new(&slices(source), Place::words(size, size)),
            &mut SymbolsMut::new(&mut recovery, Place::lines(size, 5)),
        );
        lines
    }

    #[test]
    fn every_tier_extends_as_the_defining_crate() {
        for (k, m) in CODES {
            for size in SIZES {
                let source = words(k, size);
                let expected = source.each_ref().map(|word| {
                    reed_solomon_simd::encode(k, m, word.chunks(size)).expect("a supported shape")
                });
                for tier in tiers() {
                    let code = Gf16::new(tier, k, m).expect("the tier is available");
                    for (i, line) in extend(&code, size, &source).iter().enumerate() {
                        for (symbol, expected) in line[5..].chunks(size).zip(&expected) {
                            assert_eq!(symbol, expected[i], "{tier} {k}+{m} {size} line {i}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_tier_restores_what_it_extended() {
        for (k, m) in CODES {
            for size in [2, 66, 320] {
                let source = words(k, size);
                for tier in tiers() {
                    let code = Gf16::new(tier, k, m).expect("the tier is available");
                    let recovery = extend(&code, size, &source);
                    let line = |position: usize| match position.checked_sub(k) {
                        None => source
                            .each_ref()
                            .map(|w| &w[position * size..][..size])
                            .concat(),
                        Some(recovered) => recovery[recovered][5..].to_vec(),
                    };
                    for keep in [0, k / 2, k.saturating_sub(1), k] {
                        // `keep` sources from the end, and recoveries spread over the rest.
                        let needed = k - keep;
                        if needed > m {
                            continue;
                        }
                        let mut present: Vec<usize> = (k - keep..k).collect();
                        present.extend((0..needed).map(|i| k + i * m / needed.max(1)));
                        let missing: Vec<usize> = (0..k - keep).collect();
                        let lines: Vec<Vec<u8>> = present.iter().map(|&p| line(p)).collect();
                        let mut restored = [(); 3].map(|()| vec![0; k * size]);
                        let mut sources = restored.each_mut().map(Vec::as_mut_slice);
                        code.pattern(&present, &missing).restore(
                            3,
                            Symbols::new(&slices(&lines), Place::lines(size, 0)),
                            &mut SymbolsMut::new(&mut sources, Place::words(size, size)),
                        );
                        for (restored, source) in restored.iter().zip(&source) {
                            let (restored, others) = restored.split_at((k - keep) * size);
                            assert!(source.starts_with(restored), "{tier} {k}+{m} {size}");
                            assert!(others.iter().all(|&byte| byte == 0));
                        }
                    }
                }
            }
        }
    }
}
