//! How much may go through in a second, and when the next may: buckets of tokens, each kept as the one
//! instant at which it is full again. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// What flows into a bucket, and how much fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a second; at least one.
    pub per_second: u64,
    /// Tokens in a full bucket.
    pub burst: u64,
}

impl Rate {
    /// So much a second, and at once as much as in `seconds`.
    #[must_use]
    pub const fn new(per_second: u64, seconds: u64) -> Self {
        Self {
            per_second,
            burst: per_second * seconds,
        }
    }

    /// How long tokens take to flow in.
    fn time(self, tokens: u64) -> Duration {
        let nanos = u128::from(tokens) * 1_000_000_000 / u128::from(self.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4))
    }

    fn tokens(self, time: Duration) -> u64 {
        let tokens = time.as_nanos() * u128::from(self.per_second) / 1_000_000_000;
        u64::try_from(tokens).unwrap_or(u64::MAX)
    }
}

/// A bucket of a rate that is given with every call, so that it may change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub(crate) const fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes tokens, a whole bucket at most; else says how long until they will be there.
    pub(crate) fn take(&mut self, rate: Rate, tokens: u64, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + rate.time(tokens.min(rate.burst));
        match (full_at - now).checked_sub(rate.time(rate.burst)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.full_at = full_at;
                Ok(())
            }
        }
    }

    /// Takes tokens for what is done already, into debt if need be.
    pub(crate) fn charge(&mut self, rate: Rate, tokens: u64, now: Instant) {
        self.full_at = self.full_at.max(now) + rate.time(tokens);
    }

    /// Tokens in it now.
    pub(crate) fn left(self, rate: Rate, now: Instant) -> u64 {
        let missing = self.full_at.saturating_duration_since(now);
        rate.burst.saturating_sub(rate.tokens(missing))
    }

    /// Whether it may be forgotten.
    pub(crate) fn is_full(self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(10, 5);

    #[test]
    fn a_burst_passes_then_the_rate_and_the_wait_is_the_true_one() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        assert_eq!(
            (0..1000)
                .filter(|_| bucket.take(RATE, 1, start).is_ok())
                .count(),
            50
        );
        let wait = bucket.take(RATE, 20, start).unwrap_err();
        assert_eq!(wait, Duration::from_secs(2));
        let just_before = start + wait - Duration::from_millis(1);
        assert!(bucket.take(RATE, 20, just_before).is_err());
        assert!(bucket.take(RATE, 20, start + wait).is_ok());
        assert_eq!(bucket.left(RATE, start + wait), 0);
        assert_eq!(bucket.left(RATE, start + 2 * wait), 20);
        assert!(bucket.is_full(start + Duration::from_secs(60)));
    }

    #[test]
    fn debts_are_paid_first_and_what_never_fits_counts_as_a_full_bucket() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        bucket.charge(RATE, 100, start);
        assert_eq!(
            bucket.take(RATE, 0, start).unwrap_err(),
            Duration::from_secs(5)
        );
        let mut bucket = Bucket::full(start);
        assert!(bucket.take(RATE, u64::MAX, start).is_ok());
        bucket.charge(RATE, u64::MAX, start);
        assert_eq!(bucket.left(RATE, start), 0);
    }
}
