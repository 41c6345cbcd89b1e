//! The additive FFT over GF(2^16) and its inverse, two layers at a time.
//!
//! The transform of Lin, Chung and Han ("Novel Polynomial Basis and Its Application to Reed-Solomon
//! Erasure Codes", FOCS 2014), with the constants of the defining crate. A butterfly is a += c b;
//! b += a, and its inverse b += a; a += c b. A position holds W blocks, so one constant serves 32 W
//! codewords.
//!
//! Butterflies run depth first: a group is finished before the next one of its width begins, so all
//! but the widest groups are worked on in the first-level cache, and positions are read and written
//! while they are there.
//!
//! Loops count and index: what lies between the intrinsics and the function that is compiled with the
//! instructions must be inlined unconditionally, which neither closures nor the adapters of the
//! standard library's iterators can ask for.

use super::lanes::{Block, Lanes};

/// One position of the transform.
pub(super) type Position<const W: usize> = [Block; W];

/// What happens to a position where it enters or leaves a transform.
pub(super) trait End<const W: usize> {
    /// # Safety
    ///
    /// As [`forward`].
    unsafe fn pass(&mut self, index: usize, position: &mut Position<W>);
}

/// Evaluates: the first `used` positions of `work` become values of the polynomial in `from`, or in
/// `work` itself, and leave through `end`.
///
/// The number of positions is a power of two; `delta` is the first point of evaluation.
///
/// # Safety
///
/// Called from a function compiled with the instructions of the tier.
#[inline(always)]
pub(super) unsafe fn forward<L: Lanes, const W: usize>(
    skews: &[L::Factor],
    from: Option<&[Position<W>]>,
    work: &mut [Position<W>],
    used: usize,
    delta: usize,
    mut end: impl End<W>,
) {
    let size = work.len();
    // The narrowest groups: of a quad, or of a quad and the pairs below it.
    let narrow = match size {
        1 | 2 => size,
        _ if size.trailing_zeros().is_multiple_of(2) => 4,
        _ => 8,
    };
    if let (1 | 2, Some(from)) = (size, from) {
        work.copy_from_slice(from);
    }
    let mut start = 0;
    while start < used {
        let mut span = size;
        while span >= 4 && span >= narrow {
            if start.is_multiple_of(span) {
                let quarter = span / 4;
                let group = &mut work[start..start + span];
                // SAFETY: as the caller's.
                unsafe {
                    let factors = Forward(factors::<L>(skews, start + delta, quarter));
                    match from {
                        Some(from) if span == size => {
                            quads_from::<L, W>(from, group, quarter, factors);
                        }
                        _ => quads::<L, W>(group, quarter, factors),
                    }
                }
            }
            span /= 4;
        }
        let group = &mut work[start..start + narrow];
        if matches!(narrow, 2 | 8) {
            for pair in 0..narrow / 2 {
                // SAFETY: as the caller's.
                unsafe {
                    let factor = L::ready(&skews[start + 2 * pair + delta]);
                    pairs::<L, W>(&mut group[2 * pair..2 * pair + 2], Forward(factor));
                }
            }
        }
        // SAFETY: as the caller's.
        unsafe { pass(group, start, used, &mut end) };
        start += narrow;
    }
}

/// Interpolates: the inverse of [`forward`]. The first `used` positions of `work` come through `end`,
/// the others are zero.
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
    mut end: impl End<W>,
) {
    let size = work.len();
    let narrow = size.min(4);
    work[used..].fill([Block::ZERO; W]);
    let mut start = 0;
    while start < used {
        let group = &mut work[start..start + narrow];
        // SAFETY: as the caller's.
        unsafe { pass(group, start, used, &mut end) };
        // Wider groups follow where this was the last part of them that is not zero.
        let mut span = 4;
        while span <= size {
            let group = start - start % span;
            let is_last = start + narrow >= used || (start + narrow).is_multiple_of(span);
            if !is_last {
                break;
            }
            let quarter = span / 4;
            // SAFETY: as the caller's.
            unsafe {
                let factors = Inverse(factors::<L>(skews, group + delta, quarter));
                let group = &mut work[group..group + span];
                quads::<L, W>(group, quarter, factors);
            }
            span *= 4;
        }
        start += narrow;
    }
    if !size.trailing_zeros().is_multiple_of(2) {
        // SAFETY: as the caller's.
        unsafe {
            let factor = L::ready(&skews[size / 2 + delta - 1]);
            pairs::<L, W>(work, Inverse(factor));
        }
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
        // SAFETY: as the caller's.
        unsafe { add::<L, W>(below, above) };
    }
}

/// sums += summands
///
/// # Safety
///
/// As [`forward`].
#[inline(always)]
pub(super) unsafe fn add<L: Lanes, const W: usize>(
    sums: &mut [Position<W>],
    summands: &[Position<W>],
) {
    let summands = &summands[..sums.len()];
    for i in 0..sums.len() {
        for w in 0..W {
            let sum = &mut sums[i][w];
            // SAFETY: as the caller's.
            unsafe { L::load(sum).add(L::load(&summands[i][w])).store(sum) };
        }
    }
}

/// Takes the positions from `start` on that are below `used` through `end`.
#[inline(always)]
unsafe fn pass<const W: usize>(
    group: &mut [Position<W>],
    start: usize,
    used: usize,
    end: &mut impl End<W>,
) {
    for i in 0..group.len().min(used - start) {
        // SAFETY: as the caller's.
        unsafe { end.pass(start + i, &mut group[i]) };
    }
}

/// What one or two layers do to values that meet in them.
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

impl<'f, L: Lanes> Butterflies<L, 4> for Forward<[L::Ready<'f>; 3]> {
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

impl<'f, L: Lanes> Butterflies<L, 4> for Inverse<[L::Ready<'f>; 3]> {
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

impl<'f, L: Lanes> Butterflies<L, 2> for Forward<L::Ready<'f>> {
    #[inline(always)]
    unsafe fn apply(&self, [a, b]: [L; 2]) -> [L; 2] {
        // SAFETY: as the caller's.
        unsafe {
            let a = a.add_product(b, self.0);
            [a, b.add(a)]
        }
    }
}

impl<'f, L: Lanes> Butterflies<L, 2> for Inverse<L::Ready<'f>> {
    #[inline(always)]
    unsafe fn apply(&self, [a, b]: [L; 2]) -> [L; 2] {
        // SAFETY: as the caller's.
        unsafe {
            let b = b.add(a);
            [a.add_product(b, self.0), b]
        }
    }
}

/// The factors of a quad whose group starts at `point`.
#[inline(always)]
unsafe fn factors<L: Lanes>(
    skews: &[L::Factor],
    point: usize,
    quarter: usize,
) -> [L::Ready<'_>; 3] {
    let left = point + quarter - 1;
    // SAFETY: as the caller's.
    unsafe {
        [
            L::ready(&skews[left]),
            L::ready(&skews[left + quarter]),
            L::ready(&skews[left + 2 * quarter]),
        ]
    }
}

/// Applies `butterflies` to the positions that are a quarter of the group apart.
#[inline(always)]
unsafe fn quads<L: Lanes, const W: usize>(
    group: &mut [Position<W>],
    quarter: usize,
    butterflies: impl Butterflies<L, 4>,
) {
    let (a, rest) = group.split_at_mut(quarter);
    let (b, rest) = rest.split_at_mut(quarter);
    let (c, d) = rest.split_at_mut(quarter);
    let d = &mut d[..quarter];
    for i in 0..quarter {
        for w in 0..W {
            // SAFETY: as the caller's.
            unsafe {
                let inputs = [
                    L::load(&a[i][w]),
                    L::load(&b[i][w]),
                    L::load(&c[i][w]),
                    L::load(&d[i][w]),
                ];
                let outputs = butterflies.apply(inputs);
                outputs[0].store(&mut a[i][w]);
                outputs[1].store(&mut b[i][w]);
                outputs[2].store(&mut c[i][w]);
                outputs[3].store(&mut d[i][w]);
            }
        }
    }
}

/// As [`quads`], but takes the positions `from` elsewhere.
#[inline(always)]
unsafe fn quads_from<L: Lanes, const W: usize>(
    from: &[Position<W>],
    group: &mut [Position<W>],
    quarter: usize,
    butterflies: impl Butterflies<L, 4>,
) {
    let (from, group) = (&from[..4 * quarter], &mut group[..4 * quarter]);
    for i in 0..quarter {
        let (b, c, d) = (i + quarter, i + 2 * quarter, i + 3 * quarter);
        for w in 0..W {
            // SAFETY: as the caller's.
            unsafe {
                let inputs = [
                    L::load(&from[i][w]),
                    L::load(&from[b][w]),
                    L::load(&from[c][w]),
                    L::load(&from[d][w]),
                ];
                let outputs = butterflies.apply(inputs);
                outputs[0].store(&mut group[i][w]);
                outputs[1].store(&mut group[b][w]);
                outputs[2].store(&mut group[c][w]);
                outputs[3].store(&mut group[d][w]);
            }
        }
    }
}

/// Applies `butterflies` to the positions that are half of the group apart.
#[inline(always)]
unsafe fn pairs<L: Lanes, const W: usize>(
    group: &mut [Position<W>],
    butterflies: impl Butterflies<L, 2>,
) {
    let half = group.len() / 2;
    let (a, b) = group.split_at_mut(half);
    let b = &mut b[..half];
    for i in 0..half {
        for w in 0..W {
            // SAFETY: as the caller's.
            unsafe {
                let outputs = butterflies.apply([L::load(&a[i][w]), L::load(&b[i][w])]);
                outputs[0].store(&mut a[i][w]);
                outputs[1].store(&mut b[i][w]);
            }
        }
    }
}
