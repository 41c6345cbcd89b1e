//! How the defining crate lays a code of k source and m recovery symbols over a transform.

/// The layout of a code over the positions of transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) sources: usize,
    pub(super) recoveries: usize,
    /// Whether recovery symbols come first, in one chunk, and source symbols in as many as they need;
    /// otherwise the other way round.
    pub(super) high_rate: bool,
    /// Positions of a chunk: the smaller kind, rounded up to a power of two.
    pub(super) chunk: usize,
}

impl Shape {
    pub(super) fn new(sources: usize, recoveries: usize) -> Self {
        let (k, m) = (sources.next_power_of_two(), recoveries.next_power_of_two());
        let high_rate = k > m || (k == m && sources <= recoveries);
        let chunk = if high_rate { m } else { k };
        Self {
            sources,
            recoveries,
            high_rate,
            chunk,
        }
    }

    /// The position of codeword symbol `index` (sources first) when decoding.
    pub(super) fn position(&self, index: usize) -> usize {
        match (index.checked_sub(self.sources), self.high_rate) {
            (None, true) => self.chunk + index,
            (None, false) => index,
            (Some(recovery), true) => recovery,
            (Some(recovery), false) => self.chunk + recovery,
        }
    }

    /// One more than the last position of a codeword when decoding.
    pub(super) fn end(&self) -> usize {
        self.chunk
            + if self.high_rate {
                self.sources
            } else {
                self.recoveries
            }
    }
}
