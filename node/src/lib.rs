//! A Floe storage node.

pub mod supervisor;
