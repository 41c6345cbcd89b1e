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
///
/// # Layout
/// BCS of the Move enum `schedule::Phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EpochPhase {
    /// The committee serves; the next one is not known.
    Open,
    /// The next committee is known; the epoch ends when its time is over.
    Selected,
    /// The committee takes over its shards; a quorum of attestations opens the epoch.
    Sync {
        /// Shard weight of the members that attested so far.
        weight: u64,
    },
}

/// The clock of the epoch machine.
///
/// # Layout
/// BCS of the Move struct `schedule::Schedule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The running epoch.
    pub epoch: Epoch,
    /// Its phase.
    pub phase: EpochPhase,
    /// When it began.
    pub started: ChainTime,
    /// When its quorum was synced; zero until then.
    pub opened: ChainTime,
    /// How long it lasts, in milliseconds.
    pub duration_ms: u64,
}

impl Schedule {
    /// The earliest end of the epoch.
    #[must_use]
    pub const fn ends(&self) -> ChainTime {
        self.started.plus_ms(self.duration_ms)
    }

    /// When the next committee may be selected, `select_bps` (hundredths of a percent) into the
    /// epoch.
    #[must_use]
    pub fn select_due(&self, select_bps: u16) -> ChainTime {
        let part = u128::from(self.duration_ms) * u128::from(select_bps) / 10_000;
        self.started
            .plus_ms(u64::try_from(part).unwrap_or(u64::MAX))
    }

    /// The first epoch whose committee is still open: stake moves take effect there.
    #[must_use]
    pub fn target(&self) -> Option<Epoch> {
        match self.phase {
            EpochPhase::Selected => self.epoch.after(2),
            EpochPhase::Open | EpochPhase::Sync { .. } => self.epoch.next(),
        }
    }
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

    #[test]
    fn the_schedule_never_overflows() {
        let schedule = Schedule {
            epoch: Epoch::new(3),
            phase: EpochPhase::Open,
            started: ChainTime::from_ms(1_000),
            opened: ChainTime::from_ms(0),
            duration_ms: 10_000,
        };
        assert_eq!(schedule.ends().as_ms(), 11_000);
        assert_eq!(schedule.select_due(5_000).as_ms(), 6_000);
        assert_eq!(schedule.target(), Some(Epoch::new(4)));
        let endless = Schedule {
            duration_ms: u64::MAX,
            phase: EpochPhase::Selected,
            ..schedule
        };
        assert_eq!(endless.ends().as_ms(), u64::MAX);
        assert_eq!(endless.select_due(10_000).as_ms(), u64::MAX);
        assert_eq!(endless.target(), Some(Epoch::new(5)));
    }
}
