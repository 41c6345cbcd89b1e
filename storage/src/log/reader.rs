//! Reads records from volumes, from any thread, keeping a bounded number of files open.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use super::{
    Location,
    record::{HEADER_SIZE, RecordDamage, is_unreadable, verify_record},
    volume::VolumeId,
};
use crate::{
    backend::{Backend, File},
    key::SliverKey,
};

/// Volumes kept open; opening one again costs a system call.
const MAX_OPEN_VOLUMES: usize = 256;

/// Reads slivers.
#[derive(Debug)]
pub(crate) struct VolumeReader {
    backend: Arc<dyn Backend>,
    open: Mutex<HashMap<VolumeId, Arc<dyn File>>>,
}

/// Why the bytes at a location are not the sliver.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error(transparent)]
    Damaged(#[from] RecordDamage),
    #[error(transparent)]
    Io(io::Error),
}

impl VolumeReader {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            open: Mutex::default(),
        }
    }

    /// The sliver of `key`, its record checked.
    pub(crate) fn read(&self, key: &SliverKey, location: &Location) -> Result<Bytes, RecordError> {
        let volume = VolumeId {
            shard: key.shard,
            number: location.volume,
        };
        let mut record = vec![0; HEADER_SIZE + location.length as usize];
        self.file(volume)
            .and_then(|file| file.read_exact_at(location.offset, &mut record))
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => {
                    RecordError::Damaged(RecordDamage::Truncated)
                }
                _ if is_unreadable(&error) => RecordError::Damaged(RecordDamage::Unreadable),
                _ => RecordError::Io(error),
            })?;
        verify_record(key, &record)?;
        Ok(Bytes::from(record).slice(HEADER_SIZE..))
    }

    /// Closes a volume that is about to be removed.
    pub(crate) fn close(&self, volume: VolumeId) {
        self.lock().remove(&volume);
    }

    pub(crate) fn file(&self, volume: VolumeId) -> io::Result<Arc<dyn File>> {
        if let Some(file) = self.lock().get(&volume) {
            return Ok(Arc::clone(file));
        }
        let file = self.backend.open(&volume.file_name())?;
        let mut open = self.lock();
        if open.len() >= MAX_OPEN_VOLUMES {
            // Any one will do: which is read next is not known here.
            let victim = open.keys().next().copied();
            victim.map(|victim| open.remove(&victim));
        }
        open.insert(volume, Arc::clone(&file));
        Ok(file)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<VolumeId, Arc<dyn File>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
