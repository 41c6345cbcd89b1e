//! How many bytes are on their way to or from all nodes together. A client has one link: on a slow one a
//! few requests should get through in time rather than all of them run out of it, on a fast one
//! nothing should wait. Decides by how long requests take beyond what distance explains, and by whether
//! anything is heard meanwhile; knows nothing of nodes.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use floe_p2p::client::DataClient;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

/// The slowest link, and the slowest node, that is waited for, in bytes a second.
pub(crate) const SLOWEST: u64 = 256 << 10;
/// More than an encoder keeps in memory.
const MOST: u64 = 256 << 20;
/// A request that takes no longer makes room for more.
const QUICK: Duration = Duration::from_secs(1);
/// A request that takes longer leaves room for less.
const SLOW: Duration = Duration::from_secs(4);
/// Bytes that may always be on their way, what the slowest link carries until a request is slow. To begin with
/// that is one request, where they are large, and a few more from afar.
const LEAST: u64 = SLOWEST * SLOW.as_secs();
/// Round trips that a request may need although the link has room: its connection finds out how much it
/// may send.
const ROUND_TRIPS: u32 = 5;
/// Nothing is farther than that, only busier.
const FARTHEST: Duration = Duration::from_secs(1);
/// How long nothing may be heard before whoever waits goes ahead: nodes that do not answer hold the requests
/// on their way, not the link. Only what is received counts: what is sent may wait in a queue long after,
/// and is confirmed as it leaves it.
const IDLE: Duration = Duration::from_secs(1);

/// One client's link: up, shared by all it stores, or down, shared by the segments of a read.
pub(crate) struct Link {
    traffic: Mutex<Traffic>,
    changed: Notify,
    heard: Box<Heard>,
}

/// Bytes received so far, if that is known.
type Heard = dyn Fn() -> Option<u64> + Send + Sync;

#[derive(Debug)]
struct Traffic {
    window: u64,
    /// Bytes of requests on their way since the link was last idle.
    flying: u64,
    /// How often it was: requests from before take no room.
    idled: u64,
    looked: Look,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    heard: Option<u64>,
}

impl Look {
    fn is_idle_since(self, earlier: Self) -> bool {
        self.heard.is_some() && self.heard == earlier.heard
    }
}

impl Traffic {
    const fn new(looked: Look) -> Self {
        Self {
            window: LEAST,
            flying: 0,
            idled: 0,
            looked,
        }
    }

    /// Whether a request may go, which then is on its way. One always goes, however large. What was heard
    /// is only asked for when it counts: every connection tells its part.
    fn admit(&mut self, bytes: u64, slack: Duration, heard: &Heard) -> bool {
        let at = Instant::now();
        if self.flying == 0 || at.duration_since(self.looked.at) >= IDLE {
            let look = Look { at, heard: heard() };
            if self.flying > 0 && look.is_idle_since(self.looked) {
                self.flying = 0;
                self.idled += 1;
            }
            self.looked = look;
        }
        let least = SLOWEST * (SLOW + slack).as_secs();
        let admitted = self.flying == 0 || self.flying + bytes <= self.window.max(least);
        if admitted {
            self.flying += bytes;
        }
        admitted
    }

    /// A request of so many bytes took so long, to its success or until it was given up. A window
    /// of quick ones doubles it if they `filled` it, a window of slow ones halves it.
    fn took(&mut self, bytes: u64, time: Duration, filled: bool) {
        if time <= QUICK && filled {
            self.window = (self.window + bytes).min(MOST);
        } else if time >= SLOW {
            self.window = self.window.saturating_sub(bytes / 2).max(LEAST);
        }
    }
}

impl Link {
    /// The link over which this client talks to its peers.
    pub(crate) fn of(peers: &DataClient) -> Self {
        let peers = peers.clone();
        Self::new(move || peers.received())
    }

    fn new(heard: impl Fn() -> Option<u64> + Send + Sync + 'static) -> Self {
        let looked = Look {
            at: Instant::now(),
            heard: heard(),
        };
        Self {
            traffic: Mutex::new(Traffic::new(looked)),
            changed: Notify::new(),
            heard: Box::new(heard),
        }
    }

    /// Waits until so many bytes may go, to or from a peer or peers that are one `round_trip` away.
    pub(crate) async fn room(&self, bytes: u64, round_trip: Duration) -> Room<'_> {
        let slack = slack(round_trip);
        loop {
            // Made before the look, so that no change is missed.
            let changed = self.changed.notified();
            {
                let mut traffic = self.traffic();
                if traffic.admit(bytes, slack, &*self.heard) {
                    return Room {
                        link: self,
                        bytes,
                        slack,
                        idled: traffic.idled,
                        filled: 2 * traffic.flying >= traffic.window,
                    };
                }
            }
            // However that ends, it is time to look again.
            let _ = timeout(IDLE, changed).await;
        }
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.traffic().fmt(f)
    }
}

/// What a request may take longer because its peer is one `round_trip` away.
pub(crate) fn slack(round_trip: Duration) -> Duration {
    ROUND_TRIPS * round_trip.min(FARTHEST)
}

/// The right to have bytes on their way, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    link: &'a Link,
    bytes: u64,
    slack: Duration,
    idled: u64,
    /// At least half of the window was in use.
    filled: bool,
}

impl Room<'_> {
    /// The request is over: what to learn from it. One that the link did not hold up says nothing.
    pub(crate) fn took(self, time: Duration) {
        let time = time.saturating_sub(self.slack);
        let mut traffic = self.link.traffic();
        if traffic.idled == self.idled {
            traffic.took(self.bytes, time, self.filled);
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut traffic = self.link.traffic();
        if traffic.idled == self.idled {
            traffic.flying -= self.bytes;
        }
        drop(traffic);
        self.link.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    };

    use tokio::time::sleep;

    use super::*;

    const PARCEL: u64 = 2 << 20;
    const NEAR: Duration = Duration::ZERO;

    /// A link and the count of the bytes heard on it.
    fn link() -> (Link, Arc<AtomicU64>) {
        let count = Arc::new(AtomicU64::new(0));
        let heard = Arc::clone(&count);
        (Link::new(move || Some(heard.load(Relaxed))), count)
    }

    /// The longest request when `count` of them share a link of so many bytes a second: whoever is on
    /// its way gets an equal part of it.
    async fn longest(rate: u64, count: usize) -> Duration {
        let (link, heard) = link();
        let requests = (0..count).map(|_| async {
            let room = link.room(PARCEL, NEAR).await;
            let begun = Instant::now();
            let mut left = PARCEL;
            while left > 0 {
                sleep(Duration::from_millis(20)).await;
                let part = left.min(rate / 50 / (link.traffic().flying / PARCEL));
                left -= part;
                // Two packets of 1,400 bytes are confirmed in 40.
                heard.fetch_add(part / 70, Relaxed);
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

        let (link, _) = link();
        for _ in 0..40 {
            link.traffic().took(PARCEL, Duration::from_millis(50), true);
        }
        for _ in 0..40 {
            link.room(PARCEL, NEAR).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_nodes_leave_unanswered_take_no_room_for_long() {
        let (link, heard) = link();
        let begun = Instant::now();
        let mut silent = Vec::new();
        for _ in 0..4 {
            silent.push(link.room(PARCEL, NEAR).await);
            heard.fetch_add(PARCEL / 70, Relaxed);
        }
        // Each is on its way for a look in which it is confirmed and for one in which nothing is heard.
        assert!(begun.elapsed() <= 8 * IDLE);
        let window = link.traffic().window;
        for room in silent {
            room.took(2 * SLOW);
        }
        assert_eq!(
            link.traffic().window,
            window,
            "the link did not hold them up"
        );
        assert_eq!(link.traffic().flying, 0);
        link.room(PARCEL, NEAR).await.took(QUICK);
        assert!(link.traffic().window > window);
    }

    #[tokio::test(start_paused = true)]
    async fn neither_distance_nor_idleness_is_taken_for_the_speed_of_the_link() {
        let (link, _) = link();
        let window = || link.traffic().window;
        let far = Duration::from_secs(1);
        let first = link.room(LEAST, far).await;
        link.room(LEAST, far).await.took(slack(far));
        let grown = 2 * LEAST;
        assert_eq!(window(), grown, "a far node took as long as it must");
        link.room(LEAST, NEAR).await.took(slack(far));
        let shrunk = grown - LEAST / 2;
        assert_eq!(window(), shrunk, "a near one did not");
        drop(first);
        for _ in 0..1000 {
            link.room(LEAST / 10, NEAR).await.took(QUICK);
        }
        assert_eq!(window(), shrunk, "few bytes fit any link");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_larger_than_the_window_goes_alone() {
        let link = Link::new(|| None);
        let large = link.room(10 * LEAST, NEAR).await;
        let waits = timeout(2 * SLOW, link.room(1, NEAR)).await;
        assert!(waits.is_err());
        drop(large);
        link.room(1, NEAR).await.took(QUICK);
    }
}
