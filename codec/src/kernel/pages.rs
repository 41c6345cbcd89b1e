//! Memory on large pages. Coding goes across lines, so that each access is on another page: large ones,
//! where the system has them for whoever asks, spare most look-ups of addresses and most of the work of
//! the first touch.

/// New memory, all zero.
pub(crate) fn zeroed(len: usize) -> Vec<u8> {
    let mut memory = vec![0; len];
    #[cfg(target_os = "linux")]
    ask_for_large(&mut memory);
    memory
}

#[cfg(target_os = "linux")]
fn ask_for_large(memory: &mut [u8]) {
    const LARGE: usize = 2 << 20;
    /// What is smaller would be rounded up by much.
    const WORTH_IT: usize = 8 * LARGE;
    if memory.len() < WORTH_IT {
        return;
    }
    let start = memory.as_ptr().align_offset(LARGE);
    let len = memory.len().saturating_sub(start) / LARGE * LARGE;
    if len > 0 {
        let first = memory.as_mut_ptr().wrapping_add(start).cast();
        // SAFETY: the range lies within `memory`, and the advice changes how fast that is, not what is
        // in it. A system that does not take it loses nothing.
        let _ = unsafe { rustix::mm::madvise(first, len, rustix::mm::Advice::LinuxHugepage) };
    }
}
