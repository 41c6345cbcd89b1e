//! Waiting longer each time.

use std::time::Duration;

/// Waits that double up to a limit.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Default for Backoff {
    /// For a queue on this machine: 1 ms to 100 ms.
    fn default() -> Self {
        Self::new(Duration::from_millis(1), Duration::from_millis(100))
    }
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            next: first,
            longest,
        }
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (2 * self.next).min(self.longest);
    }
}
