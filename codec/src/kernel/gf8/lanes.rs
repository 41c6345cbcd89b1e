//! A linear map in the vectors of one tier: a few output rows at a time, their sums in registers.

use super::{Images, images};

/// Bytes of a vector.
pub(super) const VECTOR: usize = 64;

/// Vectors of each output that are summed at once.
const DEPTH: usize = 2;

/// Arithmetic on 64 bytes, in the registers of one tier.
///
/// # Safety
///
/// All methods may only be called where the instructions of the tier are available, from functions
/// compiled with them (so that the methods are inlined into those).
pub(super) trait Lanes: Copy {
    /// A coefficient, prepared for multiplication.
    type Factor: Copy + Send + Sync;
    /// Input bytes, prepared for multiplication by many coefficients.
    type Input: Copy;

    fn factor(images: &Images) -> Self::Factor;
    unsafe fn zero() -> Self;
    unsafe fn input(bytes: &[u8; VECTOR]) -> Self::Input;
    unsafe fn store(self, bytes: &mut [u8; VECTOR]);
    /// self + input * factor
    unsafe fn add_product(self, input: Self::Input, factor: &Self::Factor) -> Self;
}

/// A matrix of coefficients, in groups of `OUT` output rows.
pub(super) struct Map<L: Lanes, const OUT: usize> {
    /// For each group, for each input, the coefficients of the group's rows.
    groups: Vec<Vec<[L::Factor; OUT]>>,
}

impl<L: Lanes, const OUT: usize> Map<L, OUT> {
    pub(super) fn new(rows: &[Vec<u8>]) -> Self {
        let group = |rows: &[Vec<u8>]| {
            let inputs = rows.first().map_or(0, Vec::len);
            let coefficient = |row: usize, input: usize| rows.get(row).map_or(0, |row| row[input]);
            let factors =
                |input| std::array::from_fn(|row| L::factor(&images(coefficient(row, input))));
            (0..inputs).map(factors).collect()
        };
        Self {
            groups: rows.chunks(OUT).map(group).collect(),
        }
    }

    /// # Safety
    ///
    /// Called from a function compiled with the instructions of the tier.
    #[inline(always)]
    pub(super) unsafe fn apply_lanes(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        let length = outputs.first().map_or(0, |line| line.len());
        let step = DEPTH * VECTOR;
        let deep = length - length % step;
        for start in (0..deep).step_by(step) {
            for (group, outputs) in self.groups.iter().zip(outputs.chunks_mut(OUT)) {
                // SAFETY: as the caller's.
                let sums = unsafe { sums::<L, OUT, DEPTH>(group, inputs, start) };
                for (row, line) in outputs.iter_mut().enumerate() {
                    let (vectors, _) = line[start..start + step].as_chunks_mut();
                    for (depth, vector) in vectors.iter_mut().enumerate() {
                        // SAFETY: as the caller's.
                        unsafe { sums[row][depth].store(vector) };
                    }
                }
            }
        }
        for start in (deep..length).step_by(VECTOR) {
            for (group, outputs) in self.groups.iter().zip(outputs.chunks_mut(OUT)) {
                // SAFETY: as the caller's.
                let sums = unsafe { sums::<L, OUT, 1>(group, inputs, start) };
                for (row, line) in outputs.iter_mut().enumerate() {
                    let mut vector = [0; VECTOR];
                    // SAFETY: as the caller's.
                    unsafe { sums[row][0].store(&mut vector) };
                    let rest = &mut line[start..];
                    let rest_length = rest.len().min(VECTOR);
                    rest[..rest_length].copy_from_slice(&vector[..rest_length]);
                }
            }
        }
    }
}

/// The sums of one group over `D` vectors from `start` on; bytes behind the lines count as zero.
#[inline(always)]
unsafe fn sums<L: Lanes, const OUT: usize, const D: usize>(
    group: &[[L::Factor; OUT]],
    inputs: &[&[u8]],
    start: usize,
) -> [[L; D]; OUT] {
    // SAFETY: as the caller's.
    unsafe {
        let mut sums = [[L::zero(); D]; OUT];
        for (factors, input) in group.iter().zip(inputs) {
            for d in 0..D {
                let rest = &input[start + d * VECTOR..];
                let vector = match rest.first_chunk() {
                    Some(vector) => L::input(vector),
                    None => {
                        let mut vector = [0; VECTOR];
                        vector[..rest.len()].copy_from_slice(rest);
                        L::input(&vector)
                    }
                };
                for (sums, factor) in sums.iter_mut().zip(factors) {
                    sums[d] = sums[d].add_product(vector, factor);
                }
            }
        }
        sums
    }
}
