//! Inventory summaries: how completely a node holds each of its shards, gossiped so that others know
//! whom to ask. Their size depends on shards, never on blobs.

use floe_chain::{
    epoch::{ChainTime, Epoch},
    event::EventCursor,
    id::NetworkId,
    keys::{IdentityContext, IdentityPublicKey},
};
use floe_codec::{ByAxis, ShardIndex};
use serde::{Deserialize, Serialize};

use super::signed::{Signable, Signed, Verified};
use crate::wire::Bounded;

/// What a node holds of its shards, as far as it followed the chain.
///
/// # Layout
/// ```text
/// summary = network (chain 32 | system 32) | identity 32 | written u64 | epoch u32
///         | cursor (checkpoint u64 | transaction u32 | event u32)
///         | shards vector<shard u16 | primary held | secondary held>     ; at most 1,024
/// held    = complete_up_to u64 | missing u64
/// ```
/// BCS, signed in the context `inventory`; at 1,024 shards 34,936 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventorySummary {
    /// The deployment.
    pub network: NetworkId,
    /// Who says so.
    pub identity: IdentityPublicKey,
    /// When; the latest counts.
    pub written: ChainTime,
    /// The epoch it serves these shards in.
    pub epoch: Epoch,
    /// How far it has followed the chain.
    pub cursor: EventCursor,
    /// Each shard it serves, ascending.
    pub shards: Bounded<ShardSummary, 1024>,
}

/// What a node holds of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardSummary {
    /// The shard.
    pub shard: ShardIndex,
    /// What is held on each axis.
    pub held: ByAxis<Held>,
}

/// How complete one axis of a shard is. Numbers count blobs in the order in which they became live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Every live blob with a smaller number is held.
    pub complete_up_to: u64,
    /// Live blobs that are not held.
    pub missing: u64,
}

/// A summary as it travels.
pub type SignedInventory = Signed<InventorySummary>;
/// A summary whose signature was checked.
pub type VerifiedInventory = Verified<InventorySummary>;

impl Signable for InventorySummary {
    const CONTEXT: IdentityContext = IdentityContext::new("inventory");
    const MAX_SIZE: usize = 36 << 10;
    const MAX_AGE_MS: u64 = 30 * 60 * 1_000;

    fn network(&self) -> NetworkId {
        self.network
    }

    fn signer(&self) -> &IdentityPublicKey {
        &self.identity
    }

    fn written(&self) -> ChainTime {
        self.written
    }
}
