//! Working buffers kept for the next use: a fresh page costs more than the work done on it.

use std::sync::{Mutex, PoisonError};

/// A stack of idle items; there are at most as many as were in use at once.
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Pool<T> {
    /// Runs `work` with an idle item, or a new one.
    pub(crate) fn with<R>(&self, new: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut item = idle.unwrap_or_else(new);
        let result = work(&mut item);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(item);
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
