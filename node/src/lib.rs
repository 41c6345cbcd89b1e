//! A Floe storage node.

pub mod config;
pub mod supervisor;
