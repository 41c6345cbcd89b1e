//! How much each peer may ask or say per second. Pure.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::identity::PeerId;

/// A bucket of tokens for every connected peer.
#[derive(Debug)]
pub(super) struct Quota {
    per_second: f64,
    burst: f64,
    peers: HashMap<PeerId, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Quota {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: per_second.into(),
            burst: burst.into(),
            peers: HashMap::new(),
        }
    }

    /// Takes a token of the peer, if it has one left.
    pub(super) fn take(&mut self, peer: PeerId, now: Instant) -> bool {
        let full = Bucket {
            tokens: self.burst,
            at: now,
        };
        let bucket = self.peers.entry(peer).or_insert(full);
        let gained = now.duration_since(bucket.at).as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + gained).min(self.burst);
        bucket.at = now;
        let taken = bucket.tokens >= 1.0;
        if taken {
            bucket.tokens -= 1.0;
        }
        taken
    }

    /// Forgets peers that are full again: everybody connected stays bounded, so does this.
    pub(super) fn tidy(&mut self, now: Instant) {
        let refill = Duration::from_secs_f64(self.burst / self.per_second);
        self.peers
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
        assert!(quota.peers.is_empty());
    }
}
