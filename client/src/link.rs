//! How many bytes are on their way to or from all nodes together. A client has one link: on a slow one a
//! few requests should get through in time rather than all of them run out of it, on a fast one
//! nothing should wait. Decides by how long requests take; knows nothing of nodes.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

/// Bytes that may always be on their way: to begin with one request, where they are large.
const LEAST: u64 = 1 << 20;
/// More than an encoder keeps in memory.
const MOST: u64 = 256 << 20;
/// A request that takes no longer makes room for more.
const QUICK: Duration = Duration::from_secs(1);
/// A request that takes longer leaves room for less.
const SLOW: Duration = Duration::from_secs(4);

/// One client's link, shared by the requests of a pass of slivers or by the segments of a read.
#[derive(Debug, Default)]
pub(crate) struct Link {
    traffic: Mutex<Traffic>,
    changed: Notify,
}

#[derive(Debug)]
struct Traffic {
    window: u64,
    flying: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            window: LEAST,
            flying: 0,
        }
    }
}

impl Traffic {
    /// One request always goes, however large.
    const fn admits(&self, bytes: u64) -> bool {
        self.flying == 0 || self.flying + bytes <= self.window
    }

    /// A request of so many bytes took so long, to its success or until it was given up. A window
    /// of quick ones doubles it, a window of slow ones halves it.
    fn took(&mut self, bytes: u64, time: Duration) {
        if time <= QUICK {
            self.window = (self.window + bytes).min(MOST);
        } else if time >= SLOW {
            self.window = self.window.saturating_sub(bytes / 2).max(LEAST);
        }
    }
}

impl Link {
    /// Waits until so many bytes may go.
    pub(crate) async fn room(&self, bytes: u64) -> Room<'_> {
        loop {
            // Made before the look, so that no change is missed.
            let changed = self.changed.notified();
            {
                let mut traffic = self.traffic();
                if traffic.admits(bytes) {
                    traffic.flying += bytes;
                    return Room { link: self, bytes };
                }
            }
            changed.await;
        }
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have bytes on their way, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    link: &'a Link,
    bytes: u64,
}

impl Room<'_> {
    /// The request is over: what to learn from it.
    pub(crate) fn took(self, time: Duration) {
        self.link.traffic().took(self.bytes, time);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.link.traffic().flying -= self.bytes;
        self.link.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const PARCEL: u64 = 2 << 20;

    /// The longest request when `count` of them share a link of so many bytes a second: whoever is on
    /// its way gets an equal part of it.
    async fn longest(rate: u64, count: usize) -> Duration {
        let link = Link::default();
        let requests = (0..count).map(|_| async {
            let room = link.room(PARCEL).await;
            let begun = Instant::now();
            let mut left = PARCEL;
            while left > 0 {
                sleep(Duration::from_millis(20)).await;
                let sharing = link.traffic().flying / PARCEL;
                left = left.saturating_sub(rate / 50 / sharing);
            }
            room.took(begun.elapsed());
            begun.elapsed()
        });
        futures::future::join_all(requests)
            .await
            .into_iter()
            .max()
            .expect("some")
    }

    #[tokio::test(start_paused = true)]
    async fn requests_on_a_slow_link_end_in_time_and_a_fast_one_is_used() {
        // 2 Mbit/s: one after the other, eight seconds each. All at once each would take five minutes.
        assert!(longest(250_000, 40).await < Duration::from_secs(10));
        // 20 Mbit/s.
        assert!(longest(2_500_000, 40).await < Duration::from_secs(5));

        let mut traffic = Traffic::default();
        for _ in 0..40 {
            traffic.took(PARCEL, Duration::from_millis(50));
        }
        assert!(traffic.admits(40 * PARCEL), "all at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_larger_than_the_window_goes_alone() {
        let link = Link::default();
        let large = link.room(10 * LEAST).await;
        let waits = tokio::time::timeout(SLOW, link.room(1)).await;
        assert!(waits.is_err());
        drop(large);
        link.room(1).await.took(QUICK);
    }
}
