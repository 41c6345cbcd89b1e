//! Everything that can be asked of the contract, as values that can be printed before they happen.

use std::ops::Range;

use floe_codec::{BlobRoot, Encoding};

use super::state::Vote;
use crate::amount::{Sui, Wal};
use crate::certificate::Certificate;
use crate::epoch::{ChainTime, Epoch};
use crate::event::{BlobRegistered, ChainEvent, NodeRegistered};
use crate::id::{Address, NodeId, ObjectId, TransactionDigest};
use crate::statement::{Available, Inconsistent, Possession, PossessionProof};

/// Where the room for a blob comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// Bought in the same transaction.
    Reserve {
        /// Encoded bytes.
        bytes: u64,
        /// For these epochs.
        period: Range<Epoch>,
    },
    /// A `Storage` object that the account owns; used up.
    Owned(ObjectId),
}

/// A node to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRegistration {
    /// What it calls itself; at most 64 bytes.
    pub name: String,
    /// Where it can be reached; at most 8 of at most 128 bytes.
    pub addresses: Vec<String>,
    /// Its keys and account.
    pub possession: Possession,
    /// Both keys' signatures on that.
    pub proof: PossessionProof,
    /// The operator's part of the pay, in hundredths of a percent.
    pub commission_bps: u16,
    /// Its first vote.
    pub vote: Vote,
    /// Staked with it in the same transaction.
    pub stake: Wal,
}

/// One call of the contract. Several can share a transaction: then all of them happen or none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields repeat the arguments of the Move functions"
)]
pub enum Operation {
    /// Buys room for encoded bytes.
    Reserve { bytes: u64, period: Range<Epoch> },
    /// Keeps the epochs before `at`, splits the others off.
    SplitStorageByEpoch { storage: ObjectId, at: Epoch },
    /// Keeps `bytes`, splits the others off.
    SplitStorageBySize { storage: ObjectId, bytes: u64 },
    /// Joins `other` into `storage`.
    FuseStorage { storage: ObjectId, other: ObjectId },
    /// Throws room away.
    DestroyStorage { storage: ObjectId },
    /// Names a blob that is to be stored; nodes accept it from then on.
    Register {
        room: Room,
        root: BlobRoot,
        size: u64,
        encoding: Encoding,
        deletable: bool,
    },
    /// Shows that a quorum stores the blob.
    Certify {
        blob: ObjectId,
        certificate: Certificate<Available>,
    },
    /// Buys more epochs.
    Extend { blob: ObjectId, epochs: u32 },
    /// Extends with room that the account owns.
    ExtendWith { blob: ObjectId, storage: ObjectId },
    /// Gives a deletable blob up; its room comes back from the next epoch on.
    Delete { blob: ObjectId },
    /// Destroys the object and nothing else.
    Burn { blob: ObjectId },
    /// Sets an attribute of a blob.
    SetAttribute {
        blob: ObjectId,
        key: String,
        value: String,
    },
    /// Removes an attribute of a blob.
    RemoveAttribute { blob: ObjectId, key: String },
    /// Gives a certified blob to everybody, with some WAL to extend it. Cannot be undone.
    Share { blob: ObjectId, funds: Wal },
    /// Adds WAL to a shared blob.
    Fund { shared: ObjectId, funds: Wal },
    /// Extends a shared blob from its funds.
    ExtendShared { shared: ObjectId, epochs: u32 },
    /// Declares a blob id invalid for ever.
    MarkInconsistent {
        certificate: Certificate<Inconsistent>,
    },
    /// Adds to what nodes earn in an epoch.
    AddFunds { epoch: Epoch, funds: Wal },
    /// Registers a node and stakes with it.
    RegisterNode(Box<NodeRegistration>),
    /// Changes a node's name and addresses.
    DescribeNode {
        cap: ObjectId,
        name: String,
        addresses: Vec<String>,
    },
    /// Changes both keys from the next committee on.
    RotateKeys {
        cap: ObjectId,
        possession: Box<Possession>,
        proof: Box<PossessionProof>,
    },
    /// Changes a node's vote.
    SetVote { cap: ObjectId, vote: Vote },
    /// Changes a node's commission, two epochs later.
    SetCommission { cap: ObjectId, bps: u16 },
    /// Hands a node's commission and voice to another account.
    SetGovernance { node: NodeId, to: Address },
    /// Takes the commission earned.
    CollectCommission { node: NodeId },
    /// Stakes with a node.
    Stake { node: NodeId, amount: Wal },
    /// Asks active stake back.
    RequestExit { stake: ObjectId },
    /// Takes stake out whose exit has come, or back before it counted.
    Withdraw { stake: ObjectId },
    /// Keeps `amount` (WAL units while pending, shares after), splits the rest off.
    SplitStake { stake: ObjectId, amount: u128 },
    /// Joins `other` into `stake`.
    JoinStake { stake: ObjectId, other: ObjectId },
    /// Brings a node's pool up to date.
    SettlePool { node: NodeId },
    /// Fixes the next committee.
    Select,
    /// Ends the epoch.
    Advance,
    /// Pays the next pools of the last committee and burns what is due.
    Settle { pools: u64 },
    /// Attests that a node holds all its shards of the epoch.
    SyncDone { cap: ObjectId, epoch: Epoch },
    /// Sends WAL.
    SendWal { to: Address, amount: Wal },
    /// Sends SUI.
    SendSui { to: Address, amount: Sui },
    /// Sends an object.
    Send { object: ObjectId, to: Address },
}

/// Objects that transactions create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A registration.
    Blob,
    /// A blob that belongs to everybody.
    SharedBlob,
    /// Bought room.
    Storage,
    /// A claim on a pool.
    Stake,
    /// The right to operate a node.
    NodeCap,
    /// The committee of one epoch.
    EpochCommittee,
    /// Anything else: coins, fields, packages.
    Other,
}

/// A transaction that was executed successfully.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its digest.
    pub digest: TransactionDigest,
    /// The checkpoint that holds it.
    pub checkpoint: u64,
    /// When, by the chain's clock.
    pub at: ChainTime,
    /// What it cost.
    pub gas: Sui,
    /// The contract's events in it, in order.
    pub events: Vec<ChainEvent>,
    /// Objects it created.
    pub created: Vec<(ObjectKind, ObjectId)>,
}

impl Receipt {
    /// The objects of one kind that it created.
    pub fn created(&self, kind: ObjectKind) -> impl Iterator<Item = ObjectId> {
        self.created
            .iter()
            .filter(move |(k, _)| *k == kind)
            .map(|(_, id)| *id)
    }

    /// The blobs it registered, in order.
    pub fn registered(&self) -> impl Iterator<Item = &BlobRegistered> {
        self.events.iter().filter_map(|event| match event {
            ChainEvent::BlobRegistered(event) => Some(event),
            _ => None,
        })
    }

    /// The node it registered.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.events.iter().find_map(|event| match event {
            ChainEvent::NodeRegistered(NodeRegistered { node, .. }) => Some(*node),
            _ => None,
        })
    }
}
