//! A Floe storage node: the one place where storage meets the network and the chain.
//!
//! Tasks, all under one [`supervisor::Supervisor`]: the follower (checkpoints into the ledger, view
//! of the epoch), the epoch driver (steps that are due), the data plane (answers peers), the
//! control plane (finds peers, gossips), the keeper (re-reads the disk, collects, compacts), the
//! admin door. They share [`Node`] and learn of each other's work through its view.

pub mod admin;
pub mod config;
pub mod control;
pub mod epoch;
pub mod follower;
pub mod guests;
mod heal;
pub mod health;
mod keeper;
mod node;
mod retry;
pub mod run;
pub mod service;
pub mod supervisor;
pub mod view;

pub use keeper::ScrubProgress;
pub use node::Node;
