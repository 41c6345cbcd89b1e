//! Epochs, their phases and the chain's own time. It reads no clock: the chain's timestamps come in.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A period with a fixed committee. Epoch 0 has no committee; service starts in epoch 1.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(u32);

impl Epoch {
    /// Genesis: nobody serves yet.
    pub const ZERO: Self = Self(0);
    /// The first epoch with a committee.
    pub const FIRST: Self = Self(1);

    /// The epoch with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number, as in signed headers.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The epoch `count` later; `None` past the last representable one.
    #[must_use]
    pub const fn after(self, count: u32) -> Option<Self> {
        match self.0.checked_add(count) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The epoch that follows; `None` after the last representable one.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        self.after(1)
    }

    /// The epoch before; `None` for epoch 0.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many epochs lie in a storage period `start..end` (0 when it is empty or reversed).
pub const fn epoch_count(period: &Range<Epoch>) -> u32 {
    period.end.0.saturating_sub(period.start.0)
}

/// A moment by the chain's clock, in milliseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ChainTime(u64);

impl ChainTime {
    /// The moment this many milliseconds after the Unix epoch.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// The moment `ms` milliseconds later, held at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Where the epoch machine stands. Every step out of a phase may be taken by anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EpochPhase {
    /// The committee serves; `select` is due at mid-epoch.
    Open {
        /// When the phase began.
        since: ChainTime,
    },
    /// The next committee is known; `advance` is due at the end of the epoch.
    Selected {
        /// When the epoch opened (the boundary is counted from here, not from the selection).
        since: ChainTime,
    },
    /// The new committee takes over its shards; a quorum of `sync_done` opens the epoch.
    Sync {
        /// Shard weight of the members that attested so far.
        weight: u16,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_both_ends() {
        assert_eq!(Epoch::ZERO.previous(), None);
        assert_eq!(Epoch::new(u32::MAX).next(), None);
        assert_eq!(Epoch::ZERO.next(), Some(Epoch::FIRST));
        assert_eq!(epoch_count(&(Epoch::new(3)..Epoch::new(7))), 4);
        assert_eq!(epoch_count(&(Epoch::new(7)..Epoch::new(3))), 0);
    }
}
