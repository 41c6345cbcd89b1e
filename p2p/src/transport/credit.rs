//! How many streams a peer may have open, for transports that count them themselves.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for streams. Each is held by its stream.
#[derive(Debug)]
pub(super) struct StreamCredit {
    places: Arc<Semaphore>,
    granted: AtomicU32,
}

impl StreamCredit {
    pub(super) fn new(streams: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(streams as usize)),
            granted: AtomicU32::new(streams),
        }
    }

    /// Grants `streams` from now on; those that are open beyond that may end in peace.
    pub(super) fn grant(&self, streams: u32) {
        let before = self.granted.swap(streams, Ordering::Relaxed);
        match streams.checked_sub(before) {
            Some(more) => self.places.add_permits(more as usize),
            None => drop(self.places.forget_permits((before - streams) as usize)),
        }
    }

    /// A place, as soon as one is free.
    pub(super) async fn take(&self) -> Arc<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        Arc::new(place.expect("this semaphore is never closed"))
    }
}
