//! How much shard weight is enough, and counting it once per member.
//!
//! Source: Byzantine quorums over N = 3f + 1 weights; the same inequalities stand in the contract.

use floe_codec::{ShardCount, Weight};

use crate::committee::{Committee, Member, MemberIndex};

/// A share of the committee's shard weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Threshold {
    /// `3w >= 2N + 1`: two of them share an honest member; enough to assert.
    Quorum,
    /// `2w > N`: more than half; enough to credit a member with what most observed.
    Majority,
    /// `3w >= N + 1`: at least one honest member; enough to accuse.
    Validity,
}

impl Threshold {
    /// The least weight that satisfies the threshold in a committee of this many shards.
    #[must_use]
    pub const fn required(self, shards: ShardCount) -> Weight {
        let n = shards.get() as u32;
        Weight(match self {
            Self::Quorum => (2 * n + 1).div_ceil(3),
            Self::Majority => n / 2 + 1,
            Self::Validity => (n + 1).div_ceil(3),
        })
    }

    /// Whether `weight` satisfies the threshold in a committee of this many shards.
    #[must_use]
    pub fn is_met(self, weight: Weight, shards: ShardCount) -> bool {
        match self {
            Self::Quorum => shards.is_quorum(weight),
            Self::Majority => shards.is_majority(weight),
            Self::Validity => shards.is_validity(weight),
        }
    }
}

/// Weight collected from distinct members: a member counts once however often it speaks.
#[derive(Debug, Clone)]
pub struct Tally {
    /// What a member would add: its weight until it is counted, nothing afterwards.
    left: Vec<Option<Weight>>,
    weight: Weight,
    shards: ShardCount,
}

impl Tally {
    /// An empty tally over the committee's members.
    #[must_use]
    pub fn new(committee: &Committee) -> Self {
        let weigh = |member: &Member| {
            if cfg!(sabotage = "count_nodes_not_weight") {
                Weight(1)
            } else {
                member.weight()
            }
        };
        let left = committee.members().iter().map(|m| Some(weigh(m))).collect();
        Self {
            left,
            weight: Weight(0),
            shards: committee.shards(),
        }
    }

    /// Counts a member; `false` when it was counted before or does not exist.
    pub fn insert(&mut self, member: MemberIndex) -> bool {
        let left = self.left.get_mut(member.as_usize()).and_then(Option::take);
        self.weight = self.weight.plus(left.unwrap_or_default());
        left.is_some()
    }

    /// Whether the member was counted.
    #[must_use]
    pub fn contains(&self, member: MemberIndex) -> bool {
        self.left
            .get(member.as_usize())
            .is_some_and(Option::is_none)
    }

    /// Shard weight collected.
    #[must_use]
    pub fn weight(&self) -> Weight {
        self.weight
    }

    /// Shard weight still missing for the threshold.
    #[must_use]
    pub fn missing(&self, threshold: Threshold) -> Weight {
        Weight(
            threshold
                .required(self.shards)
                .0
                .saturating_sub(self.weight.0),
        )
    }

    /// Whether the collected weight satisfies the threshold.
    #[must_use]
    pub fn meets(&self, threshold: Threshold) -> bool {
        threshold.is_met(self.weight, self.shards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_required_weight_is_the_least_that_meets_the_threshold() {
        for n in ShardCount::MIN.get()..=ShardCount::MAX.get() {
            let shards = ShardCount::new(n).unwrap();
            for threshold in [Threshold::Quorum, Threshold::Majority, Threshold::Validity] {
                let required = threshold.required(shards);
                assert!(threshold.is_met(required, shards));
                assert!(!threshold.is_met(Weight(required.0 - 1), shards));
                assert!(required.0 <= u32::from(n));
            }
        }
    }

    #[test]
    fn shards_are_counted_and_not_members() {
        // Weights 3, 3, 2, 2; a quorum is 7.
        let (committee, _) = testing::committee(4, 10);
        let mut tally = Tally::new(&committee);
        for member in [1, 2, 3] {
            assert!(!tally.meets(Threshold::Quorum));
            tally.insert(MemberIndex::new(member));
        }
        assert_eq!(tally.weight(), Weight(7));
        assert!(tally.meets(Threshold::Quorum));
    }

    #[test]
    fn a_member_counts_once() {
        let (committee, _) = testing::committee(4, 10);
        let mut tally = Tally::new(&committee);
        let member = MemberIndex::new(0);
        assert!(tally.insert(member) && tally.contains(member));
        let weight = tally.weight();
        assert!(!tally.insert(member) && !tally.insert(MemberIndex::new(4)));
        assert_eq!(tally.weight(), weight);
        assert_eq!(tally.missing(Threshold::Quorum).0, 7 - weight.0);
    }
}
