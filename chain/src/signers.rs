//! Which members signed: one bit for each, in committee order.

use std::fmt;

use floe_codec::Weight;
use serde::{Deserialize, Serialize};

use crate::committee::{Committee, MemberIndex};

/// A set of committee members.
///
/// # Layout
/// Member i is bit `i % 8` (least significant first) of byte `i / 8`. Exactly `ceil(members / 8)`
/// bytes; bits past the last member are zero. In BCS a byte string with its length.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignersBitmap(Vec<u8>);

/// A bitmap that does not fit its committee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignersError {
    /// Too short or padded.
    #[error("the signers bitmap of {members} members has {expected} bytes, not {found}")]
    Length {
        /// Members of the committee.
        members: usize,
        /// Bytes their bitmap has.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A bit is set for a member that does not exist.
    #[error("the signers bitmap names a member beyond the {members} there are")]
    Tail {
        /// Members of the committee.
        members: usize,
    },
}

impl SignersBitmap {
    /// The empty set of a committee's members.
    #[must_use]
    pub fn none(committee: &Committee) -> Self {
        Self(vec![0; committee.members().len().div_ceil(8)])
    }

    /// Bytes from elsewhere; they mean nothing until checked against a committee.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, as the contract takes them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a member of the committee the set was made for.
    pub(crate) fn insert(&mut self, member: MemberIndex) {
        if let Some(byte) = self.0.get_mut(member.as_usize() / 8) {
            *byte |= 1 << (member.get() % 8);
        }
    }

    /// Whether a member is in the set.
    #[must_use]
    pub fn contains(&self, member: MemberIndex) -> bool {
        self.0
            .get(member.as_usize() / 8)
            .is_some_and(|byte| byte >> (member.get() % 8) & 1 == 1)
    }

    /// The members named, if the bitmap is exactly one of this committee.
    ///
    /// # Errors
    /// The length is wrong, or a bit is set past the last member.
    pub fn check(&self, committee: &Committee) -> Result<Vec<MemberIndex>, SignersError> {
        let members = committee.members().len();
        let expected = members.div_ceil(8);
        if self.0.len() != expected {
            return Err(SignersError::Length {
                members,
                expected,
                found: self.0.len(),
            });
        }
        let named: u32 = self.0.iter().map(|byte| byte.count_ones()).sum();
        let signers: Vec<_> = committee
            .iter()
            .map(|(i, _)| i)
            .filter(|i| self.contains(*i))
            .collect();
        if signers.len() as u64 != u64::from(named) {
            return Err(SignersError::Tail { members });
        }
        Ok(signers)
    }
}

/// Shard weight of some members together; each must be named once.
pub(crate) fn weight_of(committee: &Committee, signers: &[MemberIndex]) -> Weight {
    signers
        .iter()
        .filter_map(|i| committee.member(*i))
        .fold(Weight(0), |sum, member| sum.plus(member.weight()))
}

impl fmt::Debug for SignersBitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignersBitmap({})", hex::encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    #[test]
    fn bits_are_least_significant_first() {
        let (committee, _) = testing::committee(10, 10);
        let mut set = SignersBitmap::none(&committee);
        set.insert(MemberIndex::new(0));
        set.insert(MemberIndex::new(9));
        assert_eq!(set.as_bytes(), [0b0000_0001, 0b0000_0010]);
        assert_eq!(
            set.check(&committee).unwrap(),
            [MemberIndex::new(0), MemberIndex::new(9)]
        );
    }

    #[test]
    fn short_padded_and_overlong_bitmaps_are_refused() {
        let (committee, _) = testing::committee(10, 10);
        for bytes in [vec![], vec![1], vec![1, 0, 0]] {
            let error = SignersBitmap::from_bytes(bytes)
                .check(&committee)
                .unwrap_err();
            assert!(matches!(
                error,
                SignersError::Length {
                    members: 10,
                    expected: 2,
                    ..
                }
            ));
        }
        let tail = SignersBitmap::from_bytes(vec![0, 0b0000_0100]);
        assert_eq!(
            tail.check(&committee),
            Err(SignersError::Tail { members: 10 })
        );
    }

    proptest! {
        #[test]
        fn exactly_the_members_inserted_are_named(members in 4u8..40, picks: Vec<bool>) {
            let (committee, _) = testing::committee(members, u16::from(members));
            let mut set = SignersBitmap::none(&committee);
            let chosen: Vec<_> = committee
                .iter()
                .zip(picks)
                .filter_map(|((index, _), pick)| pick.then_some(index))
                .collect();
            chosen.iter().for_each(|index| set.insert(*index));
            prop_assert_eq!(set.check(&committee), Ok(chosen));
        }
    }
}
