//! A local Sui-compatible chain in one process that executes real Move bytecode.
//!
//! The synchronous core (`ledger::Ledger`) is deterministic: everything it does follows from its genesis, the transactions and the
//! times it is given. A thin asynchronous shell adds the clock, the log, gRPC and HTTP. See the README for what this chain is not.

mod admin;
mod args;
mod coin;
mod devnet;
mod execute;
mod faucet;
mod framework;
mod genesis;
mod info;
mod ledger;
mod limits;
mod node;
mod packages;
mod rpc;
mod simulate;
mod store;
mod validators;

pub use args::{Args, RunError, run};
pub use devnet::{Devnet, Settings, StartError};
pub use info::Info;
pub use node::Cadence;
