//! The numbers that follow from the shard count alone: faults tolerated, source symbols, thresholds.

use serde::{Deserialize, Serialize};

use crate::{Axis, ByAxis};

/// The number of shards n of a committee and so of every code matrix: 4 to 1024.
///
/// # Layout
/// u16, little-endian in BCS. Deserializing checks the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ShardCount(u16);

/// A shard count outside of 4 to 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} shards; a committee has {min} to {max}", min = ShardCount::MIN.0, max = ShardCount::MAX.0)]
pub struct ShardCountError(pub u16);

impl ShardCount {
    /// With fewer than 4 shards no fault is tolerated.
    pub const MIN: Self = Self(4);
    /// Bounds segment size and memory; see `docs/adr/0010-codec-limits.md`.
    pub const MAX: Self = Self(1024);

    /// A shard count, if it is in range.
    pub const fn new(n: u16) -> Result<Self, ShardCountError> {
        if n < Self::MIN.0 || n > Self::MAX.0 {
            Err(ShardCountError(n))
        } else {
            Ok(Self(n))
        }
    }

    /// n.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// f = floor((n - 1) / 3), the shards that may be faulty.
    #[must_use]
    pub const fn max_faulty(self) -> u16 {
        (self.0 - 1) / 3
    }

    /// How many slivers of each axis decode a segment: k1 = n - 2f primary, k2 = n - f secondary.
    ///
    /// They are the sides of the source matrix as well: k1 rows and k2 columns of symbols.
    #[must_use]
    pub const fn source_slivers(self) -> ByAxis<u16> {
        let f = self.max_faulty();
        ByAxis {
            primary: self.0 - 2 * f,
            secondary: self.0 - f,
        }
    }

    /// How many symbols a sliver of `axis` keeps, which is how many rebuild it: k2 in a primary
    /// sliver (a row), k1 in a secondary (a column).
    #[must_use]
    pub const fn source_symbols(self, axis: Axis) -> u16 {
        *self.source_slivers().get(axis.orthogonal())
    }

    /// Whether `weight` is enough to certify: 3w >= 2n + 1.
    #[must_use]
    pub fn is_quorum(self, weight: Weight) -> bool {
        let weight = if cfg!(sabotage = "quorum_2f") {
            weight.0 + 1
        } else {
            weight.0
        };
        3 * u64::from(weight) > 2 * u64::from(self.0)
    }

    /// Whether `weight` is more than half: 2w > n.
    #[must_use]
    pub fn is_majority(self, weight: Weight) -> bool {
        2 * u64::from(weight.0) > u64::from(self.0)
    }

    /// Whether `weight` holds at least one honest shard: 3w >= n + 1.
    #[must_use]
    pub fn is_validity(self, weight: Weight) -> bool {
        3 * u64::from(weight.0) > u64::from(self.0)
    }
}

impl TryFrom<u16> for ShardCount {
    type Error = ShardCountError;
    fn try_from(n: u16) -> Result<Self, ShardCountError> {
        Self::new(n)
    }
}

impl From<ShardCount> for u16 {
    fn from(n: ShardCount) -> u16 {
        n.0
    }
}

impl std::fmt::Display for ShardCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of shards counted towards a threshold.
///
/// # Layout
/// u32, little-endian in BCS.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Weight(pub u32);

impl Weight {
    /// Adds the shards of one more member; a sum that would overflow stays at the largest weight.
    #[must_use]
    pub const fn plus(self, shards: Weight) -> Weight {
        Weight(self.0.saturating_add(shards.0))
    }
}

impl std::fmt::Display for Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters() {
        for (n, f, k1, k2) in [
            (4, 1, 2, 3),
            (7, 2, 3, 5),
            (10, 3, 4, 7),
            (100, 33, 34, 67),
            (1000, 333, 334, 667),
        ] {
            let n = ShardCount::new(n).unwrap();
            assert_eq!(n.max_faulty(), f);
            assert_eq!(
                n.source_slivers(),
                ByAxis {
                    primary: k1,
                    secondary: k2
                }
            );
            assert_eq!(n.source_symbols(Axis::Primary), k2);
            assert_eq!(n.source_symbols(Axis::Secondary), k1);
        }
    }

    #[test]
    fn counts_out_of_range_are_refused() {
        assert_eq!(ShardCount::new(3), Err(ShardCountError(3)));
        assert_eq!(ShardCount::new(1025), Err(ShardCountError(1025)));
        assert!(serde_json::from_str::<ShardCount>("0").is_err());
    }

    #[test]
    #[expect(clippy::int_plus_one, reason = "the thresholds as they are specified")]
    fn thresholds_at_their_edges() {
        for n in ShardCount::MIN.get()..=ShardCount::MAX.get() {
            let count = ShardCount::new(n).unwrap();
            let n = u32::from(n);
            for w in 0..=n {
                assert_eq!(count.is_quorum(Weight(w)), 3 * w >= 2 * n + 1);
                assert_eq!(count.is_majority(Weight(w)), 2 * w > n);
                assert_eq!(count.is_validity(Weight(w)), 3 * w >= n + 1);
            }
            // Every quorum minus the faulty shards still decodes from primaries.
            let f = u32::from(count.max_faulty());
            let quorum = (0..=n).find(|&w| count.is_quorum(Weight(w))).unwrap();
            assert!(quorum - f >= u32::from(count.source_slivers().primary));
        }
    }
}
