//! Codes lines of symbols strip by strip: W blocks of every position at a time, so that a whole
//! transform stays in the second-level cache.

use std::ops::Range;

use super::{
    lanes::{Block, Lanes},
    pattern::Erasures,
    shape::Shape,
    transform::{Position, add_position, derive, forward, inverse},
};

/// Blocks of a position in the widest strip.
const WIDE: usize = 4;

/// Blocks of working memory that coding over `positions` takes.
pub(super) const fn work_blocks(positions: usize) -> usize {
    positions * WIDE
}

/// Fills the recovery lines from the source lines.
///
/// # Safety
///
/// Called from a function compiled with the instructions of the tier.
#[inline(always)]
pub(super) unsafe fn extend<L: Lanes>(
    skews: &[L::Factor],
    shape: &Shape,
    size: usize,
    source: &[&[u8]],
    recovery: &mut [&mut [u8]],
    work: &mut [Block],
) {
    let length = source.first().map_or(0, |line| line.len());
    for strip in strips(length, size) {
        // SAFETY: as the caller's.
        unsafe {
            match strip.blocks {
                4 => extend_strip::<L, 4>(skews, shape, &strip.bytes, source, recovery, work),
                2 => extend_strip::<L, 2>(skews, shape, &strip.bytes, source, recovery, work),
                _ => extend_strip::<L, 1>(skews, shape, &strip.bytes, source, recovery, work),
            }
        }
    }
}

/// Fills the missing source lines from the present ones.
///
/// # Safety
///
/// As [`extend`].
#[inline(always)]
pub(super) unsafe fn restore<L: Lanes>(
    skews: &[L::Factor],
    erasures: &Erasures<L>,
    size: usize,
    present: &[&[u8]],
    missing: &mut [&mut [u8]],
    work: &mut [Block],
) {
    let length = present.first().map_or(0, |line| line.len());
    for strip in strips(length, size) {
        // SAFETY: as the caller's.
        unsafe {
            match strip.blocks {
                4 => restore_strip::<L, 4>(skews, erasures, &strip.bytes, present, missing, work),
                2 => restore_strip::<L, 2>(skews, erasures, &strip.bytes, present, missing, work),
                _ => restore_strip::<L, 1>(skews, erasures, &strip.bytes, present, missing, work),
            }
        }
    }
}

/// A part of one symbol: at most `blocks` blocks, the last of which may be cut short.
struct Strip {
    bytes: Range<usize>,
    blocks: usize,
}

/// The strips of lines of `length` bytes of symbols of `size` bytes.
#[inline(always)]
fn strips(length: usize, size: usize) -> impl Iterator<Item = Strip> {
    (0..length).step_by(size).flat_map(move |symbol| {
        let end = symbol + size;
        let mut start = symbol;
        std::iter::from_fn(move || {
            let left = (end - start).div_ceil(64);
            let blocks = match left {
                0 => return None,
                1 => 1,
                2 | 3 => 2,
                _ => WIDE,
            };
            let bytes = start..end.min(start + 64 * blocks);
            start = bytes.end;
            Some(Strip { bytes, blocks })
        })
    })
}

#[inline(always)]
unsafe fn extend_strip<L: Lanes, const W: usize>(
    skews: &[L::Factor],
    shape: &Shape,
    strip: &Range<usize>,
    source: &[&[u8]],
    recovery: &mut [&mut [u8]],
    work: &mut [Block],
) {
    let chunk = shape.chunk;
    let (work, _) = work.as_chunks_mut::<W>();
    let (sum, rest) = work.split_at_mut(chunk);
    let part = &mut rest[..chunk];
    // SAFETY: as the caller's.
    unsafe {
        if shape.high_rate {
            let (first, others) = source.split_at(source.len().min(chunk));
            read_lines(sum, first, strip);
            inverse::<L, W>(skews, sum, first.len(), chunk);
            for (index, lines) in others.chunks(chunk).enumerate() {
                read_lines(part, lines, strip);
                inverse::<L, W>(skews, part, lines.len(), (index + 2) * chunk);
                for (sum, summand) in sum.iter_mut().zip(&*part) {
                    add_position::<L, W>(sum, summand);
                }
            }
            forward::<L, W>(skews, sum, recovery.len(), 0);
            write_lines(sum, recovery, strip);
        } else {
            read_lines(sum, source, strip);
            inverse::<L, W>(skews, sum, source.len(), 0);
            for (index, lines) in recovery.chunks_mut(chunk).enumerate() {
                part.copy_from_slice(sum);
                forward::<L, W>(skews, part, lines.len(), (index + 1) * chunk);
                write_lines(part, lines, strip);
            }
        }
    }
}

#[inline(always)]
unsafe fn restore_strip<L: Lanes, const W: usize>(
    skews: &[L::Factor],
    erasures: &Erasures<L>,
    strip: &Range<usize>,
    present: &[&[u8]],
    missing: &mut [&mut [u8]],
    work: &mut [Block],
) {
    let (work, _) = work.as_chunks_mut::<W>();
    let work = &mut work[..erasures.size];
    // SAFETY: as the caller's.
    unsafe {
        for (position, received) in work.iter_mut().zip(&erasures.received) {
            match received {
                None => *position = [Block::ZERO; W],
                Some((line, locator)) => {
                    read(position, &present[*line][strip.clone()]);
                    scale::<L, W>(position, locator);
                }
            }
        }
        inverse::<L, W>(skews, work, erasures.end, 0);
        derive::<L, W>(work);
        forward::<L, W>(skews, work, erasures.wanted, 0);
        for ((position, locator), line) in erasures.missing.iter().zip(missing) {
            scale::<L, W>(&mut work[*position], locator);
            write(&work[*position], &mut line[strip.clone()]);
        }
    }
}

#[inline(always)]
unsafe fn scale<L: Lanes, const W: usize>(position: &mut Position<W>, factor: &L::Factor) {
    for block in position {
        // SAFETY: as the caller's.
        unsafe { L::load(block).product(factor).store(block) };
    }
}

/// Reads one strip of each line into its position; positions without a line become zero.
#[inline(always)]
fn read_lines<const W: usize>(work: &mut [Position<W>], lines: &[&[u8]], strip: &Range<usize>) {
    let (used, unused) = work.split_at_mut(lines.len());
    for (position, line) in used.iter_mut().zip(lines) {
        read(position, &line[strip.clone()]);
    }
    unused.fill([Block::ZERO; W]);
}

#[inline(always)]
fn write_lines<const W: usize>(
    work: &[Position<W>],
    lines: &mut [&mut [u8]],
    strip: &Range<usize>,
) {
    for (position, line) in work.iter().zip(lines) {
        write(position, &mut line[strip.clone()]);
    }
}

#[inline(always)]
fn read<const W: usize>(position: &mut Position<W>, bytes: &[u8]) {
    for (w, block) in position.iter_mut().enumerate() {
        *block = bytes.get(64 * w..).map_or(Block::ZERO, Block::read);
    }
}

#[inline(always)]
fn write<const W: usize>(position: &Position<W>, bytes: &mut [u8]) {
    for (w, block) in position.iter().enumerate() {
        if let Some(rest) = bytes.get_mut(64 * w..) {
            block.write(rest);
        }
    }
}
