//! How votes become prices and capacity: the contract's rule, told to people. Sets nothing.

use floe_codec::{ShardCount, Weight};
use serde::{Deserialize, Serialize};

use super::state::Vote;
use crate::amount::Wal;
use crate::cost::Prices;
use crate::id::NodeId;
use crate::quorum::Threshold;

/// What one member votes, and the shards that give it its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// The member.
    pub node: NodeId,
    /// Its shards.
    pub weight: Weight,
    /// Its vote.
    pub vote: Vote,
}

/// Terms of an epoch, and whose vote decided each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The lowest prices that a quorum of weight accepts.
    pub prices: Prices,
    /// Encoded bytes that all nodes together can hold, so that each of a quorum can hold its part.
    pub capacity: u64,
    /// Whose storage price it is.
    pub storage_by: NodeId,
    /// Whose write price it is.
    pub write_by: NodeId,
    /// Whose capacity it is.
    pub capacity_by: NodeId,
}

/// Counts the votes as `terms::tally` of the contract does; `None` when they weigh less than a
/// quorum.
#[must_use]
pub fn tally(ballots: &[Ballot], shards: ShardCount) -> Option<Decided> {
    let needed = Threshold::Quorum.required(shards);
    let decide = |value: &dyn Fn(&Ballot) -> u64, descending: bool| {
        let mut order: Vec<_> = ballots.iter().map(|b| (value(b), b)).collect();
        order.sort_by_key(|(value, _)| if descending { u64::MAX - value } else { *value });
        let mut sum = 0u32;
        order.into_iter().find_map(|(value, ballot)| {
            sum = sum.saturating_add(ballot.weight.0);
            (sum >= needed.0).then_some((value, ballot.node))
        })
    };
    let (storage, storage_by) = decide(&|b| b.vote.prices.storage.units(), false)?;
    let (write, write_by) = decide(&|b| b.vote.prices.write.units(), false)?;
    let (capacity, capacity_by) = decide(&|b| whole_capacity(b, shards), true)?;
    Some(Decided {
        prices: Prices {
            storage: Wal::from_units(storage),
            write: Wal::from_units(write),
        },
        capacity,
        storage_by,
        write_by,
        capacity_by,
    })
}

/// What the whole network holds when this member's disks are just full with its part.
#[must_use]
pub fn whole_capacity(ballot: &Ballot, shards: ShardCount) -> u64 {
    let whole = u128::from(ballot.vote.capacity) * u128::from(shards.get());
    let whole = whole.checked_div(ballot.weight.0.into()).unwrap_or(0);
    u64::try_from(whole).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ballots with (storage, write, capacity, weight), by members 1, 2, ...
    fn ballots(list: &[(u64, u64, u64, u32)]) -> Vec<Ballot> {
        let ballot =
            |(n, (storage, write, capacity, weight)): (u8, &(u64, u64, u64, u32))| Ballot {
                node: NodeId::from_bytes([n; 32]),
                weight: Weight(*weight),
                vote: Vote {
                    prices: Prices {
                        storage: Wal::from_units(*storage),
                        write: Wal::from_units(*write),
                    },
                    capacity: *capacity,
                },
            };
        (1..).zip(list).map(ballot).collect()
    }

    #[test]
    fn the_quorum_that_is_easiest_to_please_decides() {
        let shards = ShardCount::new(10).unwrap();
        let votes = ballots(&[
            (1, 8, 300, 3),
            (2, 4, 600, 3),
            (3, 2, 900, 3),
            (4, 1, 100, 1),
        ]);
        let decided = tally(&votes, shards).unwrap();
        let (storage, write) = (decided.prices.storage, decided.prices.write);
        assert_eq!(
            (storage.units(), write.units(), decided.capacity),
            (3, 4, 1_000)
        );
        let by = [decided.storage_by, decided.write_by].map(|node| node.as_bytes()[0]);
        assert_eq!(by, [3, 2]);
        assert_eq!(tally(&votes[..2], shards), None);
    }

    #[test]
    fn a_third_cannot_move_the_terms() {
        let shards = ShardCount::new(10).unwrap();
        let most = u64::MAX;
        let honest = (10, 20, 1_000);
        let votes = [3, 3, 1].map(|weight| (honest.0, honest.1, honest.2, weight));
        let votes = [&[(most, most, 0, 3)], votes.as_slice()].concat();
        let decided = tally(&ballots(&votes), shards).unwrap();
        assert_eq!(decided.prices.storage.units(), 10);
        assert_eq!(
            (decided.prices.write.units(), decided.capacity),
            (20, 3_333)
        );
    }
}
