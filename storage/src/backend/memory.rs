//! The [`Backend`] in memory: for tests and for simulated networks whose disks never fail.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Backend, File, FileName, Lock};

/// A directory in memory. Clones share it, so a store can be dropped and opened again.
#[derive(Clone, Debug, Default)]
pub struct MemoryBackend {
    files: Arc<Mutex<BTreeMap<FileName, Arc<MemoryFile>>>>,
    locked: Arc<AtomicBool>,
}

/// A file in memory.
#[derive(Debug, Default)]
struct MemoryFile(Mutex<Vec<u8>>);

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section leaves the value whole, so a panic elsewhere has not torn it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads like `pread`: short at the end, nothing beyond.
pub(super) fn read_slice(bytes: &[u8], offset: u64, buffer: &mut [u8]) -> usize {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| bytes.get(offset..))
        .unwrap_or_default();
    let read = rest.len().min(buffer.len());
    buffer[..read].copy_from_slice(&rest[..read]);
    read
}

/// Writes like `pwrite`: grows with zeros.
pub(super) fn write_slice(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) -> io::Result<()> {
    let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let end = start
        .checked_add(data.len())
        .ok_or(io::ErrorKind::FileTooLarge)?;
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(data);
    Ok(())
}

pub(super) fn resize(bytes: &mut Vec<u8>, len: u64) -> io::Result<()> {
    bytes.resize(
        usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?,
        0,
    );
    Ok(())
}

impl Backend for MemoryBackend {
    fn create(&self, name: &FileName) -> io::Result<Arc<dyn File>> {
        let mut files = locked(&self.files);
        if files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(MemoryFile::default());
        files.insert(name.clone(), Arc::clone(&file));
        Ok(file)
    }

    fn open(&self, name: &FileName) -> io::Result<Arc<dyn File>> {
        match locked(&self.files).get(name) {
            Some(file) => Ok(Arc::clone(file) as Arc<dyn File>),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn remove(&self, name: &FileName) -> io::Result<()> {
        let removed = locked(&self.files).remove(name);
        removed.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self) -> io::Result<Vec<FileName>> {
        Ok(locked(&self.files).keys().cloned().collect())
    }

    fn replace(&self, name: &FileName, content: &[u8]) -> io::Result<()> {
        let file = Arc::new(MemoryFile(Mutex::new(content.to_vec())));
        locked(&self.files).insert(name.clone(), file);
        Ok(())
    }

    fn sync(&self, _files: &[Arc<dyn File>]) -> io::Result<()> {
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn lock(&self) -> io::Result<Box<dyn Lock>> {
        SharedLock::take(&self.locked)
    }
}

impl File for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(locked(&self.0).len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(read_slice(&locked(&self.0), offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        write_slice(&mut locked(&self.0), offset, bytes)?;
        Ok(bytes.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        resize(&mut locked(&self.0), len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn evict(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A lock between the handles of one simulated directory.
#[derive(Debug)]
pub(super) struct SharedLock(Arc<AtomicBool>);

impl SharedLock {
    pub(super) fn take(flag: &Arc<AtomicBool>) -> io::Result<Box<dyn Lock>> {
        if flag.swap(true, Ordering::AcqRel) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Self(Arc::clone(flag))))
    }
}

impl Drop for SharedLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Lock for SharedLock {}
