//! `RedStuff16` on own kernels.

use super::{Code, Pattern, copy_present, missing_sources};
use crate::kernel::{
    gf16::{Gf16, Gf16Pattern},
    symbols::{Symbols, SymbolsMut},
};

impl Code for Gf16 {
    fn extend(&self, words: usize, source: Symbols<'_>, recovery: &mut SymbolsMut<'_, '_>) {
        self.extend(words, source, recovery);
    }

    fn pattern(&self, present: &[usize]) -> Box<dyn Pattern> {
        let missing = missing_sources(self.sources(), present);
        let kernel = (!missing.is_empty()).then(|| self.pattern(present, &missing));
        Box::new(Pattern16 {
            k: self.sources(),
            present: present.to_vec(),
            kernel,
        })
    }
}

struct Pattern16 {
    k: usize,
    present: Vec<usize>,
    /// None where nothing is missing.
    kernel: Option<Gf16Pattern>,
}

impl Pattern for Pattern16 {
    fn restore(&self, words: usize, present: Symbols<'_>, sources: &mut SymbolsMut<'_, '_>) {
        copy_present(self.k, &self.present, words, present, sources);
        if let Some(kernel) = &self.kernel {
            kernel.restore(words, present, sources);
        }
    }
}
