//! What the node believes of the chain right now: one value, published as a whole.

use std::{collections::BTreeSet, sync::Arc};

use floe_chain::{
    committee::{Committee, MemberIndex},
    epoch::{ChainTime, Epoch},
    event::EventCursor,
    id::NodeId,
};
use floe_codec::ShardIndex;
use floe_p2p::{
    class::ConnectionClass,
    identity::{PeerId, peer_id_of},
};

/// The chain as this node has followed it.
#[derive(Clone, Debug, Default)]
pub struct ChainView {
    /// How far events were applied to the ledger.
    pub cursor: EventCursor,
    /// Time of the last checkpoint seen.
    pub time: ChainTime,
    /// The epoch of the ledger.
    pub epoch: Epoch,
    /// The last epoch whose committee is known to be selected.
    pub selected: Option<Epoch>,
    /// The epoch's committee and this node's place in it, once read from the chain.
    pub membership: Option<Arc<Membership>>,
    /// Whether checkpoints arrive.
    pub in_reach: bool,
    /// Whether every checkpoint that there was has been applied.
    pub caught_up: bool,
    /// Why the chain cannot be followed any further, if so: nothing is signed any more.
    pub alarm: Option<Arc<str>>,
}

impl ChainView {
    /// The node's shards in the epoch; none when it is not a member.
    #[must_use]
    pub fn shards(&self) -> &[ShardIndex] {
        self.membership.as_ref().map_or(&[], |m| m.shards())
    }
}

/// A committee, seen by one node.
#[derive(Debug)]
pub struct Membership {
    committee: Committee,
    member: Option<MemberIndex>,
    shards: Vec<ShardIndex>,
    peers: BTreeSet<PeerId>,
}

impl Membership {
    /// The place of `node` in `committee`.
    #[must_use]
    pub fn new(committee: Committee, node: NodeId) -> Self {
        let member = committee.index_of(node);
        let shards = member
            .into_iter()
            .flat_map(|member| committee.shards_of(member))
            .collect();
        let peers = committee
            .members()
            .iter()
            .filter_map(|member| peer_id_of(&member.identity().to_bytes()).ok())
            .collect();
        Self {
            committee,
            member,
            shards,
            peers,
        }
    }

    /// The committee.
    #[must_use]
    pub fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Whether the node is a member.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.member.is_some()
    }

    /// The node's shards, ascending.
    #[must_use]
    pub fn shards(&self) -> &[ShardIndex] {
        &self.shards
    }

    /// What a peer is entitled to.
    #[must_use]
    pub fn class_of(&self, peer: &PeerId) -> ConnectionClass {
        if self.peers.contains(peer) {
            ConnectionClass::Committee
        } else {
            ConnectionClass::Anonymous
        }
    }
}
