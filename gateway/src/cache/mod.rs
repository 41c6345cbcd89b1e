//! Segments on disk. Owns one folder: names, sizes, eviction, and what happens to damage. Refuses to
//! give out a byte whose checksum it has not just compared.
//!
//! # What proves a byte
//! A segment enters after it was verified against its blob id. From then on each block of it carries
//! a checksum over the blob's id, the segment, the block's place and its bytes (`unit`). Bit rot,
//! truncation, torn writes and files in each other's place are found whenever a block is used; the
//! segment is then dropped, counted, and fetched again. Whoever can write here and compute a checksum
//! is not defended against: the folder is the gateway's own.
//!
//! # Crashes
//! A file is written under another name and renamed. Nothing is synced: what a crash loses, or leaves
//! torn, is fetched again. A killed gateway finds what it had.
//!
//! # Layout
//! `lock`, held by the gateway that uses the folder, and `XX/ID.SEGMENT`: ID is the blob's id in 64
//! hexadecimal digits, XX its first two. Names are made of nothing else, and files named otherwise
//! are left alone.

mod index;
mod unit;

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use floe_codec::{BlobId, SegmentIndex};

use self::index::Index;
pub(crate) use self::unit::BLOCK;
use crate::{metrics::Metrics, settings::CacheSettings};

/// A segment of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) blob: BlobId,
    pub(crate) segment: SegmentIndex,
}

/// The folder cannot be used as a cache.
#[derive(Debug, thiserror::Error)]
#[error("the cache {} cannot be used: {source}", dir.display())]
pub struct CacheError {
    /// The folder.
    pub dir: PathBuf,
    source: io::Error,
}

/// The cache. Its functions block.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    index: Mutex<Index>,
    metrics: Metrics,
    _lock: File,
}

/// A segment that is in the cache, as far as its name and size tell.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    key: Key,
    length: usize,
    // Readers of an evicted segment still have it.
    file: Arc<File>,
}

/// What was to be a block is not.
#[derive(Debug, thiserror::Error)]
#[error("a cached block is damaged")]
pub(crate) struct Damaged;

/// Begins the names of files that are being written.
const NEW: &str = ".new-";

impl Cache {
    /// Takes the folder over, with what is in it.
    pub(crate) fn open(settings: &CacheSettings, metrics: Metrics) -> Result<Self, CacheError> {
        let dir = settings.dir.clone();
        let open = || {
            fs::create_dir_all(&dir)?;
            let lock = File::create(dir.join("lock"))?;
            lock.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => io::Error::other("another gateway uses it"),
                TryLockError::Error(error) => error,
            })?;
            let mut found = scan(&dir)?;
            found.sort_by_key(|(_, _, written)| *written);
            Ok((lock, found))
        };
        let opened = open();
        let (lock, found) = opened.map_err(|source| CacheError {
            dir: dir.clone(),
            source,
        })?;
        let cache = Self {
            dir,
            index: Mutex::new(Index::new(settings.size)),
            metrics,
            _lock: lock,
        };
        for (key, size, _) in found {
            cache.enter(key, size);
        }
        Ok(cache)
    }

    /// A segment of so many bytes.
    pub(crate) fn get(&self, key: Key, length: usize) -> Option<Cached> {
        if !self.index().touch(&key) {
            return None;
        }
        let file = File::open(self.path(&key)).ok();
        let whole = |file: &File| {
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            size == unit::size(length)
        };
        let Some(file) = file.filter(whole) else {
            self.damaged(&key);
            return None;
        };
        let file = Arc::new(file);
        Some(Cached { key, length, file })
    }

    /// Keeps a verified segment.
    pub(crate) fn put(&self, key: Key, bytes: &Bytes) -> io::Result<()> {
        let size = unit::size(bytes.len());
        if bytes.is_empty() || size > self.index().limit() {
            return Ok(());
        }
        let path = self.path(&key);
        let folder = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(NEW).tempfile_in(folder)?;
        for (number, block) in (0..).zip(bytes.chunks(BLOCK)) {
            file.write_all(&unit::checksum(&key, number, block))?;
            file.write_all(block)?;
        }
        file.persist(&path).map_err(|error| error.error)?;
        self.enter(key, size);
        Ok(())
    }

    /// Drops a segment of which something was not what it should be.
    pub(crate) fn damaged(&self, key: &Key) {
        self.metrics.damaged.inc();
        self.drop_segment(key);
    }

    /// Drops a segment, if it is there.
    pub(crate) fn drop_segment(&self, key: &Key) {
        let mut index = self.index();
        let known = index.remove(key);
        self.metrics.cached_bytes.set(index.total());
        drop(index);
        if known {
            self.unlink(key);
        }
    }

    fn enter(&self, key: Key, size: u64) {
        let mut index = self.index();
        let evicted = index.insert(key, size);
        self.metrics.cached_bytes.set(index.total());
        drop(index);
        for key in &evicted {
            self.metrics.evicted.inc();
            self.unlink(key);
        }
    }

    fn unlink(&self, key: &Key) {
        // What cannot be removed is not found again, either.
        let _ = fs::remove_file(self.path(key));
    }

    fn path(&self, key: &Key) -> PathBuf {
        let id: String = key
            .blob
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = format!("{id}.{}", key.segment.get());
        self.dir.join(&id[..2]).join(name)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cached {
    /// A block, if it is what was put there. Blocks.
    pub(crate) fn block(&self, number: usize) -> Result<Bytes, Damaged> {
        unit::read(&self.file, &self.key, self.length, number).ok_or(Damaged)
    }
}

/// The segments of a folder, with their sizes on disk and when they were written. Removes what was
/// being written when a gateway ended.
fn scan(dir: &Path) -> io::Result<Vec<(Key, u64, SystemTime)>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(dir)? {
        let folder = folder?;
        if folder.file_name().len() != 2 || !folder.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let name = file.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(NEW) {
                fs::remove_file(file.path())?;
            } else if let Some(key) = key(name) {
                let metadata = file.metadata()?;
                found.push((key, metadata.len(), metadata.modified()?));
            }
        }
    }
    Ok(found)
}

/// What a file of this name holds.
fn key(name: &str) -> Option<Key> {
    let (id, segment) = name.split_once('.')?;
    let blob = Some(id).filter(|id| id.len() == 64)?.parse().ok()?;
    let segment = SegmentIndex(segment.parse().ok()?);
    Some(Key { blob, segment })
}

#[cfg(test)]
mod tests;
