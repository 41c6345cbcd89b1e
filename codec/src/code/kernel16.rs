//! `RedStuff16` on own kernels.

use super::{Code, Pattern, missing_sources};
use crate::kernel::gf16::{Gf16, Gf16Pattern};

impl Code for Gf16 {
    fn extend(&self, size: usize, source: &[&[u8]], recovery: &mut [&mut [u8]]) {
        self.extend(size, source, recovery);
    }

    fn pattern(&self, present: &[usize]) -> Box<dyn Pattern> {
        let missing = missing_sources(self.sources(), present);
        let kernel = self.pattern(present, &missing);
        Box::new(Pattern16 { missing, kernel })
    }
}

struct Pattern16 {
    missing: Vec<usize>,
    kernel: Gf16Pattern,
}

impl Pattern for Pattern16 {
    fn missing(&self) -> &[usize] {
        &self.missing
    }

    fn restore(&self, size: usize, present: &[&[u8]], missing: &mut [&mut [u8]]) {
        self.kernel.restore(size, present, missing);
    }
}
