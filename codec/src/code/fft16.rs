//! `RedStuff16`: the FFT code over GF(2^16) of `reed-solomon-simd`, one symbol per shard of the crate.
//!
//! A line of several symbols is several codewords: the crate splits a shard into 64-byte blocks with
//! a layout of its own for the rest, so longer shards would be a different code.

use std::sync::Arc;

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use super::{Code, Pattern, missing_sources};
use crate::pool::Pool;

pub(super) struct Fft16 {
    k: usize,
    n: usize,
    encoders: Pool<ReedSolomonEncoder>,
    decoders: Arc<Pool<ReedSolomonDecoder>>,
}

impl Fft16 {
    pub(super) fn new(k: usize, n: usize) -> Self {
        Self {
            k,
            n,
            encoders: Pool::default(),
            decoders: Arc::default(),
        }
    }
}

const SHAPE: &str = "k and n - k are supported, lines are whole symbols of even size";

impl Code for Fft16 {
    fn extend(&self, size: usize, source: &[&[u8]], recovery: &mut [&mut [u8]]) {
        let (k, m) = (self.k, self.n - self.k);
        let new = || ReedSolomonEncoder::new(k, m, size).expect(SHAPE);
        self.encoders.with(new, |encoder| {
            for start in (0..line_length(source)).step_by(size) {
                let symbol = start..start + size;
                encoder.reset(k, m, size).expect(SHAPE);
                for line in source {
                    encoder
                        .add_original_shard(&line[symbol.clone()])
                        .expect(SHAPE);
                }
                let extended = encoder.encode().expect(SHAPE);
                for (line, symbol_bytes) in recovery.iter_mut().zip(extended.recovery_iter()) {
                    line[symbol.clone()].copy_from_slice(symbol_bytes);
                }
            }
        });
    }

    fn pattern(&self, present: &[usize]) -> Box<dyn Pattern> {
        Box::new(Pattern16 {
            k: self.k,
            n: self.n,
            present: present.to_vec(),
            missing: missing_sources(self.k, present),
            decoders: self.decoders.clone(),
        })
    }
}

struct Pattern16 {
    k: usize,
    n: usize,
    present: Vec<usize>,
    missing: Vec<usize>,
    decoders: Arc<Pool<ReedSolomonDecoder>>,
}

impl Pattern for Pattern16 {
    fn missing(&self) -> &[usize] {
        &self.missing
    }

    fn restore(&self, size: usize, present: &[&[u8]], missing: &mut [&mut [u8]]) {
        let (k, m) = (self.k, self.n - self.k);
        let new = || ReedSolomonDecoder::new(k, m, size).expect(SHAPE);
        self.decoders.with(new, |decoder| {
            for start in (0..line_length(present)).step_by(size) {
                let symbol = start..start + size;
                decoder.reset(k, m, size).expect(SHAPE);
                for (&position, line) in self.present.iter().zip(present) {
                    let bytes = &line[symbol.clone()];
                    match position.checked_sub(k) {
                        None => decoder.add_original_shard(position, bytes),
                        Some(position) => decoder.add_recovery_shard(position, bytes),
                    }
                    .expect("positions are distinct and below n");
                }
                let restored = decoder.decode().expect("k symbols are present");
                for (&position, line) in self.missing.iter().zip(missing.iter_mut()) {
                    let bytes = restored
                        .restored_original(position)
                        .expect("it was missing");
                    line[symbol.clone()].copy_from_slice(bytes);
                }
            }
        });
    }
}

fn line_length(lines: &[&[u8]]) -> usize {
    lines.first().map_or(0, |line| line.len())
}
