//! The contract and its client on a real chain: a devnet in this process.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; a failure is a failed test"
)]

mod blobs;
mod forgeries;
mod genesis;
mod proof;
mod raw;
mod staking;
mod suite;
mod support;
