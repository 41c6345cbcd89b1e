//! Codes words strip by strip: W blocks of every position at a time, so that a whole transform stays in
//! the second-level cache.
//!
//! The blocks of a strip come from one symbol or from several: what symbols have beyond their whole
//! blocks is packed, as many of these tails into a block as fit. Lanes do not mix, so any arrangement
//! codes the same.

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
const WIDE: usize = 4;

/// Blocks of working memory that coding over `positions` takes.
pub(super) const fn work_blocks(positions: usize) -> usize {
    positions * WIDE
}

/// Runs `$work::<L, W>` for every strip of `$words` codewords, with the W that wastes least.
macro_rules! for_strips {
    ($words:expr, $size:expr, $work:ident($($argument:expr),*)) => {
        let blocks = Blocks::new($words, $size);
        let mut first = 0;
        while let Some(left @ 1..) = blocks.count().checked_sub(first) {
            // SAFETY: as the caller's.
            first += unsafe {
                match left {
                    1 => $work::<L, 1>(&blocks.strip(first), $($argument),*),
                    2 | 3 => $work::<L, 2>(&blocks.strip(first), $($argument),*),
                    _ => $work::<L, WIDE>(&blocks.strip(first), $($argument),*),
                }
            };
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

/// The blocks that the symbols of some codewords at one position take: the whole blocks of each, then
/// the tails of all.
struct Blocks {
    words: usize,
    /// Whole blocks of a symbol.
    whole: usize,
    /// Tails in one block; zero if symbols have none.
    tails: usize,
}

/// What a block holds.
#[derive(Clone, Copy)]
enum Piece {
    /// 64 bytes of the symbol of codeword `word`, from `start` on.
    Whole { word: usize, start: usize },
    /// What the symbols of `count` codewords hold from `start` on.
    Tails {
        word: usize,
        count: usize,
        start: usize,
    },
}

impl Blocks {
    fn new(words: usize, size: usize) -> Self {
        Self {
            words,
            whole: size / 64,
            tails: 64usize.checked_div(size % 64).unwrap_or(0),
        }
    }

    fn count(&self) -> usize {
        let packed = if self.tails == 0 {
            0
        } else {
            self.words.div_ceil(self.tails)
        };
        self.words * self.whole + packed
    }

    /// W blocks from `first` on, which are there.
    #[inline(always)]
    fn strip<const W: usize>(&self, first: usize) -> [Piece; W] {
        std::array::from_fn(|w| {
            let block = first + w;
            match block.checked_sub(self.words * self.whole) {
                None => Piece::Whole {
                    word: block / self.whole,
                    start: 64 * (block % self.whole),
                },
                Some(packed) => {
                    let word = packed * self.tails;
                    Piece::Tails {
                        word,
                        count: self.tails.min(self.words - word),
                        start: 64 * self.whole,
                    }
                }
            }
        })
    }
}

#[inline(always)]
unsafe fn extend_strip<L: Lanes, const W: usize>(
    strip: &[Piece; W],
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
unsafe fn restore_strip<L: Lanes, const W: usize>(
    strip: &[Piece; W],
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
struct Read<'a, const W: usize>(&'a [Piece; W], Symbols<'a>, usize);

impl<const W: usize> End<W> for Read<'_, W> {
    #[inline(always)]
    unsafe fn pass(&mut self, index: usize, position: &mut Position<W>) {
        read(position, self.0, self.1, self.2 + index);
    }
}

/// Writes the symbols of a strip, those of position 0 to the place in the last field.
struct Write<'a, 'b, 'c, const W: usize>(&'a [Piece; W], &'a mut SymbolsMut<'b, 'c>, usize);

impl<const W: usize> End<W> for Write<'_, '_, '_, W> {
    #[inline(always)]
    unsafe fn pass(&mut self, index: usize, position: &mut Position<W>) {
        write(position, self.0, self.1, self.2 + index);
    }
}

/// Reads the symbols that are there, multiplied by the locator.
struct Receive<'a, L: Lanes, const W: usize>(&'a [Piece; W], Symbols<'a>, &'a Erasures<L>);

impl<L: Lanes, const W: usize> End<W> for Receive<'_, L, W> {
    #[inline(always)]
    unsafe fn pass(&mut self, index: usize, position: &mut Position<W>) {
        match &self.2.received[index] {
            None => *position = [Block::ZERO; W],
            Some((line, locator)) => {
                read(position, self.0, self.1, *line);
                // SAFETY: as the caller's.
                unsafe { scale::<L, W>(position, locator) };
            }
        }
    }
}

/// Writes the symbols that were missing, divided by the locator's derivative.
struct Restore<'a, 'b, 'c, L: Lanes, const W: usize>(
    &'a [Piece; W],
    &'a mut SymbolsMut<'b, 'c>,
    &'a Erasures<L>,
);

impl<L: Lanes, const W: usize> End<W> for Restore<'_, '_, '_, L, W> {
    #[inline(always)]
    unsafe fn pass(&mut self, index: usize, position: &mut Position<W>) {
        if let Some((source, locator)) = &self.2.restored[index] {
            // SAFETY: as the caller's.
            unsafe { scale::<L, W>(position, locator) };
            write(position, self.0, self.1, *source);
        }
    }
}

#[inline(always)]
unsafe fn scale<L: Lanes, const W: usize>(position: &mut Position<W>, factor: &L::Factor) {
    // SAFETY: as the caller's.
    unsafe {
        let factor = L::ready(factor);
        for w in 0..W {
            let block = &mut position[w];
            L::load(block).product(factor).store(block);
        }
    }
}

#[inline(always)]
fn read<const W: usize>(
    position: &mut Position<W>,
    strip: &[Piece; W],
    symbols: Symbols<'_>,
    index: usize,
) {
    for w in 0..W {
        let block = &mut position[w];
        match strip[w] {
            Piece::Whole { word, start } => {
                let bytes = &symbols.get(index, word)[start..start + 64];
                block.0 = bytes.try_into().expect("64 bytes");
            }
            Piece::Tails { word, count, start } => {
                *block = Block::ZERO;
                for tail in 0..count {
                    block.put_tail(tail, &symbols.get(index, word + tail)[start..]);
                }
            }
        }
    }
}

#[inline(always)]
fn write<const W: usize>(
    position: &Position<W>,
    strip: &[Piece; W],
    symbols: &mut SymbolsMut<'_, '_>,
    index: usize,
) {
    for w in 0..W {
        let block = &position[w];
        match strip[w] {
            Piece::Whole { word, start } => {
                symbols.get_mut(index, word)[start..start + 64].copy_from_slice(&block.0);
            }
            Piece::Tails { word, count, start } => {
                for tail in 0..count {
                    block.take_tail(tail, &mut symbols.get_mut(index, word + tail)[start..]);
                }
            }
        }
    }
}
