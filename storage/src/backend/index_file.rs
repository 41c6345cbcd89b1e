//! The index database's file on a [`Backend`](super::Backend), so that one seed simulates the
//! whole store.

use std::{io, sync::Arc};

use super::{File, durably};

/// A [`File`] as redb wants it.
///
/// The directory lock already excludes other processes, so redb's own locking is left out.
#[derive(Debug)]
pub(crate) struct IndexFile(pub(crate) Arc<dyn File>);

impl redb::StorageBackend for IndexFile {
    fn len(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        durably(|| self.0.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(offset, data)
    }
}
