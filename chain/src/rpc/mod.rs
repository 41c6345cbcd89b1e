//! The chain as a service: reading it, writing to it, following its events.
//!
//! Three traits, two implementations: [`SuiChain`] over Sui's gRPC, the same for the main network
//! and a local devnet, and [`MemoryChain`](memory::MemoryChain) for tests and simulation.
//! Everything an endpoint says is a claim; what is believed was proved.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::blob::Registration;
use crate::committee::Committee;
use crate::epoch::{ChainTime, Epoch};
use crate::event::{ChainEvent, EventCursor};
use crate::id::{Address, NetworkId, NodeId, ObjectId};

mod appraise;
mod assemble;
mod contract;
mod endpoints;
mod fetch;
mod follow;
mod gas;
mod packages;
mod submit;
mod sui;
mod tail;
mod trust;

pub mod abort;
pub mod config;
pub mod drive;
pub mod error;
pub mod genesis;
pub mod keyfile;
pub mod memory;
pub mod operation;
pub mod state;
pub mod terms;
pub mod wallet;
pub mod worth;

pub use config::NetworkConfig;
pub use endpoints::ClientSettings;
pub use error::{ChainError, ErrorKind};
pub use operation::{NodeRegistration, ObjectKind, Operation, Receipt, Room};
pub use state::{Balance, EpochState, Node, NodeCap, Stake, StorageResource, SystemState};
pub use sui::{SuiAccount, SuiChain};
pub use wallet::Wallet;
pub use worth::StakeWorth;

/// Reads of the chain's present state.
#[async_trait]
pub trait ChainRead: Send + Sync + 'static {
    /// The deployment that is read.
    fn network(&self) -> NetworkId;

    /// Prices, capacity, epoch, shard count.
    async fn system(&self) -> Result<SystemState, ChainError>;

    /// The epoch machine and the nodes that compete.
    async fn epoch_state(&self) -> Result<EpochState, ChainError>;

    /// The committee of an epoch, as soon as it is selected; `None` before. Never changes, and is
    /// proved where a trust anchor is configured.
    async fn committee(&self, epoch: Epoch) -> Result<Option<Committee>, ChainError>;

    /// Nodes by id, in the order asked; `None` for ids that are none.
    async fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Option<Node>>, ChainError>;

    /// A registration, also one inside a `SharedBlob`.
    async fn blob(&self, object: ObjectId) -> Result<Option<Registration>, ChainError>;

    /// A blob's attributes.
    async fn attributes(&self, object: ObjectId) -> Result<BTreeMap<String, String>, ChainError>;

    /// Registrations that an account owns.
    async fn owned_blobs(&self, owner: Address) -> Result<Vec<Registration>, ChainError>;

    /// Unused room that an account owns.
    async fn owned_storage(&self, owner: Address) -> Result<Vec<StorageResource>, ChainError>;

    /// Stake that an account owns.
    async fn owned_stakes(&self, owner: Address) -> Result<Vec<Stake>, ChainError>;

    /// What claims on pools are worth, in their order.
    async fn worth(&self, stakes: &[Stake]) -> Result<Vec<StakeWorth>, ChainError>;

    /// Nodes that an account operates.
    async fn owned_node_caps(&self, owner: Address) -> Result<Vec<NodeCap>, ChainError>;

    /// An account's money.
    async fn balance(&self, owner: Address) -> Result<Balance, ChainError>;
}

/// Writes in the name of one account.
#[async_trait]
pub trait ChainWrite: Send + Sync + 'static {
    /// The account.
    fn address(&self) -> Address;

    /// Executes operations in one transaction and waits until it is in a checkpoint.
    ///
    /// # Errors
    /// [`ChainError::Refused`] when the contract says no; nothing happened then.
    /// [`ChainError::OutcomeUnknown`] when it may have happened.
    async fn execute(&self, operations: Vec<Operation>) -> Result<Receipt, ChainError>;
}

/// The events of one whole checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointEvents {
    /// The checkpoint.
    pub checkpoint: u64,
    /// When it was agreed on: the chain's time.
    pub at: ChainTime,
    /// The contract's events in it, all of them, in order. Most checkpoints have none.
    pub events: Vec<(EventCursor, ChainEvent)>,
    /// Where to go on: after everything in this checkpoint.
    pub to: EventCursor,
    /// Whether the chain was many checkpoints ahead when this one was read.
    pub behind: bool,
}

/// The contract's events, complete and in order.
#[async_trait]
pub trait ChainEvents: Send + Sync + 'static {
    /// All checkpoints from the one after `from`; a checkpoint that `from` lies in is delivered
    /// again without the events up to `from`. Each event comes exactly once. The stream waits for
    /// new checkpoints and survives failing endpoints; it ends only with an error that a person
    /// must look at.
    fn follow(&self, from: EventCursor)
    -> BoxStream<'static, Result<CheckpointEvents, ChainError>>;

    /// A cursor before the first event of this deployment.
    async fn start(&self) -> Result<EventCursor, ChainError>;
}
