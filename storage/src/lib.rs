//! How one machine keeps slivers: durably, verifiably, and in step with the chain.
//!
//! [`Storage`] is the handle a node works with. Everything that is acknowledged is on disk: sliver
//! bytes, directory, index, in this order. See the crate's README for the layout of a directory.

pub mod backend;

mod audit;
mod collect;
mod compact;
mod drop;
mod engine;
mod follow;
mod holdings;
mod inconsistency;
mod index;
mod inventory;
mod key;
mod ledger;
mod log;
mod open;
mod recovery;
mod scrub;
mod settings;
mod shards;
mod slivers;
mod stamp;
mod store;
mod table;
mod writer;

pub use audit::Discrepancy;
pub use collect::{Collected, GcPlan, TOMBSTONE_EPOCHS};
pub use compact::{Compacted, CompactionPlan, SpaceError};
pub use drop::Dropping;
pub use engine::StoreFailed;
pub use follow::{ApplyError, BlobStatus, LedgerPosition};
pub use inventory::{Bitmap, BlobSeq, InventorySummary};
pub use key::SliverKey;
pub use ledger::{Applied, EventBatch, LedgerError, RunDigest};
pub use log::{record::RecordDamage, volume::VolumeId};
pub use open::{OpenError, OpenReport};
pub use scrub::Scrubbed;
pub use settings::Settings;
pub use shards::ShardError;
pub use slivers::{GetError, PutError};
pub use stamp::{Stamp, StampError};
pub use store::Storage;
pub use table::{
    IndexError, boundary::Boundary, recovery::RecoveryTask, registration::Registration,
    shard::ShardState, sync::SyncProgress,
};
pub use writer::{Busy, Pending};
