//! Memory for segments: what is being fetched, or sent without a cache, together never takes more
//! than it was given. Whoever comes first gets it first.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ServeError;

/// Memory that is given out in KiB.
pub(crate) struct Budget {
    free: Arc<Semaphore>,
    all: u32,
}

/// Memory that somebody has.
pub(crate) struct Share(OwnedSemaphorePermit);

/// Memory of a segment while it is fetched, in segments: its slivers, its bytes, and all that is encoded
/// again to compare.
const FETCH: u64 = 8;

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let all = u32::try_from(bytes >> 10).unwrap_or(most).clamp(1, most);
        Self {
            free: Arc::new(Semaphore::new(all as usize)),
            all,
        }
    }

    /// Memory to fetch a segment of so many bytes. One larger than everything gets everything.
    pub(crate) async fn to_fetch(&self, bytes: usize) -> Result<Share, ServeError> {
        let count = kib(bytes as u64 * FETCH).min(self.all);
        let free = Arc::clone(&self.free);
        let granted = free.acquire_many_owned(count).await;
        granted.map(Share).map_err(|_| ServeError::Busy)
    }
}

impl Share {
    /// What is left of it are these bytes; the last of them to go gives the memory back.
    pub(crate) fn keep(mut self, bytes: Bytes) -> Bytes {
        let needed = kib(bytes.len() as u64) as usize;
        let surplus = self.0.num_permits().saturating_sub(needed);
        drop(self.0.split(surplus));
        Bytes::from_owner(Kept(bytes, self.0))
    }
}

struct Kept(
    Bytes,
    #[expect(dead_code, reason = "held, not used")] OwnedSemaphorePermit,
);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_comes_back_with_the_last_of_the_bytes() {
        let budget = Budget::new(100 << 10);
        let share = budget.to_fetch(10 << 10).await.ok().unwrap();
        assert_eq!(budget.free.available_permits(), 20);
        let kept = share.keep(Bytes::from(vec![7; 10 << 10]));
        let part = kept.slice(..1);
        drop(kept);
        assert_eq!(budget.free.available_permits(), 90);
        let mut everything = std::pin::pin!(budget.to_fetch(1 << 20));
        assert!(futures::poll!(everything.as_mut()).is_pending());
        drop(part);
        everything.await.ok().unwrap();
    }
}
