//! Positions as types, and every conversion between them.
//!
//! Pair p is primary sliver p and secondary sliver n-1-p; the shard that keeps it depends on the
//! blob (see [`BlobId::shard_of`](crate::BlobId::shard_of)).

use serde::{Deserialize, Serialize};

use crate::{Axis, ByAxis, ShardCount};

/// An index that is not below the count it indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {index} is out of range, there are {count}")]
pub struct IndexError {
    /// What was indexed, in words.
    pub what: &'static str,
    /// The index given.
    pub index: u64,
    /// How many there are.
    pub count: u64,
}

macro_rules! index {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        ///
        /// # Layout
        #[doc = concat!("`", stringify!($int), "`, little-endian in BCS. The range is checked where it is used.")]
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub $int);

        impl $name {
            /// The number itself.
            #[must_use]
            pub const fn get(self) -> $int {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! below_shard_count {
    ($name:ident, $what:literal) => {
        impl $name {
            /// This index, if it is below `shards`.
            pub fn within(self, shards: ShardCount) -> Result<Self, IndexError> {
                if self.0 < shards.get() {
                    Ok(self)
                } else {
                    Err(IndexError {
                        what: $what,
                        index: self.0.into(),
                        count: shards.get().into(),
                    })
                }
            }

            /// All of them, in order.
            pub fn all(shards: ShardCount) -> impl ExactSizeIterator<Item = Self> + Clone {
                (0..shards.get()).map(Self)
            }
        }
    };
}

index! {
    /// A slot of responsibility, assigned to a storage node for an epoch.
    ShardIndex(u16)
}
index! {
    /// A sliver pair of a blob.
    SliverPairIndex(u16)
}
index! {
    /// A sliver on its axis: the row of a primary, the column of a secondary.
    SliverIndex(u16)
}
index! {
    /// A segment of a blob.
    SegmentIndex(u32)
}
below_shard_count!(ShardIndex, "shard");
below_shard_count!(SliverPairIndex, "sliver pair");
below_shard_count!(SliverIndex, "sliver");

impl SliverPairIndex {
    /// The index on `axis` of this pair's sliver. The index must be within `shards`.
    pub fn sliver(self, axis: Axis, shards: ShardCount) -> Result<SliverIndex, IndexError> {
        let index = self.within(shards)?.0;
        Ok(SliverIndex(match axis {
            Axis::Primary => index,
            Axis::Secondary => shards.get() - 1 - index,
        }))
    }

    /// The indexes of this pair's two slivers.
    pub fn slivers(self, shards: ShardCount) -> Result<ByAxis<SliverIndex>, IndexError> {
        Ok(ByAxis {
            primary: self.sliver(Axis::Primary, shards)?,
            secondary: self.sliver(Axis::Secondary, shards)?,
        })
    }
}

impl SliverIndex {
    /// The pair this sliver of `axis` belongs to.
    pub fn pair(self, axis: Axis, shards: ShardCount) -> Result<SliverPairIndex, IndexError> {
        // The map p -> n-1-p is its own inverse.
        let index = self.within(shards)?.0;
        Ok(SliverPairIndex(match axis {
            Axis::Primary => index,
            Axis::Secondary => shards.get() - 1 - index,
        }))
    }
}

/// A symbol of the n x n extension of one segment: where a primary and a secondary sliver cross.
///
/// # Layout
/// row u16, column u16, each little-endian in BCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SymbolIndex {
    /// The primary sliver it lies on.
    pub row: SliverIndex,
    /// The secondary sliver it lies on.
    pub column: SliverIndex,
}

impl SymbolIndex {
    /// Where `sliver` of `axis` crosses `crossing` of the orthogonal axis.
    #[must_use]
    pub const fn at(axis: Axis, sliver: SliverIndex, crossing: SliverIndex) -> Self {
        match axis {
            Axis::Primary => Self {
                row: sliver,
                column: crossing,
            },
            Axis::Secondary => Self {
                row: crossing,
                column: sliver,
            },
        }
    }

    /// The sliver of `axis` this symbol lies on. The symbol's position in that sliver is
    /// `self.sliver(axis.orthogonal())`.
    #[must_use]
    pub const fn sliver(self, axis: Axis) -> SliverIndex {
        match axis {
            Axis::Primary => self.row,
            Axis::Secondary => self.column,
        }
    }

    /// This index, if row and column are below `shards`.
    pub fn within(self, shards: ShardCount) -> Result<Self, IndexError> {
        Ok(Self {
            row: self.row.within(shards)?,
            column: self.column.within(shards)?,
        })
    }
}

impl std::fmt::Display for SymbolIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({}, {})", self.row, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_slivers_convert_both_ways() {
        for n in [4, 7, 10, 1000] {
            let shards = ShardCount::new(n).unwrap();
            for pair in SliverPairIndex::all(shards) {
                let slivers = pair.slivers(shards).unwrap();
                assert_eq!(slivers.primary.0, pair.0);
                assert_eq!(slivers.secondary.0, n - 1 - pair.0);
                for axis in Axis::BOTH {
                    assert_eq!(slivers.get(axis).pair(axis, shards), Ok(pair));
                }
            }
            let error = SliverPairIndex(n).slivers(shards).unwrap_err();
            assert_eq!((error.index, error.count), (u64::from(n), u64::from(n)));
            assert!(SliverIndex(n).pair(Axis::Secondary, shards).is_err());
        }
    }
}
