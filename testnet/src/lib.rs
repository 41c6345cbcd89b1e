//! A whole Floe network on one machine. This library brings the contract onto a chain, registers
//! nodes and drives them into their first working epoch; the scripts beside it start processes.

pub mod deploy;
pub mod faucet;
pub mod local;
pub mod packages;
pub mod ports;
