//! The traffic classes: what a request is for decides who waits for whom.

use serde::{Deserialize, Serialize};

/// What a request is for, most urgent first.
///
/// # Layout
/// BCS variant index, one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TrafficClass {
    /// Small messages that others wait for: confirmations, epoch messages, health.
    Control,
    /// A reader waits.
    Read,
    /// A writer waits.
    Write,
    /// Recovery of blobs that were certified a moment ago.
    LiveRecovery,
    /// Moving shards at an epoch change.
    ShardSync,
    /// Repair of damage that scrubbing found, inventories.
    Scrub,
    /// Storage challenges: a small reserved slice.
    Challenge,
}

impl TrafficClass {
    /// Every class, most urgent first.
    pub const ALL: [Self; 7] = [
        Self::Control,
        Self::Read,
        Self::Write,
        Self::LiveRecovery,
        Self::ShardSync,
        Self::Scrub,
        Self::Challenge,
    ];

    /// The priority of this class's streams within a connection; higher goes first. Challenges are
    /// small and timed, so they go right after control messages.
    #[must_use]
    pub const fn priority(self) -> i32 {
        match self {
            Self::Control => 6,
            Self::Challenge => 5,
            Self::Read => 4,
            Self::Write => 3,
            Self::LiveRecovery => 2,
            Self::ShardSync => 1,
            Self::Scrub => 0,
        }
    }

    /// A word for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Read => "read",
            Self::Write => "write",
            Self::LiveRecovery => "live_recovery",
            Self::ShardSync => "shard_sync",
            Self::Scrub => "scrub",
            Self::Challenge => "challenge",
        }
    }
}
