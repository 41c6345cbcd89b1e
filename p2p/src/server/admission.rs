//! Memory is granted before it is allocated: every payload byte a peer sends and every byte read
//! for an answer is first taken from a budget. An empty budget answers `Busy`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::wire::Refusal;

/// A bounded number of bytes in memory.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    bytes: Arc<Semaphore>,
    total: usize,
}

/// Bytes granted from a budget; they return to it when this, and all [`Bytes`] bound to it, are
/// dropped.
#[derive(Debug)]
pub struct Grant {
    permit: OwnedSemaphorePermit,
}

impl Budget {
    /// How long a request may wait for memory before it is told to come back.
    const PATIENCE: Duration = Duration::from_millis(500);
    /// When it should come back.
    pub(super) const RETRY_AFTER: Duration = Duration::from_millis(250);

    pub(super) fn new(total: usize) -> Self {
        let total = total.min(Semaphore::MAX_PERMITS);
        Self {
            bytes: Arc::new(Semaphore::new(total)),
            total,
        }
    }

    /// Takes `length` bytes, waiting a little if they are not there.
    pub(super) async fn take(&self, length: u32, deadline: Instant) -> Result<Grant, Refusal> {
        if length as usize > self.total {
            return Err(Refusal::internal(
                "larger than this node's whole memory budget",
            ));
        }
        let patience = deadline.min(Instant::now() + Self::PATIENCE);
        let take = Arc::clone(&self.bytes).acquire_many_owned(length);
        match timeout_at(patience, take).await {
            Ok(Ok(permit)) => Ok(Grant { permit }),
            _ => Err(Refusal::busy(Self::RETRY_AFTER)),
        }
    }
}

impl Grant {
    /// Binds as many granted bytes to `bytes` as it holds: they return to the budget when its last
    /// clone is dropped.
    pub(super) fn bind(&mut self, bytes: Bytes) -> Bytes {
        match self.permit.split(bytes.len()) {
            Some(permit) => Bytes::from_owner(Held {
                bytes,
                _permit: permit,
            }),
            None => bytes,
        }
    }

    /// How many bytes are still granted.
    #[must_use]
    pub fn left(&self) -> usize {
        self.permit.num_permits()
    }
}

struct Held {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Status;

    fn used(budget: &Budget) -> usize {
        budget.total - budget.bytes.available_permits()
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_budget_says_busy_and_recovers() {
        let budget = Budget::new(100);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut grant = budget.take(80, deadline).await.unwrap();
        let refusal = budget.take(21, deadline).await.unwrap_err();
        assert!(matches!(refusal.status, Status::Busy { .. }));

        let bytes = grant.bind(Bytes::from_static(&[1; 50]));
        assert_eq!(grant.left(), 30);
        drop(grant);
        assert_eq!(used(&budget), 50, "the bytes still hold their part");
        let part = bytes.slice(..10);
        drop(bytes);
        assert_eq!(used(&budget), 50, "a slice keeps the whole");
        drop(part);
        assert_eq!(used(&budget), 0);
        assert!(budget.take(100, deadline).await.is_ok());
        assert!(budget.take(101, deadline).await.is_err());
    }
}
