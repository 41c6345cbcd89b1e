//! What the chain *says*: epochs, committees, quorums, signed statements, certificates and events.
//!
//! Pure values and checks, but for the feature `rpc`: nothing else here reads a clock, a file or a
//! socket. The feature `light` verifies Sui's checkpoints.

pub mod amount;
pub mod blob;
pub mod certificate;
pub mod committee;
pub mod cost;
pub mod epoch;
pub mod event;
pub mod id;
pub mod keys;
#[cfg(feature = "light")]
pub mod light;
pub mod quorum;
#[cfg(feature = "rpc")]
pub mod rpc;
pub mod signers;
pub mod statement;
pub mod succession;
#[cfg(test)]
mod testing;
