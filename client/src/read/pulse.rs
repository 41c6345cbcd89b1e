//! Who delivers. On a slow downlink every answer takes long, and asking others instead makes all of
//! them longer: a source is late only if its bytes stopped, or come far slower than those of the rest.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use floe_p2p::fetch::SourceIndex;
use tokio::time::Instant;

/// A source this many times slower than the median is not waited for.
const LAG: u64 = 8;

/// The answers of one fetch, as their bytes come.
#[derive(Debug)]
pub(super) struct Pulses {
    answers: Vec<Answer>,
    last: Instant,
}

#[derive(Debug)]
struct Answer {
    source: SourceIndex,
    received: Arc<AtomicU64>,
    begun: Instant,
    /// Bytes at the last look that found new ones, and when that was.
    seen: u64,
    seen_at: Instant,
    /// Bytes when it was last said to move.
    told: u64,
}

impl Answer {
    /// Bytes a second while they came.
    fn rate(&self) -> u64 {
        let time = self.seen_at.duration_since(self.begun).as_millis();
        self.seen.saturating_mul(1000) / u64::try_from(time).unwrap_or(u64::MAX).max(1)
    }
}

impl Pulses {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            answers: Vec::new(),
            last: now,
        }
    }

    /// An answer has begun.
    pub(super) fn begin(&mut self, source: SourceIndex, received: Arc<AtomicU64>, now: Instant) {
        self.answers.push(Answer {
            source,
            received,
            begun: now,
            seen: 0,
            seen_at: now,
            told: 0,
        });
    }

    /// Looks at what has come. To be called often: speeds are as exact as that.
    pub(super) fn look(&mut self, now: Instant) {
        for answer in &mut self.answers {
            let received = answer.received.load(Ordering::Relaxed);
            if received > answer.seen {
                (answer.seen, answer.seen_at) = (received, now);
                self.last = now;
            }
        }
    }

    /// When a look last found new bytes, from anybody.
    pub(super) fn last(&self) -> Instant {
        self.last
    }

    /// The sources that delivered since they were last named here, and not far slower than others.
    pub(super) fn moving(&mut self) -> Vec<SourceIndex> {
        let mut rates: Vec<u64> = self.answers.iter().map(Answer::rate).collect();
        rates.sort_unstable();
        let median = rates.get(rates.len() / 2).copied().unwrap_or_default();
        let moving = |answer: &mut Answer| {
            let moves = answer.seen > answer.told && answer.rate().saturating_mul(LAG) >= median;
            moves.then(|| {
                answer.told = answer.seen;
                answer.source
            })
        };
        self.answers.iter_mut().filter_map(moving).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_stops_or_lags_far_behind_does_not_move() {
        let begun = Instant::now();
        let mut pulses = Pulses::new(begun);
        let counters: Vec<Arc<AtomicU64>> = (0..4).map(|_| Arc::default()).collect();
        for (source, counter) in (0..).map(SourceIndex).zip(&counters) {
            pulses.begin(source, Arc::clone(counter), begun);
        }
        let mut come = |bytes: [u64; 4], after: u64| {
            for (counter, more) in counters.iter().zip(bytes) {
                counter.fetch_add(more, Ordering::Relaxed);
            }
            let now = begun + Duration::from_secs(after);
            pulses.look(now);
            let moving = pulses.moving();
            (
                moving.iter().map(|it| it.0).collect::<Vec<_>>(),
                now - pulses.last(),
            )
        };
        // A slow downlink is slow for all of them.
        assert_eq!(come([20_000, 25_000, 10_000, 500], 1).0, [0, 1, 2]);
        assert_eq!(come([20_000, 25_000, 0, 500], 2).0, [0, 1]);
        assert_eq!(come([0; 4], 5), (vec![], Duration::from_secs(3)));
    }
}
