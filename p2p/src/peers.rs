//! What this side learned about its peers by asking them: how fast, how reliable, whom to leave
//! alone for a while. Local opinions, never told to anybody.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{client::CallError, identity::PeerId, wire::Status};

/// Statistics of every peer asked so far, at most [`Self::MAX_PEERS`].
#[derive(Debug, Default)]
pub struct PeerBook {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    peers: HashMap<PeerId, PeerStats>,
    /// Answers of all peers together.
    anybody: PeerStats,
}

/// What is known of one peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeerStats {
    /// Smoothed time to the head of an answer; `None` before the first.
    pub response: Option<Duration>,
    /// Smoothed mean deviation of it.
    pub deviation: Duration,
    /// The least time to the head of an answer: what distance alone takes.
    pub nearest: Option<Duration>,
    /// Smoothed bytes a second of transfers worth measuring; `None` before the first.
    pub throughput: Option<u64>,
    /// Smoothed share of calls that failed, 0 to 1.
    pub failing: f32,
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    /// Until when the peer is left alone unless nobody else has what is wanted.
    pub quarantined_until: Option<Instant>,
    /// The answer time assumed before the first answer: that of the others, or little.
    pub assumed: Duration,
    /// How often it sent other bytes than the committed ones.
    pub lies: u32,
    /// Until when it is left alone for that, however well it answers.
    pub distrusted_until: Option<Instant>,
    used: Option<Instant>,
}

impl Default for PeerStats {
    fn default() -> Self {
        Self {
            response: None,
            deviation: Duration::ZERO,
            nearest: None,
            throughput: None,
            failing: 0.0,
            failures_in_a_row: 0,
            quarantined_until: None,
            assumed: Self::ASSUMED_RESPONSE,
            lies: 0,
            distrusted_until: None,
            used: None,
        }
    }
}

impl PeerStats {
    /// Consecutive failures after which a peer is quarantined.
    const FAILURES: u32 = 2;
    /// The first quarantine; each further failure doubles it.
    const FIRST_QUARANTINE: Duration = Duration::from_secs(1);
    /// The longest one.
    const LONGEST_QUARANTINE: Duration = Duration::from_secs(60);
    /// How long a liar is left alone at first; each further lie doubles it.
    const FIRST_DISTRUST: Duration = Duration::from_secs(60);
    /// The longest.
    const LONGEST_DISTRUST: Duration = Duration::from_secs(3_600);
    /// Transfers below this many bytes say nothing about throughput.
    const MEASURABLE: u64 = 64 << 10;
    /// What a peer never measured is assumed to give, in bytes a second.
    const ASSUMED_THROUGHPUT: u64 = 10 << 20;
    /// The least answer time assumed before the first answer.
    const ASSUMED_RESPONSE: Duration = Duration::from_millis(100);
    /// What a first answer may need besides: the connection is not there yet.
    const FIRST_ANSWER: Duration = Duration::from_millis(300);

    /// Whether the peer is left alone at `now`.
    #[must_use]
    pub fn is_quarantined(&self, now: Instant) -> bool {
        [self.quarantined_until, self.distrusted_until]
            .into_iter()
            .flatten()
            .any(|until| now < until)
    }

    /// The time after which an answer counts as late: smoothed response and four deviations.
    #[must_use]
    pub fn late_after(&self) -> Duration {
        match self.response {
            Some(response) => response + 4 * self.deviation.max(response / 8),
            None => 2 * self.assumed + Self::FIRST_ANSWER,
        }
    }

    /// When a transfer of `bytes` would be done, counted from its request.
    #[must_use]
    pub fn expected(&self, bytes: u64) -> Duration {
        let throughput = self.throughput.unwrap_or(Self::ASSUMED_THROUGHPUT).max(1);
        let transfer = Duration::from_micros(bytes.saturating_mul(1_000_000) / throughput);
        self.response.unwrap_or(self.assumed) + transfer
    }

    fn succeeded(&mut self) {
        self.failing *= 7.0 / 8.0;
        self.failures_in_a_row = 0;
        self.quarantined_until = None;
    }

    /// The estimator of TCP: gains of 1/8 for the mean and 1/4 for the deviation.
    fn answered(&mut self, took: Duration) {
        self.nearest = Some(self.nearest.unwrap_or(took).min(took));
        match self.response {
            None => {
                self.response = Some(took);
                self.deviation = took / 2;
            }
            Some(mean) => {
                self.deviation = (self.deviation * 3 + mean.abs_diff(took)) / 4;
                self.response = Some((mean * 7 + took) / 8);
            }
        }
    }

    fn disappointed(&mut self) {
        self.failing = self.failing * 7.0 / 8.0 + 1.0 / 8.0;
    }

    fn failed(&mut self, now: Instant) {
        self.disappointed();
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        if let Some(repeated) = self.failures_in_a_row.checked_sub(Self::FAILURES) {
            let quarantine = Self::FIRST_QUARANTINE * 2u32.saturating_pow(repeated.min(16));
            self.quarantined_until = Some(now + quarantine.min(Self::LONGEST_QUARANTINE));
        }
    }

    fn lied(&mut self, now: Instant) {
        let distrust = Self::FIRST_DISTRUST * 2u32.saturating_pow(self.lies.min(16));
        self.lies = self.lies.saturating_add(1);
        self.distrusted_until = Some(now + distrust.min(Self::LONGEST_DISTRUST));
    }

    fn transferred(&mut self, bytes: u64, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        if bytes >= Self::MEASURABLE {
            let now = bytes.saturating_mul(1_000_000) / micros;
            self.throughput = Some(
                self.throughput
                    .map_or(now, |mean| (mean / 8).saturating_mul(7) + now / 8),
            );
        }
    }
}

impl PeerBook {
    /// Peers remembered; the one unused for longest makes room.
    pub const MAX_PEERS: usize = 4096;

    /// What is known of `peer`.
    #[must_use]
    pub fn get(&self, peer: &PeerId) -> PeerStats {
        let book = self.lock();
        let mut stats = book.peers.get(peer).copied().unwrap_or_default();
        stats.assumed = stats.assumed.max(book.anybody.response.unwrap_or_default());
        stats
    }

    /// The least time in which anybody ever answered; zero before the first answer.
    #[must_use]
    pub fn nearest(&self) -> Duration {
        self.lock().anybody.nearest.unwrap_or_default()
    }

    /// The head of an answer came. After an upload its time says nothing about the peer's answers.
    pub(crate) fn answered(&self, peer: &PeerId, uploaded: u32, took: Duration, now: Instant) {
        self.update(peer, now, |stats| {
            stats.succeeded();
            if uploaded == 0 {
                stats.answered(took);
            }
        });
        if uploaded == 0 {
            self.lock().anybody.answered(took);
        }
    }

    pub(crate) fn transferred(&self, peer: &PeerId, bytes: u64, took: Duration) {
        if let Some(stats) = self.lock().peers.get_mut(peer) {
            stats.transferred(bytes, took);
        }
    }

    pub(crate) fn failed(&self, peer: &PeerId, error: &CallError, now: Instant) {
        if counts_against(error) {
            self.update(peer, now, |stats| stats.failed(now));
        }
    }

    /// The peer did not answer in the time it takes by what was measured, and the call was given up
    /// because others had answered: a peer that went away must not have to be waited for again and
    /// again, each time for as long as a deadline allows.
    pub fn late(&self, peer: &PeerId, now: Instant) {
        self.update(peer, now, |stats| stats.failed(now));
    }

    /// The peer sent other bytes than the committed ones.
    pub fn lied(&self, peer: &PeerId, now: Instant) {
        self.update(peer, now, |stats| stats.lied(now));
    }

    /// The peer does not hold what it should: others are asked rather, but it did nothing wrong, and is
    /// not left alone.
    pub fn missed(&self, peer: &PeerId, now: Instant) {
        self.update(peer, now, PeerStats::disappointed);
    }

    fn update(&self, peer: &PeerId, now: Instant, change: impl FnOnce(&mut PeerStats)) {
        let peers = &mut self.lock().peers;
        if peers.len() >= Self::MAX_PEERS && !peers.contains_key(peer) {
            let oldest = peers
                .iter()
                .min_by_key(|(_, stats)| stats.used)
                .map(|(peer, _)| *peer);
            oldest.and_then(|peer| peers.remove(&peer));
        }
        let stats = peers.entry(*peer).or_default();
        stats.used = Some(now);
        change(stats);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // No code under this lock panics, so a poisoned one still guards whole data.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer, even an unwelcome one, is no failure of the peer.
fn counts_against(error: &CallError) -> bool {
    match error {
        CallError::Refused(refusal) => matches!(
            refusal.status,
            Status::Internal | Status::Busy { .. } | Status::ShuttingDown | Status::Deadline
        ),
        CallError::Dial(_)
        | CallError::Stream(_)
        | CallError::Wire(_)
        | CallError::Deadline
        | CallError::TooSlow => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Refusal;

    const MS: Duration = Duration::from_millis(1);

    fn peer(seed: u8) -> PeerId {
        crate::identity::Identity::from_seed([seed; 32]).peer_id()
    }

    #[tokio::test(start_paused = true)]
    async fn estimates_follow_what_was_measured() {
        let (book, peer) = (PeerBook::default(), peer(1));
        let fresh = book.get(&peer);
        for _ in 0..100 {
            book.answered(&peer, 0, 20 * MS, Instant::now());
            book.transferred(&peer, 10_000_000, Duration::from_secs(1));
        }
        book.answered(&peer, 1, Duration::from_secs(9), Instant::now());
        book.transferred(&peer, 10, Duration::from_secs(9));
        let stats = book.get(&peer);
        assert_eq!(stats.response.map(|time| time.as_millis()), Some(20));
        assert!(stats.late_after() < 40 * MS && stats.late_after() < fresh.late_after());
        let expected = stats.expected(1_000_000);
        assert!(expected > 100 * MS && expected < 130 * MS, "{expected:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn far_away_from_everybody_strangers_are_given_more_time() {
        let book = PeerBook::default();
        assert_eq!(book.get(&peer(2)).late_after(), 500 * MS);
        book.answered(&peer(1), 0, 2 * MS, Instant::now());
        assert_eq!(book.get(&peer(2)).late_after(), 500 * MS);
        for _ in 0..100 {
            book.answered(&peer(1), 0, 1000 * MS, Instant::now());
        }
        let stranger = book.get(&peer(2));
        assert!(stranger.late_after() > 2000 * MS && stranger.late_after() < 3000 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_failures_quarantine_longer_and_an_answer_ends_it() {
        let (book, peer) = (PeerBook::default(), peer(1));
        let fail = || book.failed(&peer, &CallError::Deadline, Instant::now());
        fail();
        assert!(!book.get(&peer).is_quarantined(Instant::now()));
        let mut last = Duration::ZERO;
        for _ in 0..10 {
            fail();
            let until = book.get(&peer).quarantined_until.unwrap() - Instant::now();
            assert!(until > last || until == PeerStats::LONGEST_QUARANTINE);
            last = until;
        }
        assert_eq!(last, PeerStats::LONGEST_QUARANTINE);
        tokio::time::advance(last).await;
        assert!(!book.get(&peer).is_quarantined(Instant::now()));
        fail();
        book.answered(&peer, 1, MS, Instant::now());
        assert!(!book.get(&peer).is_quarantined(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_liar_is_left_alone_however_well_it_answers_and_comes_back() {
        let (book, peer) = (PeerBook::default(), peer(1));
        let mut last = Duration::ZERO;
        for _ in 0..10 {
            book.lied(&peer, Instant::now());
            book.answered(&peer, 0, MS, Instant::now());
            assert!(book.get(&peer).is_quarantined(Instant::now()));
            let until = book.get(&peer).distrusted_until.unwrap() - Instant::now();
            assert!(until > last || until == PeerStats::LONGEST_DISTRUST);
            tokio::time::advance(until).await;
            assert!(!book.get(&peer).is_quarantined(Instant::now()));
            last = until;
        }
        book.missed(&peer, Instant::now());
        let stats = book.get(&peer);
        assert!(stats.failing > 0.0 && !stats.is_quarantined(Instant::now()));
    }

    #[test]
    fn answers_are_no_failures_and_the_book_is_bounded() {
        let (book, now) = (PeerBook::default(), Instant::now());
        book.failed(&peer(1), &Refusal::from(Status::NotHeld).into(), now);
        assert_eq!(book.get(&peer(1)), PeerStats::default());
        for i in 0..PeerBook::MAX_PEERS + 10 {
            let at = now + MS * u32::try_from(i).unwrap();
            book.answered(&PeerId::random(), 0, MS, at);
        }
        assert_eq!(book.lock().peers.len(), PeerBook::MAX_PEERS);
    }
}
