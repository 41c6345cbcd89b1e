//! Durable history: an append-only log of everything that cannot be recomputed. Knows frames and files, not what a record does.

mod log;
mod record;
mod writer;

pub(crate) use log::{Frames, LogError};
pub(crate) use record::{Genesis, Record, SystemPackage};
pub(crate) use writer::{Durable, Position, WriteFailed, Writer};
