//! The additive FFT over GF(2^16) and its inverse, in place, two layers at a time.
//!
//! The transform of Lin, Chung and Han ("Novel Polynomial Basis and Its Application to Reed-Solomon
//! Erasure Codes", FOCS 2014), in the order and with the constants of the defining crate. A butterfly
//! is a += c b; b += a, and its inverse b += a; a += c b. A position holds W blocks, so one constant
//! serves 32 W codewords.

use super::lanes::{Block, Lanes};

/// One position of the transform.
pub(super) type Position<const W: usize> = [Block; W];

/// Evaluates: the first `used` positions of `work` become values of the polynomial in it.
///
/// The number of positions is a power of two; `delta` is the first point of evaluation.
///
/// # Safety
///
/// Called from a function compiled with the instructions of the tier.
#[inline(always)]
pub(super) unsafe fn forward<L: Lanes, const W: usize>(
    skews: &[L::Factor],
    work: &mut [Position<W>],
    used: usize,
    delta: usize,
) {
    let mut span = work.len();
    while span >= 4 {
        let quarter = span / 4;
        for (start, group) in groups(work, span, used) {
            let at = start + quarter + delta - 1;
            let factors = [&skews[at], &skews[at + quarter], &skews[at + 2 * quarter]];
            // SAFETY: as the caller's.
            unsafe { quads::<L, W>(group, quarter, Forward(factors)) };
        }
        span = quarter;
    }
    if span == 2 {
        for (start, group) in groups(work, 2, used) {
            let factor = &skews[start + delta];
            // SAFETY: as the caller's.
            unsafe { pairs::<L, W>(group, Forward(factor)) };
        }
    }
}

/// Interpolates: the inverse of [`forward`], given that positions from `used` on are zero.
///
/// # Safety
///
/// As [`forward`].
#[inline(always)]
pub(super) unsafe fn inverse<L: Lanes, const W: usize>(
    skews: &[L::Factor],
    work: &mut [Position<W>],
    used: usize,
    delta: usize,
) {
    let size = work.len();
    let mut quarter = 1;
    while 4 * quarter <= size {
        for (start, group) in groups(work, 4 * quarter, used) {
            let at = start + quarter + delta - 1;
            let factors = [&skews[at], &skews[at + quarter], &skews[at + 2 * quarter]];
            // SAFETY: as the caller's.
            unsafe { quads::<L, W>(group, quarter, Inverse(factors)) };
        }
        quarter *= 4;
    }
    if 2 * quarter == size {
        let factor = &skews[quarter + delta - 1];
        // SAFETY: as the caller's.
        unsafe { pairs::<L, W>(work, Inverse(factor)) };
    }
}

/// The formal derivative of the polynomial in `work`, in the transform's basis.
///
/// # Safety
///
/// As [`forward`].
#[inline(always)]
pub(super) unsafe fn derive<L: Lanes, const W: usize>(work: &mut [Position<W>]) {
    for middle in 1..work.len() {
        let width = 1 << middle.trailing_zeros();
        let (below, above) = work[middle - width..middle + width].split_at_mut(width);
        for (sum, summand) in below.iter_mut().zip(&*above) {
            // SAFETY: as the caller's.
            unsafe { add_position::<L, W>(sum, summand) };
        }
    }
}

/// sum += summand
///
/// # Safety
///
/// As [`forward`].
#[inline(always)]
pub(super) unsafe fn add_position<L: Lanes, const W: usize>(
    sum: &mut Position<W>,
    summand: &Position<W>,
) {
    for (sum, summand) in sum.iter_mut().zip(summand) {
        // SAFETY: as the caller's.
        unsafe { L::load(sum).add(L::load(summand)).store(sum) };
    }
}

/// What one or two layers do to values that meet in them.
///
/// A trait and not a closure: everything between the intrinsics and the function that is compiled
/// with the instructions must be inlined unconditionally, and closures cannot ask for that.
trait Butterflies<L, const VALUES: usize> {
    /// # Safety
    ///
    /// As [`forward`].
    unsafe fn apply(&self, values: [L; VALUES]) -> [L; VALUES];
}

/// Butterflies with the factors of the left pair, across the pairs, and of the right pair; or of the
/// only pair.
struct Forward<F>(F);

/// The same, undone.
struct Inverse<F>(F);

impl<L: Lanes> Butterflies<L, 4> for Forward<[&L::Factor; 3]> {
    #[inline(always)]
    unsafe fn apply(&self, [a, b, c, d]: [L; 4]) -> [L; 4] {
        let [left, across, right] = self.0;
        // SAFETY: as the caller's.
        unsafe {
            let a = a.add_product(c, across);
            let b = b.add_product(d, across);
            let (c, d) = (c.add(a), d.add(b));
            let a = a.add_product(b, left);
            let c = c.add_product(d, right);
            [a, b.add(a), c, d.add(c)]
        }
    }
}

impl<L: Lanes> Butterflies<L, 4> for Inverse<[&L::Factor; 3]> {
    #[inline(always)]
    unsafe fn apply(&self, [a, b, c, d]: [L; 4]) -> [L; 4] {
        let [left, across, right] = self.0;
        // SAFETY: as the caller's.
        unsafe {
            let (b, d) = (b.add(a), d.add(c));
            let a = a.add_product(b, left);
            let c = c.add_product(d, right);
            let (c, d) = (c.add(a), d.add(b));
            [a.add_product(c, across), b.add_product(d, across), c, d]
        }
    }
}

impl<L: Lanes> Butterflies<L, 2> for Forward<&L::Factor> {
    #[inline(always)]
    unsafe fn apply(&self, [a, b]: [L; 2]) -> [L; 2] {
        // SAFETY: as the caller's.
        unsafe {
            let a = a.add_product(b, self.0);
            [a, b.add(a)]
        }
    }
}

impl<L: Lanes> Butterflies<L, 2> for Inverse<&L::Factor> {
    #[inline(always)]
    unsafe fn apply(&self, [a, b]: [L; 2]) -> [L; 2] {
        // SAFETY: as the caller's.
        unsafe {
            let b = b.add(a);
            [a.add_product(b, self.0), b]
        }
    }
}

/// The groups of `span` positions that start below `used`, with where they start.
#[inline(always)]
fn groups<const W: usize>(
    work: &mut [Position<W>],
    span: usize,
    used: usize,
) -> impl Iterator<Item = (usize, &mut [Position<W>])> {
    work.chunks_exact_mut(span)
        .take(used.div_ceil(span))
        .enumerate()
        .map(move |(index, group)| (index * span, group))
}

/// Applies `butterfly` to the positions that are a quarter of the group apart.
#[inline(always)]
unsafe fn quads<L: Lanes, const W: usize>(
    group: &mut [Position<W>],
    quarter: usize,
    butterflies: impl Butterflies<L, 4>,
) {
    let (a, rest) = group.split_at_mut(quarter);
    let (b, rest) = rest.split_at_mut(quarter);
    let (c, d) = rest.split_at_mut(quarter);
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        for w in 0..W {
            // SAFETY: as the caller's.
            unsafe {
                let outputs = butterflies.apply([
                    L::load(&a[w]),
                    L::load(&b[w]),
                    L::load(&c[w]),
                    L::load(&d[w]),
                ]);
                outputs[0].store(&mut a[w]);
                outputs[1].store(&mut b[w]);
                outputs[2].store(&mut c[w]);
                outputs[3].store(&mut d[w]);
            }
        }
    }
}

/// Applies `butterfly` to the positions that are half of the group apart.
#[inline(always)]
unsafe fn pairs<L: Lanes, const W: usize>(
    group: &mut [Position<W>],
    butterflies: impl Butterflies<L, 2>,
) {
    let (a, b) = group.split_at_mut(group.len() / 2);
    for (a, b) in a.iter_mut().zip(b) {
        for w in 0..W {
            // SAFETY: as the caller's.
            unsafe {
                let outputs = butterflies.apply([L::load(&a[w]), L::load(&b[w])]);
                outputs[0].store(&mut a[w]);
                outputs[1].store(&mut b[w]);
            }
        }
    }
}
