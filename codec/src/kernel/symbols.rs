//! Where the symbols of some codewords lie in memory, so that coding reads and writes them in place.

use super::copy::prefetch;

/// Symbols of some codewords of one code, to read.
#[derive(Clone, Copy)]
pub(crate) struct Symbols<'a> {
    slices: &'a [&'a [u8]],
    place: Place,
}

/// Symbols of some codewords of one code, to write.
pub(crate) struct SymbolsMut<'a, 'b> {
    slices: &'a mut [&'b mut [u8]],
    place: Place,
}

/// How the slices are cut into symbols.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    order: Order,
    /// Bytes of a symbol.
    pub(crate) size: usize,
    /// Bytes from the start of a symbol to that of the next one in its slice.
    stride: usize,
    /// Where the first codeword's symbols are in the slices.
    start: usize,
}

#[derive(Clone, Copy)]
enum Order {
    /// Slice i has the symbols at position i of the codewords, one after the other.
    Lines,
    /// Slice w has the symbols of codeword w.
    Words,
}

impl Place {
    /// Slice i has the symbols at position i, those of the first codeword from byte `start` on.
    pub(crate) const fn lines(size: usize, start: usize) -> Self {
        Self {
            order: Order::Lines,
            size,
            stride: size,
            start,
        }
    }

    /// Slice w has the symbols of codeword w, one every `stride` bytes.
    pub(crate) const fn words(size: usize, stride: usize) -> Self {
        Self {
            order: Order::Words,
            size,
            stride,
            start: 0,
        }
    }

    /// The slice of a symbol, and where in it the symbol starts.
    #[inline(always)]
    const fn find(self, position: usize, word: usize) -> (usize, usize) {
        match self.order {
            Order::Lines => (position, self.start + word * self.stride),
            Order::Words => (word, position * self.stride),
        }
    }
}

impl<'a> Symbols<'a> {
    pub(crate) const fn new(slices: &'a [&'a [u8]], place: Place) -> Self {
        Self { slices, place }
    }

    pub(crate) const fn size(&self) -> usize {
        self.place.size
    }

    #[inline(always)]
    pub(crate) fn get(&self, position: usize, word: usize) -> &'a [u8] {
        let (slice, start) = self.place.find(position, word);
        &self.slices[slice][start..start + self.place.size]
    }

    /// N bytes of a symbol from byte `at` on.
    #[inline(always)]
    pub(crate) fn piece<const N: usize>(
        &self,
        position: usize,
        word: usize,
        at: usize,
    ) -> &'a [u8; N] {
        let (slice, start) = self.place.find(position, word);
        let bytes = self.slices[slice][start + at..].first_chunk();
        bytes.expect("pieces end in their symbol")
    }

    /// Asks for the cache line of byte `at` of a symbol, if there is one.
    #[inline(always)]
    pub(crate) fn prefetch(&self, position: usize, word: usize, at: usize) {
        let (slice, start) = self.place.find(position, word);
        if let Some(byte) = self
            .slices
            .get(slice)
            .and_then(|slice| slice.get(start + at))
        {
            prefetch(byte);
        }
    }
}

impl<'a, 'b> SymbolsMut<'a, 'b> {
    pub(crate) const fn new(slices: &'a mut [&'b mut [u8]], place: Place) -> Self {
        Self { slices, place }
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self, position: usize, word: usize) -> &mut [u8] {
        let (slice, start) = self.place.find(position, word);
        &mut self.slices[slice][start..start + self.place.size]
    }

    /// N bytes of a symbol from byte `at` on.
    #[inline(always)]
    pub(crate) fn piece_mut<const N: usize>(
        &mut self,
        position: usize,
        word: usize,
        at: usize,
    ) -> &mut [u8; N] {
        let (slice, start) = self.place.find(position, word);
        let bytes = self.slices[slice][start + at..].first_chunk_mut();
        bytes.expect("pieces end in their symbol")
    }

    /// The symbols of one codeword at `positions`.
    pub(crate) fn word(&mut self, word: usize, positions: usize) -> Vec<&mut [u8]> {
        let place = self.place;
        match place.order {
            Order::Lines => {
                let start = place.start + word * place.stride;
                let lines = self.slices[..positions].iter_mut();
                let symbols = lines.map(|line| &mut line[start..start + place.size]);
                symbols.collect()
            }
            Order::Words => {
                let symbols = self.slices[word].chunks_mut(place.stride).take(positions);
                symbols.map(|symbol| &mut symbol[..place.size]).collect()
            }
        }
    }
}
