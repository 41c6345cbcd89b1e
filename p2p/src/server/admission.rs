//! Memory is granted before it is allocated: every payload byte a peer sends and every byte read
//! for an answer is first taken from a budget. An empty budget answers `Busy`.
//!
//! No peer empties it alone: a quarter is for members of the committee, and of the rest each may hold
//! three times what it leaves free, so that there is something for the next.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{class::ConnectionClass, identity::PeerId, wire::Refusal};

/// A bounded number of bytes in memory; clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total: usize,
    held: Mutex<Held>,
    returned: Notify,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    peers: HashMap<PeerId, usize>,
}

impl Held {
    /// Takes bytes for a peer, if it may have them.
    fn take(&mut self, total: usize, peer: PeerId, class: ConnectionClass, bytes: usize) -> bool {
        let own = self.peers.get(&peer).copied().unwrap_or(0);
        let Some(left) = (total - self.all).checked_sub(bytes) else {
            return false;
        };
        let kept = match class {
            ConnectionClass::Committee => 0,
            ConnectionClass::Anonymous | ConnectionClass::Known => total / 4,
        };
        let share = left.saturating_sub(kept).saturating_mul(3);
        // Alone, anybody may have anything.
        let may = self.all == 0 || own + bytes <= share;
        if may {
            self.all += bytes;
            *self.peers.entry(peer).or_default() += bytes;
        }
        may
    }

    fn give_back(&mut self, peer: PeerId, bytes: usize) {
        self.all -= bytes;
        if let Some(own) = self.peers.get_mut(&peer) {
            *own -= bytes;
            if *own == 0 {
                self.peers.remove(&peer);
            }
        }
    }
}

/// Bytes granted from a budget; they return to it when this, and all [`Bytes`] bound to it, are
/// dropped.
#[derive(Debug)]
pub struct Grant {
    from: Budget,
    peer: PeerId,
    bytes: usize,
}

impl Budget {
    /// How long a request may wait for memory before it is told to come back.
    const PATIENCE: Duration = Duration::from_millis(500);
    /// When it should come back.
    pub(super) const RETRY_AFTER: Duration = Duration::from_millis(250);

    pub(super) fn new(total: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                total,
                held: Mutex::default(),
                returned: Notify::new(),
            }),
        }
    }

    /// Takes `length` bytes for a peer, waiting a little if it may not have them now.
    pub(super) async fn take(
        &self,
        (peer, class): (PeerId, ConnectionClass),
        length: u32,
        deadline: Instant,
    ) -> Result<Grant, Refusal> {
        let bytes = length as usize;
        if bytes > self.shared.total {
            return Err(Refusal::internal(
                "larger than this node's whole memory budget",
            ));
        }
        let patience = deadline.min(Instant::now() + Self::PATIENCE);
        let taken = async {
            loop {
                let mut returned = pin!(self.shared.returned.notified());
                // From here on nothing that returns is missed.
                returned.as_mut().enable();
                if self.lock().take(self.shared.total, peer, class, bytes) {
                    return;
                }
                returned.await;
            }
        };
        let taken = timeout_at(patience, taken).await;
        taken.map_err(|_| Refusal::busy(Self::RETRY_AFTER))?;
        Ok(Grant {
            from: self.clone(),
            peer,
            bytes,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // No code under this lock panics, so a poisoned one still guards whole data.
        let held = self.shared.held.lock();
        held.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant {
    /// Binds as many granted bytes to `bytes` as it holds: they return to the budget when its last
    /// clone is dropped.
    pub(super) fn bind(&mut self, bytes: Bytes) -> Bytes {
        let Some(left) = self.bytes.checked_sub(bytes.len()) else {
            return bytes;
        };
        self.bytes = left;
        let grant = Self {
            from: self.from.clone(),
            peer: self.peer,
            bytes: bytes.len(),
        };
        Bytes::from_owner(Bound {
            bytes,
            _grant: grant,
        })
    }

    /// How many bytes are still granted.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.bytes
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.from.lock().give_back(self.peer, self.bytes);
            self.from.shared.returned.notify_waiters();
        }
    }
}

struct Bound {
    bytes: Bytes,
    _grant: Grant,
}

impl AsRef<[u8]> for Bound {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Status;

    fn anybody() -> (PeerId, ConnectionClass) {
        (PeerId::random(), ConnectionClass::Anonymous)
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_budget_says_busy_and_recovers() {
        let budget = Budget::new(100);
        let deadline = Instant::now() + Duration::from_secs(60);
        let (me, used) = (anybody(), || budget.lock().all);
        let mut grant = budget.take(me, 80, deadline).await.unwrap();
        let refusal = budget.take(me, 21, deadline).await.unwrap_err();
        assert!(matches!(refusal.status, Status::Busy { .. }));

        let bytes = grant.bind(Bytes::from_static(&[1; 50]));
        assert_eq!(grant.left(), 30);
        drop(grant);
        assert_eq!(used(), 50, "the bytes still hold their part");
        let part = bytes.slice(..10);
        drop(bytes);
        assert_eq!(used(), 50, "a slice keeps the whole");
        let (waiting, ()) = tokio::join!(budget.take(me, 100, deadline), async { drop(part) });
        assert_eq!(used(), 100, "whoever waited has it");
        drop(waiting);
        assert_eq!(used(), 0);
        assert!(budget.take(me, 101, deadline).await.is_err());
    }

    #[test]
    fn many_peers_leave_something_to_the_next_and_a_quarter_to_members() {
        let mut held = Held::default();
        let mut take = |(peer, class), bytes| held.take(1000, peer, class, bytes);
        let mut taken = 0;
        for greedy in std::iter::repeat_with(anybody).take(20) {
            taken += (0..1000).filter(|_| take(greedy, 10)).count() * 10;
        }
        assert!((700..=750).contains(&taken), "{taken}");
        let member = (PeerId::random(), ConnectionClass::Committee);
        assert!(take(member, 180) && !take(member, 20));
        assert_eq!(held.peers.values().sum::<usize>(), held.all);
    }
}
