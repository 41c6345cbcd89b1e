//! Messages about the node and its network rather than about blobs.

use floe_chain::{
    certificate::UnverifiedCertificate,
    epoch::Epoch,
    event::EventCursor,
    id::{NetworkId, NodeId},
    statement::Handover,
};
use serde::{Deserialize, Serialize};

use super::Request;
use crate::{
    control::{record::SignedRecord, request::PeerKey},
    wire::{Bounded, Kind},
};

/// Asks for the committee of an epoch. Item 0 is its contents in BCS, exactly the bytes its digest
/// covers.
///
/// # Layout
/// BCS: `epoch option<u32>`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetCommittee {
    /// The epoch; the node's current one if absent.
    pub epoch: Option<Epoch>,
}

impl Request for GetCommittee {
    const KIND: Kind = Kind::GET_COMMITTEE;
    type Reply = CommitteeReply;
}

/// What goes before a committee's contents.
///
/// # Layout
/// BCS: `handover option<certificate>`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitteeReply {
    /// The certificate by which the committee before it named it, if the node has it.
    pub handover: Option<UnverifiedCertificate<Handover>>,
}

/// Asks for the signed records of nodes; with no names, for the asked node's own.
///
/// # Layout
/// BCS: `peers vector<key 32>`, at most 256.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetNodeRecord {
    /// Their Ed25519 keys.
    pub peers: Bounded<PeerKey, 256>,
}

impl Request for GetNodeRecord {
    const KIND: Kind = Kind::GET_NODE_RECORD;
    type Reply = NodeRecordsReply;
}

/// The records known of those asked for.
///
/// # Layout
/// BCS: `records vector<signed record>`, at most 128 and 96 KiB: ask again for the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecordsReply {
    /// In the order asked for.
    pub records: Bounded<SignedRecord, 128>,
}

/// Asks who the node is and which network it serves.
///
/// # Layout
/// BCS: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetNodeInfo;

impl Request for GetNodeInfo {
    const KIND: Kind = Kind::GET_NODE_INFO;
    type Reply = NodeInfo;
}

/// Who the node is and which network it serves.
///
/// # Layout
/// BCS: `node 32 | network (chain 32, system 32) | epoch u32 | cursor 16 | software string`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its object on the chain.
    pub node: NodeId,
    /// The chain and the deployment it serves.
    pub network: NetworkId,
    /// The epoch it believes current.
    pub epoch: Epoch,
    /// How far it has followed the chain.
    pub cursor: EventCursor,
    /// Name and version of its software.
    pub software: String,
}

/// Asks whether the node serves, and why not.
///
/// # Layout
/// BCS: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health;

impl Request for Health {
    const KIND: Kind = Kind::HEALTH;
    type Reply = HealthReply;
}

/// How the node is.
///
/// # Layout
/// BCS: `epoch u32 | not_ready vector<u8>`, each reason a variant index; empty when it serves reads
/// and writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReply {
    /// The epoch it believes current.
    pub epoch: Epoch,
    /// Everything that keeps it from serving fully.
    pub not_ready: Bounded<NotReady, 16>,
}

/// Something that keeps a node from serving fully.
///
/// # Layout
/// BCS variant index, one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NotReady {
    /// It has not caught up with the chain.
    ChainBehind,
    /// It cannot reach the chain; reads go on.
    ChainUnreachable,
    /// It is not in the committee of this epoch.
    NotAMember,
    /// It is still receiving shards.
    Syncing,
    /// Its disk is full; reads go on.
    DiskFull,
    /// Its disk failed; nothing is acknowledged.
    DiskFailed,
    /// It is going away.
    ShuttingDown,
}
