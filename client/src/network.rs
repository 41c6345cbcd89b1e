//! The network as it is in one epoch: who the nodes are, which shards they own, where they answer.
//! Read from the chain, replaced as a whole when the epoch changes, never edited.

use floe_chain::{
    committee::{Committee, Member, MemberIndex},
    epoch::Epoch,
    id::NetworkId,
};
use floe_codec::{BlobId, ShardIndex, SliverPairIndex};
use floe_p2p::{
    address::PeerAddress,
    identity::{PeerId, peer_id_of},
};

/// The committee of an epoch with the addresses of its members.
#[derive(Debug, Clone)]
pub struct Network {
    /// Which deployment.
    pub id: NetworkId,
    /// Who serves.
    pub committee: Committee,
    /// Where each member answers, in member order; without addresses if none are known.
    pub addresses: Vec<PeerAddress>,
}

impl Network {
    /// The epoch of the committee.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.committee.epoch()
    }

    /// Who must answer as each member, in member order.
    #[must_use]
    pub fn peers_of(committee: &Committee) -> Vec<PeerId> {
        let peer = |member: &Member| {
            peer_id_of(&member.identity().to_bytes())
                .expect("identity keys of a committee are points of the curve")
        };
        committee.members().iter().map(peer).collect()
    }

    /// Where a member answers.
    #[must_use]
    pub fn address(&self, member: MemberIndex) -> &PeerAddress {
        self.addresses
            .get(member.as_usize())
            .expect("every member has an entry")
    }

    /// A member of the committee.
    #[must_use]
    pub fn member(&self, member: MemberIndex) -> &Member {
        self.committee
            .member(member)
            .expect("indexes come from this committee")
    }

    /// The sliver pairs of a blob that a member keeps, with their shards, by shard.
    pub fn pairs_of(
        &self,
        blob: &BlobId,
        member: MemberIndex,
    ) -> impl Iterator<Item = (ShardIndex, SliverPairIndex)> {
        let shards = self.committee.shards();
        self.committee
            .shards_of(member)
            .filter_map(move |shard| Some((shard, blob.pair_of(shard, shards).ok()?)))
    }
}
