//! Waiting for one's turn: places are given by the queue's order, and only held while this node works.
//! Whoever waits for its peer, however slow that is, holds none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::queue::{Queue, Turn};
use crate::{identity::PeerId, metrics::Metrics, wire::TrafficClass};

/// The places of a server; clones are the same ones.
#[derive(Clone)]
pub(super) struct Turns {
    queue: Arc<Mutex<Queue<oneshot::Sender<Place>>>>,
    metrics: Arc<Metrics>,
}

/// A place; given to the next when dropped.
struct Place {
    turns: Turns,
    /// None once it was given back.
    peer: Option<PeerId>,
}

impl Turns {
    /// Places kept for control and challenges: one in so many.
    const RESERVED: usize = 16;
    /// Entries of the queue above which those are looked for that nobody waits behind any more.
    const LONG: usize = 1024;

    pub(super) fn new(places: usize, metrics: Arc<Metrics>) -> Self {
        let queue = Queue::new(places, places.div_ceil(Self::RESERVED));
        Self {
            queue: Arc::new(Mutex::new(queue)),
            metrics,
        }
    }

    /// A seat for the work of one request; nobody sits on it yet.
    pub(super) fn seat(&self, peer: PeerId, class: TrafficClass) -> Seat {
        Seat {
            turns: self.clone(),
            peer,
            class,
            place: Mutex::new(None),
        }
    }

    async fn take(&self, turn: Turn) -> Place {
        let (place, mut given) = oneshot::channel();
        {
            let mut queue = self.lock();
            if queue.len() >= Self::LONG {
                queue.retain(|place| !place.is_closed());
            }
            queue.join(turn, place);
        }
        self.deal();
        if let Ok(place) = given.try_recv() {
            return place;
        }
        let _waiting = self.metrics.waiting();
        given
            .await
            .expect("the queue lives as long as a seat, and drops nobody who waits")
    }

    /// Gives out the places that are free.
    fn deal(&self) {
        loop {
            let Some((peer, waiting)) = self.lock().next() else {
                return;
            };
            let place = Place {
                turns: self.clone(),
                peer: Some(peer),
            };
            // Whoever does not wait any more gives it back.
            if let Err(mut place) = waiting.send(place) {
                place.peer = None;
                self.lock().leave(peer);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<oneshot::Sender<Place>>> {
        // No code under this lock panics, so a poisoned one still guards whole data.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(peer) = self.peer {
            self.turns.lock().leave(peer);
            self.turns.deal();
        }
    }
}

/// Where a request is worked on.
pub(super) struct Seat {
    turns: Turns,
    peer: PeerId,
    class: TrafficClass,
    place: Mutex<Option<Place>>,
}

impl Seat {
    /// Waits for the turn for work of `cost` bytes. Gives up the place it has: every piece of work has a
    /// turn of its own.
    pub(super) async fn sit(&self, cost: u64) {
        self.leave();
        let (class, peer) = (self.class, self.peer);
        let place = self.turns.take(Turn { class, peer, cost }).await;
        *self.lock() = Some(place);
    }

    /// Lets others work.
    pub(super) fn leave(&self) {
        // Dropped after the lock: whoever is next is woken by it.
        let place = self.lock().take();
        drop(place);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Place>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
