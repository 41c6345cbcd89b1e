//! Working buffers kept for the next use: a fresh page costs more than the work done on it.

use std::sync::{Mutex, PoisonError};

use crate::kernel::pages::zeroed;

/// A stack of idle items; there are at most as many as were in use at once.
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Pool<T> {
    /// An idle item, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps an item for the next one who needs it.
    pub(crate) fn give(&self, item: T) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(item);
    }

    /// Runs `work` with an idle item, or a new one.
    pub(crate) fn with<R>(&self, new: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let mut item = self.take().unwrap_or_else(new);
        let result = work(&mut item);
        self.give(item);
        result
    }
}

/// The first `len` bytes of `buffer`, which grows when it is too short. Contents are unspecified.
pub(crate) fn sized<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        // A new zeroed allocation is not touched until it is used; growing would copy.
        *buffer = vec![T::default(); len];
    }
    &mut buffer[..len]
}

/// Bytes that start where a cache line does: reads and writes of whole vectors would otherwise touch
/// two lines each.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<u8>);

/// Bytes of a cache line.
const LINE: usize = 64;

impl Buffer {
    /// The first `len` bytes of the buffer, which grows when it is too short. They are what they were,
    /// or all zero.
    pub(crate) fn sized(&mut self, len: usize) -> &mut [u8] {
        if self.0.len() < len + LINE {
            self.0 = zeroed(len + LINE);
        }
        let start = self.start();
        &mut self.0[start..start + len]
    }

    /// Makes everything zero.
    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }

    /// The bytes, as many as were ever asked for at least.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.get(self.start()..).unwrap_or_default()
    }

    fn start(&self) -> usize {
        // Where the address is not known there is nothing to align.
        let offset = self.0.as_ptr().align_offset(LINE);
        if offset < LINE { offset } else { 0 }
    }
}
