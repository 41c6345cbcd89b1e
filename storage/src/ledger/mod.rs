//! The ledger: what the chain's events mean for what this machine must keep.
//!
//! Applies events in order, exactly once, the cursor saved with the effects. Decides which blobs
//! are live and numbers them; every node that saw the same events has the same ledger.

mod apply;
mod digest;

pub use apply::{Applied, EventBatch, LedgerError};
pub(crate) use apply::{Stop, apply};
pub use digest::RunDigest;
