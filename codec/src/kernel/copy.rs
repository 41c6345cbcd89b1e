//! Copies of symbols: short ones without a call, and those to memory that is not read soon past the
//! caches.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m128i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_sfence, _mm_stream_si128,
};

/// Bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Copies each pair, from the first to the second, past the caches where those are whole lines: these
/// are not read before they are written and do not take the place of others.
pub(crate) fn copy_out<'a, 'b>(copies: impl Iterator<Item = (&'a [u8], &'b mut [u8])>) {
    #[cfg(target_arch = "x86_64")]
    {
        copies.for_each(|(from, to)| stream(from, to));
        // SAFETY: every x86-64 processor has the instruction. It orders the streaming stores before
        // whatever this thread does next, as the callers of `stream` have to.
        unsafe { _mm_sfence() };
    }
    #[cfg(not(target_arch = "x86_64"))]
    copies.for_each(|(from, to)| copy(from, to));
}

/// Copies slices of equal length, with streaming stores if `to` is whole lines. A fence must follow.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn stream(from: &[u8], to: &mut [u8]) {
    let is_aligned = to.as_ptr().align_offset(LINE) == 0;
    let ((lines, []), true) = (to.as_chunks_mut::<LINE>(), is_aligned) else {
        return copy(from, to);
    };
    for (from, to) in from.as_chunks::<LINE>().0.iter().zip(lines) {
        let from = from.as_ptr().cast::<__m128i>();
        let to = to.as_mut_ptr().cast::<__m128i>();
        for quarter in 0..4 {
            // SAFETY: every x86-64 processor has the instructions; a line is four vectors, and these
            // start where lines do.
            unsafe { _mm_stream_si128(to.add(quarter), _mm_loadu_si128(from.add(quarter))) };
        }
    }
}

/// Asks for the cache line of a byte that is read soon.
#[inline(always)]
pub(crate) fn prefetch(byte: &u8) {
    // SAFETY: every x86-64 processor has the instruction, which changes nothing but the caches.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast());
    }
}

/// Copies slices of equal length.
#[inline(always)]
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    if from.len() < 32 {
        copy_short(from, to);
    } else {
        to.copy_from_slice(from);
    }
}

/// Copies less than 32 bytes to the start of `to`, without a call.
#[inline(always)]
pub(crate) fn copy_short(from: &[u8], to: &mut [u8]) {
    let to = &mut to[..from.len()];
    let done = copy_ends::<16>(from, to)
        || copy_ends::<8>(from, to)
        || copy_ends::<4>(from, to)
        || copy_ends::<2>(from, to);
    if let (false, [from], [to]) = (done, from, to) {
        *to = *from;
    }
}

/// Copies the first and the last N bytes, which may overlap, if there are as many.
#[inline(always)]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) -> bool {
    let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
        return false;
    };
    if let Some(to) = to.first_chunk_mut() {
        *to = *first;
    }
    if let Some(to) = to.last_chunk_mut() {
        *to = *last;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_complete_and_touch_nothing_else() {
        let from: Vec<u8> = (0..=255).cycle().take(700).collect();
        for length in (0..70).chain([127, 128, 130, 512]) {
            let mut memory = vec![7; 700];
            let line = memory.as_ptr().align_offset(64);
            for start in [0, 1, 6, 63, 64].map(|offset| line + offset) {
                for copies in [copy, |from: &[u8], to: &mut [u8]| {
                    copy_out([(from, to)].into_iter())
                }] {
                    memory.fill(7);
                    copies(&from[3..][..length], &mut memory[start..][..length]);
                    assert_eq!(memory[start..][..length], from[3..][..length]);
                    assert!(memory[..start].iter().all(|byte| *byte == 7));
                    assert!(memory[start + length..].iter().all(|byte| *byte == 7));
                }
            }
        }
    }
}
