//! Codes words strip by strip: W blocks of every position at a time, so that a whole transform stays in
//! the second-level cache.
//!
//! A block takes two whole pieces of 64 bytes from symbols, or what some symbols have beyond their whole
//! pieces, as many of these tails as fit. Elements do not mix, so any arrangement codes the same.

#![expect(
    clippy::needless_range_loop,
    reason = "iterators are not inlined unconditionally"
)]

use super::{
    lanes::{Block, Lanes},
    pattern::Erasures,
    shape::Shape,
    transform::{End, Position, add, derive, forward, inverse},
};
use crate::kernel::symbols::{Symbols, SymbolsMut};

/// Blocks of a position in the widest strip.
const WIDE: usize = 2;

/// Bytes of a piece.
const PIECE: usize = 64;

/// How many positions ahead of their use pieces are fetched: they lie too far apart for the processor
/// to guess them.
const AHEAD: usize = 16;

/// Blocks of working memory that coding over `positions` takes.
pub(super) const fn work_blocks(positions: usize) -> usize {
    positions * WIDE
}

/// Runs `$work::<L, _, W>` for every strip of `$words` codewords.
macro_rules! for_strips {
    ($words:expr, $size:expr, $work:ident($($argument:expr),*)) => {
        let (words, size) = ($words, $size);
        let pieces = words * (size / PIECE);
        let (mut block, blocks) = (0, pieces.div_ceil(2));
        while block < blocks {
            // SAFETY: as the caller's.
            block += unsafe {
                match blocks - block {
                    1 => $work::<L, _, 1>(&Pieces::new(pieces, size, block), $($argument),*),
                    _ => $work::<L, _, WIDE>(&Pieces::new(pieces, size, block), $($argument),*),
                }
            };
        }
        let tail = size % PIECE;
        if let Some(tails) = (2 * PIECE).checked_div(tail) {
            let (mut word, at) = (0, size - tail);
            while word < words {
                let strip = Tails { words, tails, word, at };
                // SAFETY: as the caller's.
                word += tails * unsafe {
                    if words - word <= tails {
                        $work::<L, _, 1>(&strip, $($argument),*)
                    } else {
                        $work::<L, _, WIDE>(&strip, $($argument),*)
                    }
                };
            }
        }
    };
}

/// Fills the recovery symbols of `words` codewords from their source symbols.
///
/// # Safety
///
/// Called from a function compiled with the instructions of the tier.
#[inline(always)]
pub(super) unsafe fn extend<L: Lanes>(
    skews: &[L::Factor],
    shape: &Shape,
    words: usize,
    source: Symbols<'_>,
    recovery: &mut SymbolsMut<'_, '_>,
    work: &mut [Block],
) {
    for_strips!(
        words,
        source.size(),
        extend_strip(skews, shape, source, recovery, work)
    );
}

/// Fills the missing source symbols of `words` codewords, and no others, from the present symbols.
///
/// # Safety
///
/// As [`extend`].
#[inline(always)]
pub(super) unsafe fn restore<L: Lanes>(
    skews: &[L::Factor],
    erasures: &Erasures<L>,
    words: usize,
    present: Symbols<'_>,
    sources: &mut SymbolsMut<'_, '_>,
    work: &mut [Block],
) {
    for_strips!(
        words,
        present.size(),
        restore_strip(skews, erasures, present, sources, work)
    );
}

/// What a strip holds of each position: how its W blocks are filled from symbols and emptied to them.
trait Strip<const W: usize> {
    fn read(&self, position: &mut Position<W>, symbols: Symbols<'_>, index: usize);
    fn write(&self, position: &Position<W>, symbols: &mut SymbolsMut<'_, '_>, index: usize);
}

/// Two whole pieces in each block. A last block may have one only, twice.
struct Pieces<const W: usize>([[Piece; 2]; W]);

/// 64 bytes of the symbol of codeword `word`, from byte `at` on.
#[derive(Clone, Copy)]
struct Piece {
    word: usize,
    at: usize,
}

impl<const W: usize> Pieces<W> {
    /// W blocks from number `first` on, of those over `count` pieces of symbols of `size` bytes.
    #[inline(always)]
    fn new(count: usize, size: usize, first: usize) -> Self {
        let each = size / PIECE;
        let piece = |index: usize| {
            let index = index.min(count - 1);
            Piece {
                word: index / each,
                at: PIECE * (index % each),
            }
        };
        Self(std::array::from_fn(|w| {
            let index = 2 * (first + w);
            [piece(index), piece(index + 1)]
        }))
    }
}

impl<const W: usize> Strip<W> for Pieces<W> {
    #[inline(always)]
    fn read(&self, position: &mut Position<W>, symbols: Symbols<'_>, index: usize) {
        for w in 0..W {
            for half in 0..2 {
                let Piece { word, at } = self.0[w][half];
                symbols.prefetch(index + AHEAD, word, at);
                position[w].put_piece(half, symbols.piece(index, word, at));
            }
        }
    }

    #[inline(always)]
    fn write(&self, position: &Position<W>, symbols: &mut SymbolsMut<'_, '_>, index: usize) {
        for w in 0..W {
            for half in 0..2 {
                let Piece { word, at } = self.0[w][half];
                position[w].take_piece(half, symbols.piece_mut(index, word, at));
            }
        }
    }
}

/// In each block what the symbols of `tails` codewords hold from byte `at` on; first those from `word`
/// on, of `words`.
struct Tails {
    words: usize,
    tails: usize,
    word: usize,
    at: usize,
}

impl Tails {
    /// The codewords in block w.
    #[inline(always)]
    fn words(&self, w: usize) -> (usize, usize) {
        let first = self.word + w * self.tails;
        (first, self.words.min(first + self.tails))
    }
}

impl<const W: usize> Strip<W> for Tails {
    #[inline(always)]
    fn read(&self, position: &mut Position<W>, symbols: Symbols<'_>, index: usize) {
        for w in 0..W {
            let (first, end) = self.words(w);
            position[w] = Block::ZERO;
            for word in first..end {
                position[w].put_tail(word - first, &symbols.get(index, word)[self.at..]);
            }
        }
    }

    #[inline(always)]
    fn write(&self, position: &Position<W>, symbols: &mut SymbolsMut<'_, '_>, index: usize) {
        for w in 0..W {
            let (first, end) = self.words(w);
            for word in first..end {
                position[w].take_tail(word - first, &mut symbols.get_mut(index, word)[self.at..]);
            }
        }
    }
}

#[inline(always)]
unsafe fn extend_strip<L: Lanes, S: Strip<W>, const W: usize>(
    strip: &S,
    skews: &[L::Factor],
    shape: &Shape,
    source: Symbols<'_>,
    recovery: &mut SymbolsMut<'_, '_>,
    work: &mut [Block],
) -> usize {
    let chunk = shape.chunk;
    let (work, _) = work.as_chunks_mut::<W>();
    let (sum, rest) = work.split_at_mut(chunk);
    let part = &mut rest[..chunk];
    let (sources, recoveries) = (shape.sources, shape.recoveries);
    // SAFETY: as the caller's.
    unsafe {
        if shape.high_rate {
            let mut first = 0;
            while first < sources {
                let count = chunk.min(sources - first);
                let read = Read(strip, source, first);
                if first == 0 {
                    inverse::<L, W>(skews, sum, count, chunk, read);
                } else {
                    inverse::<L, W>(skews, part, count, first + chunk, read);
                    add::<L, W>(sum, part);
                }
                first += chunk;
            }
            let write = Write(strip, recovery, 0);
            forward::<L, W>(skews, None, sum, recoveries, 0, write);
        } else {
            let read = Read(strip, source, 0);
            inverse::<L, W>(skews, sum, sources, 0, read);
            let mut first = 0;
            while first < recoveries {
                let count = chunk.min(recoveries - first);
                let write = Write(strip, &mut *recovery, first);
                forward::<L, W>(skews, Some(sum), part, count, first + chunk, write);
                first += chunk;
            }
        }
    }
    W
}

#[inline(always)]
unsafe fn restore_strip<L: Lanes, S: Strip<W>, const W: usize>(
    strip: &S,
    skews: &[L::Factor],
    erasures: &Erasures<L>,
    present: Symbols<'_>,
    sources: &mut SymbolsMut<'_, '_>,
    work: &mut [Block],
) -> usize {
    let (work, _) = work.as_chunks_mut::<W>();
    let work = &mut work[..erasures.received.len()];
    // SAFETY: as the caller's.
    unsafe {
        let receive = Receive(strip, present, erasures);
        inverse::<L, W>(skews, work, erasures.end, 0, receive);
        derive::<L, W>(work);
        let restore = Restore(strip, sources, erasures);
        let wanted = erasures.restored.len();
        forward::<L, W>(skews, None, work, wanted, 0, restore);
    }
    W
}

/// Reads the symbols of a strip, those of position 0 from the place in the last field.
struct Read<'a, S>(&'a S, Symbols<'a>, usize);

impl<S: Strip<W>, const W: usize> End<W> for Read<'_, S> {
    #[inline(always)]
    unsafe fn pass(&mut self, index: usize, position: &mut Position<W>) {
        self.0.read(position, self.1, self.2 + index);
    }
}

/// Writes the symbols of a strip, those of position 0 to the place in the last field.
struct Write<'a, 'b, 'c, S>(&'a S, &'a mut SymbolsMut<'b, 'c>, usize);

impl<S: Strip<W>, const W: usize> End<W> for Write<'_, '_, '_, S> {
    #[inline(always)]
    unsafe fn pass(&mut self, index: usize, position: &mut Position<W>) {
        self.0.write(position, self.1, self.2 + index);
    }
}

/// Reads the symbols that are there, multiplied by the locator.
struct Receive<'a, L: Lanes, S>(&'a S, Symbols<'a>, &'a Erasures<L>);

impl<L: Lanes, S: Strip<W>, const W: usize> End<W> for Receive<'_, L, S> {
    #[inline(always)]
    unsafe fn pass(&mut self, index: usize, position: &mut Position<W>) {
        match &self.2.received[index] {
            None => *position = [Block::ZERO; W],
            Some((line, locator)) => {
                self.0.read(position, self.1, *line);
                // SAFETY: as the caller's.
                unsafe { scale::<L, W>(position, locator) };
            }
        }
    }
}

/// Writes the symbols that were missing, divided by the locator's derivative.
struct Restore<'a, 'b, 'c, L: Lanes, S>(&'a S, &'a mut SymbolsMut<'b, 'c>, &'a Erasures<L>);

impl<L: Lanes, S: Strip<W>, const W: usize> End<W> for Restore<'_, '_, '_, L, S> {
    #[inline(always)]
    unsafe fn pass(&mut self, index: usize, position: &mut Position<W>) {
        if let Some((source, locator)) = &self.2.restored[index] {
            // SAFETY: as the caller's.
            unsafe { scale::<L, W>(position, locator) };
            self.0.write(position, self.1, *source);
        }
    }
}

#[inline(always)]
unsafe fn scale<L: Lanes, const W: usize>(position: &mut Position<W>, factor: &L::Factor) {
    // SAFETY: as the caller's.
    unsafe {
        let factor = L::ready(factor);
        for w in 0..W {
            for part in 0..L::PARTS {
                let block = &mut position[w];
                L::load(block, part).product(factor).store(block, part);
            }
        }
    }
}
