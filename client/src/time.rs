//! Time and randomness as the client sees them, so that tests can own both.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The client's only source of time. Deadlines are monotonic, dates are for people and plans.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic now. Pauses with the runtime's clock in tests.
    fn now(&self) -> Instant;
    /// Wall-clock now, to turn epochs into dates.
    fn date(&self) -> SystemTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn date(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Milliseconds since 1970, the unit of the chain's clock; zero before it.
#[must_use]
pub fn unix_millis(date: SystemTime) -> u64 {
    let since = date
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
