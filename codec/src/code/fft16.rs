//! `RedStuff16`: the FFT code over GF(2^16) of `reed-solomon-simd`, one symbol per shard of the crate.
//!
//! Several symbols are several codewords: the crate splits a shard into 64-byte blocks with a layout
//! of its own for the rest, so longer shards would be a different code.

use std::sync::Arc;

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use super::{Code, Pattern, copy_present};
use crate::{
    kernel::symbols::{Symbols, SymbolsMut},
    pool::Pool,
};

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

const SHAPE: &str = "k and n - k are supported, symbols of even size";

impl Code for Fft16 {
    fn extend(&self, words: usize, source: Symbols<'_>, recovery: &mut SymbolsMut<'_, '_>) {
        let (k, m, size) = (self.k, self.n - self.k, source.size());
        let new = || ReedSolomonEncoder::new(k, m, size).expect(SHAPE);
        self.encoders.with(new, |encoder| {
            for word in 0..words {
                encoder.reset(k, m, size).expect(SHAPE);
                for position in 0..k {
                    let symbol = source.get(position, word);
                    encoder.add_original_shard(symbol).expect(SHAPE);
                }
                let extended = encoder.encode().expect(SHAPE);
                for (position, symbol) in extended.recovery_iter().enumerate() {
                    recovery.get_mut(position, word).copy_from_slice(symbol);
                }
            }
        });
    }

    fn pattern(&self, present: &[usize]) -> Box<dyn Pattern> {
        Box::new(Pattern16 {
            k: self.k,
            n: self.n,
            present: present.to_vec(),
            decoders: self.decoders.clone(),
        })
    }
}

struct Pattern16 {
    k: usize,
    n: usize,
    present: Vec<usize>,
    decoders: Arc<Pool<ReedSolomonDecoder>>,
}

impl Pattern for Pattern16 {
    fn restore(&self, words: usize, present: Symbols<'_>, sources: &mut SymbolsMut<'_, '_>) {
        let (k, m, size) = (self.k, self.n - self.k, present.size());
        copy_present(k, &self.present, words, present, sources);
        let new = || ReedSolomonDecoder::new(k, m, size).expect(SHAPE);
        self.decoders.with(new, |decoder| {
            for word in 0..words {
                decoder.reset(k, m, size).expect(SHAPE);
                for (index, &position) in self.present.iter().enumerate() {
                    let symbol = present.get(index, word);
                    match position.checked_sub(k) {
                        None => decoder.add_original_shard(position, symbol),
                        Some(position) => decoder.add_recovery_shard(position, symbol),
                    }
                    .expect("positions are distinct and below n");
                }
                let restored = decoder.decode().expect("k symbols are present");
                for (position, symbol) in restored.restored_original_iter() {
                    sources.get_mut(position, word).copy_from_slice(symbol);
                }
            }
        });
    }
}
