//! A connection that was let in: what its peer may ask is asked here, request by request.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Action, Guard, Limit, quota::OverQuota, rooms::RoomKey};
use crate::{
    class::ConnectionClass, control::score::Fault, identity::PeerId, transport::Connection,
    wire::Refusal,
};

/// A peer at the other end of a served connection. Dropped, its place is free.
pub(crate) struct Guest {
    guard: Arc<Guard>,
    connection: Arc<dyn Connection>,
    key: RoomKey,
}

/// A request under way.
pub(crate) struct Visit {
    guest: Arc<Guest>,
}

impl Guest {
    pub(super) fn new(guard: Arc<Guard>, connection: Arc<dyn Connection>, key: RoomKey) -> Self {
        Self {
            guard,
            connection,
            key,
        }
    }

    pub(crate) fn peer(&self) -> PeerId {
        self.connection.peer()
    }

    pub(crate) fn class(&self) -> ConnectionClass {
        self.guard.class(&self.peer())
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Visit {
        self.guard.lock().rooms.begin(self.key, Instant::now());
        Visit {
            guest: Arc::clone(self),
        }
    }

    /// Takes a request that brings `payload` bytes from the peer's quotas.
    ///
    /// # Errors
    /// `Busy` with the time after which there is room for it.
    pub(crate) fn admit(&self, payload: u32) -> Result<(), Refusal> {
        let (peer, now) = (self.peer(), Instant::now());
        let quota = self.guard.settings.quotas.of(self.class());
        let mut state = self.guard.lock();
        state.scores.release(now);
        if let Some(until) = state.scores.banned_until(&peer) {
            drop(state);
            self.note(Action::Refused, Limit::Banned);
            return Err(Refusal::busy(until.saturating_duration_since(now)));
        }
        let admitted = state.accounts.admit(peer, quota, payload, now);
        drop(state);
        admitted.map_err(|over| self.refuse(&over))
    }

    /// Takes symbols to be computed from the peer's quota.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn admit_symbols(&self, symbols: u64) -> Result<(), Refusal> {
        let quota = self.guard.settings.quotas.of(self.class());
        let mut state = self.guard.lock();
        let admitted = (state.accounts).symbols(self.peer(), quota, symbols, Instant::now());
        drop(state);
        admitted.map_err(|over| self.refuse(&over))
    }

    /// Charges bytes that were sent.
    pub(crate) fn sent(&self, bytes: u64) {
        let quota = self.guard.settings.quotas.of(self.class());
        let mut state = self.guard.lock();
        (state.accounts).sent(self.peer(), quota, bytes, Instant::now());
    }

    /// The peer did what honest ones do rarely.
    pub(crate) fn fault(&self, fault: Fault) {
        self.guard.fault(self.peer(), fault);
    }

    /// A limit refused a request.
    pub(crate) fn note(&self, action: Action, limit: Limit) {
        self.guard.note(self.peer(), action, limit);
    }

    fn refuse(&self, over: &OverQuota) -> Refusal {
        self.note(Action::Refused, over.limit);
        if over.hasty {
            self.fault(Fault::Hasty);
        }
        // In whole milliseconds, none of which may be missing.
        Refusal::busy(over.retry_after + Duration::from_millis(1))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut state = self.guard.lock();
        state.rooms.leave(self.key);
        state.open.remove(&self.key);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let guest = &self.guest;
        guest.guard.lock().rooms.end(guest.key, Instant::now());
    }
}
