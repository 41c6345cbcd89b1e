//! The committee of one epoch: who serves, with what weight, which keys, which shards.
//!
//! A [`Committee`] can only be built from consistent contents. Whether those contents are the ones
//! the chain chose is for `light` or a certificate of the previous committee to show.

use std::collections::HashSet;

use floe_codec::{ShardCount, ShardCountError, ShardIndex, Weight};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::epoch::{ChainTime, Epoch};
use crate::id::NodeId;
use crate::keys::{BlsPublicKey, IdentityPublicKey};

/// Position of a member in its committee: ascending node id. Bit positions of signer bitmaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberIndex(u16);

impl MemberIndex {
    /// The member at this position.
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// The position.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The position, to index a list of members.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// One storage node in one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    node: NodeId,
    weight: Weight,
    bls_key: BlsPublicKey,
    identity: IdentityPublicKey,
}

impl Member {
    /// The node's id.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// How many shards it owns; at least one.
    pub fn weight(&self) -> Weight {
        self.weight
    }

    /// The key it signs statements with.
    pub fn bls_key(&self) -> &BlsPublicKey {
        &self.bls_key
    }

    /// The key its connections prove.
    pub fn identity(&self) -> &IdentityPublicKey {
        &self.identity
    }
}

/// Contents that are not a committee.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// The owner map does not have a possible number of shards.
    #[error(transparent)]
    Shards(#[from] ShardCountError),
    /// Members are not in strictly ascending order of node id.
    #[error("member {index} is not in ascending order of node id")]
    Order {
        /// Position of the first offender.
        index: usize,
    },
    /// A key is malformed.
    #[error("member {index}: {what} is malformed")]
    Key {
        /// Position of the member.
        index: usize,
        /// Which of its keys.
        what: &'static str,
    },
    /// Two members share a key.
    #[error("member {index} has the {what} of another member")]
    SharedKey {
        /// Position of the later member.
        index: usize,
        /// Which of its keys.
        what: &'static str,
    },
    /// A shard belongs to nobody.
    #[error("shard {shard} is owned by member {owner} of {members}")]
    Owner {
        /// The shard.
        shard: usize,
        /// The member index found.
        owner: u16,
        /// How many members there are.
        members: usize,
    },
    /// A member's weight is not the number of its shards, or zero.
    #[error("member {index} has weight {weight} but owns {shards} shards")]
    Weight {
        /// Position of the member.
        index: usize,
        /// Its stated weight.
        weight: Weight,
        /// Shards the owner map gives it.
        shards: Weight,
    },
}

/// The committee of one epoch.
///
/// # Layout
/// BCS, the fields of the Move object `EpochCommittee` after its id:
/// ```text
/// epoch u32 | start_ms u64 | duration_ms u64
/// | members vector<node 32 | weight u16 | BLS key vector<u8> (48) | Ed25519 key vector<u8> (32)>
/// | owners vector<u16>          member index of each shard, in shard order
/// ```
/// Reading it verifies it: deserialization fails on inconsistent contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Contents", into = "Contents")]
pub struct Committee {
    epoch: Epoch,
    start: ChainTime,
    duration_ms: u64,
    members: Vec<Member>,
    shards: ShardCount,
    owners: Vec<MemberIndex>,
}

/// What is written; nothing is checked yet.
#[derive(Serialize, Deserialize)]
struct Contents {
    epoch: Epoch,
    start: ChainTime,
    duration_ms: u64,
    members: Vec<MemberContents>,
    owners: Vec<MemberIndex>,
}

#[derive(Serialize, Deserialize)]
struct MemberContents {
    node: NodeId,
    weight: u16,
    bls_key: Vec<u8>,
    identity: Vec<u8>,
}

/// A member as given by whoever assembles a committee: its shard count follows from the owner map.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The node's id.
    pub node: NodeId,
    /// Its protocol key; possession was proved when it was registered.
    pub bls_key: BlsPublicKey,
    /// Its identity key.
    pub identity: IdentityPublicKey,
}

impl Committee {
    /// Assembles a committee; weights are counted from the owner map.
    ///
    /// # Errors
    /// The contents are inconsistent; the error names the first offence.
    pub fn new(
        epoch: Epoch,
        start: ChainTime,
        duration_ms: u64,
        candidates: Vec<Candidate>,
        owners: Vec<MemberIndex>,
    ) -> Result<Self, CommitteeError> {
        let shards = shard_count(&owners)?;
        let weights = count_shards(candidates.len(), &owners)?;
        let mut bls_keys = HashSet::with_capacity(candidates.len());
        let mut identities = HashSet::with_capacity(candidates.len());
        let mut members: Vec<Member> = Vec::with_capacity(candidates.len());
        for (index, (candidate, weight)) in candidates.into_iter().zip(weights).enumerate() {
            let Candidate {
                node,
                bls_key,
                identity,
            } = candidate;
            if members.last().is_some_and(|last| last.node >= node) {
                return Err(CommitteeError::Order { index });
            }
            if !bls_keys.insert(bls_key) {
                return Err(CommitteeError::SharedKey {
                    index,
                    what: "BLS key",
                });
            }
            if !identities.insert(identity) {
                return Err(CommitteeError::SharedKey {
                    index,
                    what: "identity key",
                });
            }
            members.push(Member {
                node,
                weight,
                bls_key,
                identity,
            });
        }
        Ok(Self {
            epoch,
            start,
            duration_ms,
            members,
            shards,
            owners,
        })
    }

    /// The epoch it serves.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// When its epoch is due to begin.
    pub fn start(&self) -> ChainTime {
        self.start
    }

    /// How long its epoch is meant to last, in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.duration_ms
    }

    /// Its members in ascending order of node id.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member at a position.
    pub fn member(&self, index: MemberIndex) -> Option<&Member> {
        self.members.get(index.as_usize())
    }

    /// Where a node sits, if it is a member.
    pub fn index_of(&self, node: NodeId) -> Option<MemberIndex> {
        let index = self
            .members
            .binary_search_by_key(&node, Member::node)
            .ok()?;
        Some(MemberIndex(
            u16::try_from(index).expect("fewer than 65,536 members"),
        ))
    }

    /// Positions and members, in order.
    pub fn iter(&self) -> impl Iterator<Item = (MemberIndex, &Member)> {
        (0..).map(MemberIndex).zip(&self.members)
    }

    /// The number of shards, N, which is all the weight there is.
    pub fn shards(&self) -> ShardCount {
        self.shards
    }

    /// Who owns a shard; `None` past the last shard.
    pub fn owner(&self, shard: ShardIndex) -> Option<MemberIndex> {
        self.owners.get(usize::from(shard.get())).copied()
    }

    /// Owners of all shards, in shard order.
    pub fn owners(&self) -> &[MemberIndex] {
        &self.owners
    }

    /// The shards of one member, ascending.
    pub fn shards_of(&self, member: MemberIndex) -> impl Iterator<Item = ShardIndex> {
        (0..)
            .map(ShardIndex)
            .zip(&self.owners)
            .filter(move |(_, owner)| **owner == member)
            .map(|(shard, _)| shard)
    }

    /// What the previous committee signs to hand over: SHA-256 of `floe/committee/1` and the BCS
    /// contents.
    pub fn digest(&self) -> CommitteeDigest {
        let contents = bcs::to_bytes(self).expect("plain integers and byte strings always encode");
        let mut hash = Sha256::new();
        hash.update(b"floe/committee/1");
        hash.update(contents);
        CommitteeDigest(hash.finalize().into())
    }
}

/// SHA-256 over the contents of a committee; see [`Committee::digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommitteeDigest([u8; 32]);

impl CommitteeDigest {
    /// Wraps a digest received from elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Shards of each member. Their sum is the number of shards, so there are at most 1,024 members of
/// non-zero weight.
fn count_shards(members: usize, owners: &[MemberIndex]) -> Result<Vec<Weight>, CommitteeError> {
    let mut shards = vec![Weight(0); members];
    for (shard, owner) in owners.iter().enumerate() {
        match shards.get_mut(owner.as_usize()) {
            Some(count) => *count = count.plus(Weight(1)),
            None => {
                return Err(CommitteeError::Owner {
                    shard,
                    owner: owner.0,
                    members,
                });
            }
        }
    }
    match shards.iter().position(|weight| *weight == Weight(0)) {
        None => Ok(shards),
        Some(index) => Err(CommitteeError::Weight {
            index,
            weight: Weight(0),
            shards: Weight(0),
        }),
    }
}

fn shard_count(owners: &[MemberIndex]) -> Result<ShardCount, CommitteeError> {
    Ok(ShardCount::new(
        u16::try_from(owners.len()).unwrap_or(u16::MAX),
    )?)
}

impl TryFrom<Contents> for Committee {
    type Error = CommitteeError;

    fn try_from(contents: Contents) -> Result<Self, CommitteeError> {
        // Counts first: each key costs a curve operation and is not decoded for nonsense.
        shard_count(&contents.owners)?;
        let weights = count_shards(contents.members.len(), &contents.owners)?;
        let mut candidates = Vec::with_capacity(weights.len());
        for (index, (member, shards)) in contents.members.into_iter().zip(weights).enumerate() {
            let weight = Weight(member.weight.into());
            if weight != shards {
                return Err(CommitteeError::Weight {
                    index,
                    weight,
                    shards,
                });
            }
            candidates.push(
                member
                    .candidate()
                    .map_err(|what| CommitteeError::Key { index, what })?,
            );
        }
        let Contents {
            epoch,
            start,
            duration_ms,
            owners,
            ..
        } = contents;
        Self::new(epoch, start, duration_ms, candidates, owners)
    }
}

impl MemberContents {
    fn candidate(self) -> Result<Candidate, &'static str> {
        let bls_key = self.bls_key.as_slice().try_into().ok();
        let identity = self.identity.as_slice().try_into().ok();
        Ok(Candidate {
            node: self.node,
            bls_key: bls_key
                .and_then(|bytes| BlsPublicKey::from_bytes(bytes).ok())
                .ok_or("BLS key")?,
            identity: identity
                .and_then(|bytes| IdentityPublicKey::from_bytes(bytes).ok())
                .ok_or("identity key")?,
        })
    }
}

impl From<Committee> for Contents {
    fn from(committee: Committee) -> Self {
        let members = committee.members.iter().map(|m| MemberContents {
            node: m.node,
            weight: u16::try_from(m.weight.0).expect("at most 1,024 shards"),
            bls_key: m.bls_key.to_bytes().to_vec(),
            identity: m.identity.to_bytes().to_vec(),
        });
        Self {
            epoch: committee.epoch,
            start: committee.start,
            duration_ms: committee.duration_ms,
            members: members.collect(),
            owners: committee.owners,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn shards_and_weights_agree() {
        let (committee, _) = testing::committee(4, 10);
        let n: u32 = committee.members().iter().map(|m| m.weight().0).sum();
        assert_eq!(n, 10);
        for (index, member) in committee.iter() {
            assert_eq!(committee.index_of(member.node()), Some(index));
            let shards: Vec<_> = committee.shards_of(index).collect();
            assert_eq!(u32::try_from(shards.len()).unwrap(), member.weight().0);
            assert!(shards.iter().all(|s| committee.owner(*s) == Some(index)));
        }
        assert_eq!(committee.owner(ShardIndex(10)), None);
        assert_eq!(committee.index_of(NodeId::from_bytes([0; 32])), None);
    }

    #[test]
    fn contents_round_trip_and_every_field_is_in_the_digest() {
        let (committee, _) = testing::committee(4, 10);
        let bytes = bcs::to_bytes(&committee).unwrap();
        assert_eq!(bcs::from_bytes::<Committee>(&bytes).unwrap(), committee);
        for at in [0, 4, 12, 20, bytes.len() - 2] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            match bcs::from_bytes::<Committee>(&changed) {
                Ok(other) => assert_ne!(other.digest(), committee.digest()),
                Err(_) => assert!(at >= 20),
            }
        }
    }

    #[test]
    fn golden_digest() {
        let (committee, _) = testing::committee(4, 10);
        let bytes = bcs::to_bytes(&committee).unwrap();
        assert_eq!(
            bytes.len(),
            4 + 8 + 8 + 1 + 4 * (32 + 2 + 1 + 48 + 1 + 32) + 1 + 20
        );
        assert_eq!(
            hex::encode(committee.digest().as_bytes()),
            "1527f1e4de4857b25a524e353d7360b272f88cc8a01291025b5ac6df6852a637"
        );
    }

    #[test]
    fn inconsistent_contents_are_refused() {
        let (committee, _) = testing::committee(4, 10);
        let mutate = |change: &dyn Fn(&mut Contents)| {
            let mut contents = Contents::from(committee.clone());
            change(&mut contents);
            Committee::try_from(contents).unwrap_err()
        };
        assert!(matches!(
            mutate(&|c| c.members.swap(1, 2)),
            CommitteeError::Weight { index: 1, .. }
        ));
        assert!(matches!(
            mutate(&|c| { c.members.swap(2, 3) }),
            CommitteeError::Order { index: 3 }
        ));
        assert!(matches!(
            mutate(&|c| c.owners[0] = MemberIndex(4)),
            CommitteeError::Owner { .. }
        ));
        assert!(matches!(
            mutate(&|c| c.owners.clear()),
            CommitteeError::Shards(_)
        ));
        assert!(matches!(
            mutate(&|c| c.members[1].weight += 1),
            CommitteeError::Weight { index: 1, .. }
        ));
        assert!(matches!(
            mutate(&|c| c.members[1].bls_key = c.members[0].bls_key.clone()),
            CommitteeError::SharedKey {
                index: 1,
                what: "BLS key"
            }
        ));
        assert!(matches!(
            mutate(&|c| c.members[1].identity = c.members[0].identity.clone()),
            CommitteeError::SharedKey {
                index: 1,
                what: "identity key"
            }
        ));
        assert!(matches!(
            mutate(&|c| c.members[2].bls_key[5] ^= 1),
            CommitteeError::Key { index: 2, .. }
        ));
        assert!(matches!(
            mutate(&|c| {
                c.members[2].identity.pop();
            }),
            CommitteeError::Key { .. }
        ));
    }
}
