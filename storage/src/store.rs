//! The store: one handle for everything a node does with its disk.
//!
//! Owns the handle and what it is made of. The verbs live in files of their own: `open`, `slivers`,
//! `follow`, `shards`, `drop`, `recovery`, `scrub`, `collect`, `compact`, `audit`.

use std::sync::Arc;

use crate::{
    backend::{Backend, Lock},
    engine::StoreFailed,
    index::{Index, Snapshot},
    log::VolumeReader,
    stamp::Stamp,
    table::IndexError,
    writer::{Busy, Pending, Writer},
};

/// The store of one machine. Clones are handles of the same store; dropping the last one waits for
/// the writes that were taken, and closes it.
#[derive(Clone, Debug)]
pub struct Storage(pub(crate) Arc<Parts>);

/// What a store is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) stamp: Stamp,
    pub(crate) index: Arc<Index>,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) reader: VolumeReader,
    /// No slivers, metadata or proofs are accepted while less is free.
    pub(crate) reserve_bytes: u64,
    /// Before the lock, so that it has stopped when somebody else may open the directory.
    pub(crate) writer: Writer,
    pub(crate) _lock: Box<dyn Lock>,
}

impl Storage {
    /// Whose store it is.
    #[must_use]
    pub fn stamp(&self) -> &Stamp {
        &self.0.stamp
    }

    /// Why nothing is acknowledged any more, if so: a write or a sync failed, and what the disk has
    /// is known again only after the store was dropped and opened. Until then slivers are still
    /// read, unless it was the index that failed.
    #[must_use]
    pub fn failure(&self) -> Option<StoreFailed> {
        self.0.writer.failure()
    }

    /// Makes a little something durable: a disk that nobody writes to does not tell that it cannot be
    /// written any more, or that the store's files were removed. [`Storage::failure`] knows then.
    pub fn probe(&self) -> Result<Pending<(), StoreFailed>, Busy> {
        self.0.writer.change(0, |tables| {
            // The same value again is a write like any other.
            let next = tables.numbering.get(&())?.unwrap_or_default();
            tables.numbering.insert(&(), &next)?;
            Ok(Ok(()))
        })
    }

    /// Whether slivers are refused because too little is free.
    #[must_use]
    pub fn has_no_room(&self) -> bool {
        self.is_full(0)
    }

    /// Whether so many bytes more would take of the space that is to stay free. A disk that does not
    /// say is found out by the write.
    pub(crate) fn is_full(&self, bytes: usize) -> bool {
        let needed = self.0.reserve_bytes.saturating_add(bytes as u64);
        self.0.backend.free_bytes().is_ok_and(|free| free < needed)
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot, IndexError> {
        self.0.index.snapshot()
    }
}
