//! The additive FFT over GF(2^16) and its inverse, two layers at a time.
//!
//! The transform of Lin, Chung and Han ("Novel Polynomial Basis and Its Application to Reed-Solomon
//! Erasure Codes", FOCS 2014), with the constants of the defining crate. A butterfly is a += c b;
//! b += a, and its inverse b += a; a += c b. A position holds W blocks, so one constant serves 64 W
//! elements.
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
    let narrow = narrow(size);
    if let (true, Some(from)) = (size == narrow, from) {
        work.copy_from_slice(from);
    }
    let mut start = 0;
    while start < used {
        let mut span = size;
        while span > narrow {
            if start & (span - 1) == 0 {
                let group = &mut work[start..start + span];
                // SAFETY: as the caller's.
                unsafe {
                    let factors = factors::<L>(skews, start + delta, span);
                    match from {
                        Some(from) if span == size => {
                            quads_from::<L, W>(from, group, factors);
                        }
                        _ => quads::<L, Forward, W>(group, factors),
                    }
                }
            }
            span /= 4;
        }
        let group = &mut work[start..start + narrow];
        // SAFETY: as the caller's.
        unsafe {
            narrow_group::<L, Forward, W>(skews, group, start + delta);
            pass(group, start, used, &mut end);
        }
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
    let narrow = narrow(size);
    work[used..].fill([Block::ZERO; W]);
    let mut start = 0;
    while start < used {
        let group = &mut work[start..start + narrow];
        // SAFETY: as the caller's.
        unsafe {
            pass(group, start, used, &mut end);
            narrow_group::<L, Inverse, W>(skews, group, start + delta);
        }
        start += narrow;
        // Wider groups follow where this was the last part of them that is not zero.
        let mut span = 4 * narrow;
        while span <= size && (start >= used || start & (span - 1) == 0) {
            let first = (start - 1) & !(span - 1);
            // SAFETY: as the caller's.
            unsafe {
                let factors = factors::<L>(skews, first + delta, span);
                quads::<L, Inverse, W>(&mut work[first..first + span], factors);
            }
            span *= 4;
        }
    }
}

/// Positions of the narrowest groups of a transform, 8 at most: those that are not made of quads.
fn narrow(size: usize) -> usize {
    match size {
        1 | 2 => size,
        _ if size.trailing_zeros().is_multiple_of(2) => 4,
        _ => 8,
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
            for part in 0..L::PARTS {
                let sum = &mut sums[i][w];
                // SAFETY: as the caller's.
                unsafe {
                    let summand = L::load(&summands[i][w], part);
                    L::load(sum, part).add(summand).store(sum, part);
                }
            }
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

/// What a butterfly does, and in which order their layers follow.
trait Direction {
    /// Whether wider groups come first.
    const WIDE_FIRST: bool;

    /// # Safety
    ///
    /// As [`forward`].
    unsafe fn butterfly<L: Lanes>(values: [L; 2], factor: L::Ready<'_>) -> [L; 2];
}

/// From polynomials to values.
struct Forward;

/// From values to polynomials.
struct Inverse;

impl Direction for Forward {
    const WIDE_FIRST: bool = true;

    #[inline(always)]
    unsafe fn butterfly<L: Lanes>([a, b]: [L; 2], factor: L::Ready<'_>) -> [L; 2] {
        // SAFETY: as the caller's.
        unsafe {
            let a = a.add_product(b, factor);
            [a, b.add(a)]
        }
    }
}

impl Direction for Inverse {
    const WIDE_FIRST: bool = false;

    #[inline(always)]
    unsafe fn butterfly<L: Lanes>([a, b]: [L; 2], factor: L::Ready<'_>) -> [L; 2] {
        // SAFETY: as the caller's.
        unsafe {
            let b = b.add(a);
            [a.add_product(b, factor), b]
        }
    }
}

/// Two layers: `wide` is the factor of both wide butterflies, the others of the narrow ones.
#[inline(always)]
unsafe fn quad<L: Lanes, D: Direction>(
    [a, b, c, d]: [L; 4],
    [left, wide, right]: [L::Ready<'_>; 3],
) -> [L; 4] {
    // SAFETY: as the caller's.
    unsafe {
        if D::WIDE_FIRST {
            let ([a, c], [b, d]) = (D::butterfly([a, c], wide), D::butterfly([b, d], wide));
            let ([a, b], [c, d]) = (D::butterfly([a, b], left), D::butterfly([c, d], right));
            [a, b, c, d]
        } else {
            let ([a, b], [c, d]) = (D::butterfly([a, b], left), D::butterfly([c, d], right));
            let ([a, c], [b, d]) = (D::butterfly([a, c], wide), D::butterfly([b, d], wide));
            [a, b, c, d]
        }
    }
}

/// Three layers.
#[inline(always)]
unsafe fn octet<L: Lanes, D: Direction>(values: [L; 8], factors: &[L::Factor; 7]) -> [L; 8] {
    // SAFETY: as the caller's.
    unsafe {
        let values = if D::WIDE_FIRST {
            fours::<L, D>(values, &factors[3])
        } else {
            values
        };
        let [a, b, c, d, e, f, g, h] = values;
        let [f0, f1, f2, _, f4, f5, f6] = factors;
        let [a, b, c, d] = quad::<L, D>([a, b, c, d], [L::ready(f0), L::ready(f1), L::ready(f2)]);
        let [e, f, g, h] = quad::<L, D>([e, f, g, h], [L::ready(f4), L::ready(f5), L::ready(f6)]);
        let values = [a, b, c, d, e, f, g, h];
        if D::WIDE_FIRST {
            values
        } else {
            fours::<L, D>(values, &factors[3])
        }
    }
}

/// The butterflies of values that are four apart.
#[inline(always)]
unsafe fn fours<L: Lanes, D: Direction>(
    [a, b, c, d, e, f, g, h]: [L; 8],
    factor: &L::Factor,
) -> [L; 8] {
    // SAFETY: as the caller's.
    unsafe {
        let factor = L::ready(factor);
        let [a, e] = D::butterfly([a, e], factor);
        let [b, f] = D::butterfly([b, f], factor);
        let [c, g] = D::butterfly([c, g], factor);
        let [d, h] = D::butterfly([d, h], factor);
        [a, b, c, d, e, f, g, h]
    }
}

/// The factors of two layers of a group that starts at `point`.
#[inline(always)]
unsafe fn factors<L: Lanes>(skews: &[L::Factor], point: usize, span: usize) -> [L::Ready<'_>; 3] {
    let quarter = span / 4;
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

/// All layers of one of the narrowest groups, which starts at `point`.
#[inline(always)]
unsafe fn narrow_group<L: Lanes, D: Direction, const W: usize>(
    skews: &[L::Factor],
    group: &mut [Position<W>],
    point: usize,
) {
    // SAFETY: as the caller's.
    unsafe {
        match group.len() {
            8 => {
                let factors = skews[point..]
                    .first_chunk()
                    .expect("groups end in the table");
                for w in 0..W {
                    for part in 0..L::PARTS {
                        let values = octet::<L, D>(load(group, 0, 1, w, part), factors);
                        store(values, group, 0, 1, w, part);
                    }
                }
            }
            4 => quads::<L, D, W>(group, factors::<L>(skews, point, 4)),
            2 => {
                let factor = L::ready(&skews[point]);
                for w in 0..W {
                    for part in 0..L::PARTS {
                        let values = D::butterfly(load(group, 0, 1, w, part), factor);
                        store::<L, 2, W>(values, group, 0, 1, w, part);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Two layers over the positions that are a quarter of the group apart.
#[inline(always)]
unsafe fn quads<L: Lanes, D: Direction, const W: usize>(
    group: &mut [Position<W>],
    factors: [L::Ready<'_>; 3],
) {
    let quarter = group.len() / 4;
    for i in 0..quarter {
        for w in 0..W {
            for part in 0..L::PARTS {
                // SAFETY: as the caller's.
                unsafe {
                    let values = quad::<L, D>(load(group, i, quarter, w, part), factors);
                    store(values, group, i, quarter, w, part);
                }
            }
        }
    }
}

/// As [`quads`] forward, but takes the positions `from` elsewhere.
#[inline(always)]
unsafe fn quads_from<L: Lanes, const W: usize>(
    from: &[Position<W>],
    group: &mut [Position<W>],
    factors: [L::Ready<'_>; 3],
) {
    let quarter = group.len() / 4;
    for i in 0..quarter {
        for w in 0..W {
            for part in 0..L::PARTS {
                // SAFETY: as the caller's.
                unsafe {
                    let values = quad::<L, Forward>(load(from, i, quarter, w, part), factors);
                    store(values, group, i, quarter, w, part);
                }
            }
        }
    }
}

/// N positions that are `step` apart, from `first` on: of each, one part of block `w`.
#[inline(always)]
unsafe fn load<L: Lanes, const N: usize, const W: usize>(
    group: &[Position<W>],
    first: usize,
    step: usize,
    w: usize,
    part: usize,
) -> [L; N] {
    // SAFETY: as the caller's.
    unsafe {
        let mut values = [L::load(&group[first][w], part); N];
        for i in 1..N {
            values[i] = L::load(&group[first + i * step][w], part);
        }
        values
    }
}

/// The inverse of [`load`].
#[inline(always)]
unsafe fn store<L: Lanes, const N: usize, const W: usize>(
    values: [L; N],
    group: &mut [Position<W>],
    first: usize,
    step: usize,
    w: usize,
    part: usize,
) {
    for i in 0..N {
        // SAFETY: as the caller's.
        unsafe { values[i].store(&mut group[first + i * step][w], part) };
    }
}
