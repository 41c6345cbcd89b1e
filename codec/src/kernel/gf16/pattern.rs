//! What decoding needs to know of a set of present symbols: the erasure locator, computed once for
//! all codewords.

use reed_solomon_simd::engine::{DefaultEngine, Engine, GF_MODULUS, GF_ORDER};

use super::{field::images_of_log, lanes::Lanes, shape::Shape};

/// Which positions are there, and what to multiply by.
pub(super) struct Erasures<L: Lanes> {
    /// One more than the last position of the codeword.
    pub(super) end: usize,
    /// For each position of the transform, a power of two of them: the present symbol that goes there,
    /// and the locator's value.
    pub(super) received: Vec<Option<(usize, L::Factor)>>,
    /// For each position to evaluate in the end: the missing source symbol that it is, and the inverse
    /// of the locator's derivative.
    pub(super) restored: Vec<Option<(usize, L::Factor)>>,
}

impl<L: Lanes> Erasures<L> {
    /// `present` holds k codeword positions, `missing` the source positions that are not among them.
    pub(super) fn new(shape: &Shape, present: &[usize], missing: &[usize]) -> Self {
        let end = shape.end();
        let size = end.next_power_of_two();
        let mut lines = vec![None; size];
        for (line, &index) in present.iter().enumerate() {
            lines[shape.position(index)] = Some(line);
        }

        // The locator vanishes at the erased positions. Positions between the two kinds of symbol are
        // known zeros in the low-rate layout and unknown in the high-rate one; behind the codeword it
        // is the other way round.
        let mut locator = Box::new([0; GF_ORDER]);
        for index in 0..shape.sources + shape.recoveries {
            let position = shape.position(index);
            locator[position] = u16::from(lines[position].is_none());
        }
        if shape.high_rate {
            locator[shape.recoveries..shape.chunk].fill(1);
            DefaultEngine::eval_poly(&mut locator, end);
        } else {
            locator[end..].fill(1);
            DefaultEngine::eval_poly(&mut locator, GF_ORDER);
        }

        let factor = |log| L::factor(&images_of_log(log));
        let received = lines.into_iter().enumerate();
        let received = received.map(|(position, line)| Some((line?, factor(locator[position]))));
        let wanted = if shape.high_rate { end } else { shape.sources };
        let mut restored = vec![None; wanted];
        for &index in missing {
            let position = shape.position(index);
            restored[position] = Some((index, factor(GF_MODULUS - locator[position])));
        }
        Self {
            end,
            received: received.collect(),
            restored,
        }
    }
}
