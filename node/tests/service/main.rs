//! What a node answers on the data plane, over the simulated network.

#![expect(clippy::panic, reason = "helpers of tests; a failure is a failed test")]

mod inconsistency;
mod registration;
mod world;
