//! GF(2^16) as the defining crate represents it, reduced to what the transform needs: the image of
//! each bit under multiplication by a constant, and the constants of the transform.

use std::sync::LazyLock;

use reed_solomon_simd::engine::{GF_MODULUS, tables};

/// Multiplication by a constant as a linear map: entry b is the constant times 2^b.
pub(super) type Images = [u16; 16];

/// Positions of a transform: at most two chunks of 1024, or one of 2048 for decoding.
pub(super) const MAX_POSITIONS: usize = 2048;

/// Multiplication by the element with this discrete logarithm.
pub(super) fn images_of_log(log: u16) -> Images {
    let tables = tables::get_exp_log();
    std::array::from_fn(|bit| tables::mul(1 << bit, log, &tables.exp, &tables.log))
}

/// The constants of the butterflies, by position; zero where a butterfly only adds.
pub(super) fn skews() -> &'static [Images] {
    static SKEWS: LazyLock<Vec<Images>> = LazyLock::new(|| {
        let logs = &tables::get_skew()[..2 * MAX_POSITIONS];
        let images = |&log: &u16| {
            if log == GF_MODULUS {
                [0; 16]
            } else {
                images_of_log(log)
            }
        };
        logs.iter().map(images).collect()
    });
    &SKEWS
}
