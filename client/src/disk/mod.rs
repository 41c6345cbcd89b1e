//! Everything of the client that touches this machine's disk, settings aside. No other module opens
//! a file.

pub mod journal;
pub mod path;
pub mod source;
pub mod spool;
pub mod trust;
