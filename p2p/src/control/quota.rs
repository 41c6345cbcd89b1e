//! How much each peer, or each of something else, may ask or say per second. Pure.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tokio::time::Instant;

use crate::identity::PeerId;

/// A bucket of tokens for each of those who are connected.
#[derive(Debug)]
pub(super) struct Quota<K = PeerId> {
    per_second: f64,
    burst: f64,
    buckets: HashMap<K, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Eq + Hash> Quota<K> {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: per_second.into(),
            burst: burst.into(),
            buckets: HashMap::new(),
        }
    }

    /// Takes a token, if there is one left.
    pub(super) fn take(&mut self, whose: K, now: Instant) -> bool {
        let full = Bucket {
            tokens: self.burst,
            at: now,
        };
        let bucket = self.buckets.entry(whose).or_insert(full);
        let gained = now.duration_since(bucket.at).as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + gained).min(self.burst);
        bucket.at = now;
        let taken = bucket.tokens >= 1.0;
        if taken {
            bucket.tokens -= 1.0;
        }
        taken
    }

    /// Forgets those that are full again: everybody connected stays bounded, so does this.
    pub(super) fn tidy(&mut self, now: Instant) {
        let refill = Duration::from_secs_f64(self.burst / self.per_second);
        self.buckets
            .retain(|_, bucket| now.duration_since(bucket.at) < refill);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::identity;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_then_the_rate_for_each_peer_alone() {
        let mut quota = Quota::new(10, 50);
        let (loud, quiet) = (identity(1).peer_id(), identity(2).peer_id());
        let passed = |quota: &mut Quota| {
            (0..1_000)
                .filter(|_| quota.take(loud, Instant::now()))
                .count()
        };
        assert_eq!(passed(&mut quota), 50);
        assert!(quota.take(quiet, Instant::now()));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(passed(&mut quota), 20);
        tokio::time::advance(Duration::from_secs(60)).await;
        quota.tidy(Instant::now());
        assert!(quota.buckets.is_empty());
    }
}
