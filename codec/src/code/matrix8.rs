//! `RedStuff8`: a systematic matrix code over GF(2^8), the bytes of `reed-solomon-erasure`.
//!
//! Works byte by byte, so the symbol size does not matter. Decoding is our own matrix inversion, kept
//! by the erasure pattern: the crate's decoder keeps its matrices in a locked cache.

use reed_solomon_erasure::galois_8::{self, ReedSolomon};

use super::{Code, Pattern, copy_present, missing_sources};
use crate::{
    Tier,
    kernel::{
        gf8::Gf8,
        symbols::{Symbols, SymbolsMut},
    },
};

pub(super) struct Matrix8 {
    crate_code: ReedSolomon,
    tier: Tier,
    kernel: Option<Gf8>,
    k: usize,
    /// The n - k recovery rows of the generator matrix, k coefficients each.
    recovery: Vec<Vec<u8>>,
}

impl Matrix8 {
    pub(super) fn new(tier: Tier, k: usize, n: usize) -> Self {
        let crate_code = ReedSolomon::new(k, n - k).expect("0 < k < n <= 64");
        // Extending the identity matrix yields the coefficients, whatever their construction.
        let identity: Vec<Vec<u8>> = (0..k).map(|i| unit(i, k)).collect();
        let mut recovery = vec![vec![0; k]; n - k];
        crate_code
            .encode_sep(&identity, &mut recovery)
            .expect("k and n - k lines of k bytes");
        Self {
            crate_code,
            tier,
            kernel: Gf8::new(tier, &recovery),
            k,
            recovery,
        }
    }
}

impl Code for Matrix8 {
    fn extend(&self, words: usize, source: Symbols<'_>, recovery: &mut SymbolsMut<'_, '_>) {
        for word in 0..words {
            let source: Vec<&[u8]> = (0..self.k).map(|i| source.get(i, word)).collect();
            let mut recovery = recovery.word(word, self.recovery.len());
            match &self.kernel {
                Some(kernel) => kernel.apply(&source, &mut recovery),
                None => self
                    .crate_code
                    .encode_sep(&source, &mut recovery)
                    .expect("k and n - k equal lines"),
            }
        }
    }

    fn pattern(&self, present: &[usize]) -> Box<dyn Pattern> {
        let rows = present
            .iter()
            .map(|&p| {
                p.checked_sub(self.k)
                    .map_or_else(|| unit(p, self.k), |r| self.recovery[r].clone())
            })
            .collect();
        let inverse = invert(rows);
        let missing = missing_sources(self.k, present);
        let rows: Vec<_> = missing.iter().map(|&i| inverse[i].clone()).collect();
        let kernel = Gf8::new(self.tier, &rows);
        Box::new(Pattern8 {
            k: self.k,
            present: present.to_vec(),
            missing,
            rows,
            kernel,
        })
    }
}

struct Pattern8 {
    k: usize,
    present: Vec<usize>,
    missing: Vec<usize>,
    /// For each missing position, its coefficients over the present symbols.
    rows: Vec<Vec<u8>>,
    kernel: Option<Gf8>,
}

impl Pattern for Pattern8 {
    fn restore(&self, words: usize, present: Symbols<'_>, sources: &mut SymbolsMut<'_, '_>) {
        copy_present(self.k, &self.present, words, present, sources);
        for word in 0..words {
            let present: Vec<&[u8]> = (0..self.k).map(|i| present.get(i, word)).collect();
            let sources = sources.word(word, self.k).into_iter().enumerate();
            let mut missing: Vec<&mut [u8]> = sources
                .filter(|(position, _)| self.missing.binary_search(position).is_ok())
                .map(|(_, symbol)| symbol)
                .collect();
            if let Some(kernel) = &self.kernel {
                kernel.apply(&present, &mut missing);
                continue;
            }
            for (row, symbol) in self.rows.iter().zip(missing) {
                symbol.fill(0);
                for (&coefficient, present) in row.iter().zip(&present) {
                    galois_8::mul_slice_xor(coefficient, present, symbol);
                }
            }
        }
    }
}

fn unit(i: usize, k: usize) -> Vec<u8> {
    (0..k).map(|j| u8::from(i == j)).collect()
}

/// The inverse of a square matrix over GF(2^8), by Gauss-Jordan elimination.
fn invert(mut left: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let k = left.len();
    let mut right: Vec<Vec<u8>> = (0..k).map(|i| unit(i, k)).collect();
    for column in 0..k {
        let pivot = (column..k)
            .find(|&row| left[row][column] != 0)
            .expect("any k rows of the generator matrix are independent");
        left.swap(column, pivot);
        right.swap(column, pivot);
        let scale = galois_8::div(1, left[column][column]);
        for matrix in [&mut left, &mut right] {
            for value in &mut matrix[column] {
                *value = galois_8::mul(scale, *value);
            }
        }
        for row in (0..k).filter(|&row| row != column) {
            let factor = left[row][column];
            for matrix in [&mut left, &mut right] {
                let pivot = matrix[column].clone();
                galois_8::mul_slice_xor(factor, &pivot, &mut matrix[row]);
            }
        }
    }
    right
}
