//! The disk as this crate sees it: one flat directory of named files, and nothing else.
//!
//! Owns the [`Backend`] and [`File`] traits, the rules of durability they promise, and the three
//! implementations. Knows no record, table or blob. No other module of the crate imports file APIs.

use std::{fmt, io, sync::Arc};

mod disk;
mod faulty;
mod index_file;
mod memory;

pub use disk::DiskBackend;
pub use faulty::{Faults, FaultyBackend};
pub(crate) use index_file::{IndexFile, SyncWithIndex};
pub use memory::MemoryBackend;

/// One directory of files.
///
/// What is durable, and when:
/// - bytes and length of a file: after [`Backend::sync`] of that file returned `Ok`;
/// - that a file exists (or no longer does): after [`Backend::sync_directory`] returned `Ok`;
/// - before that, any part of it may or may not survive a power cut, in any order.
///
/// After an error from either sync nothing is known about anything written since the last success,
/// and asking again proves nothing: the kernel may have dropped the pages and forgotten the error.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Creates an empty file. Fails with `AlreadyExists` if the name is taken.
    fn create(&self, name: &FileName) -> io::Result<Arc<dyn File>>;

    /// Opens a file to read and write. Fails with `NotFound` if there is none.
    fn open(&self, name: &FileName) -> io::Result<Arc<dyn File>>;

    /// Removes a file. Whoever has it open can still read it.
    fn remove(&self, name: &FileName) -> io::Result<()>;

    /// The names of all files, sorted. Names that are not [`FileName`]s are left out.
    fn list(&self) -> io::Result<Vec<FileName>>;

    /// Replaces the whole content of a file, creating it if needed: after a power cut it holds
    /// either the old or the new bytes, and after `Ok` the new ones. For small files.
    fn replace(&self, name: &FileName, content: &[u8]) -> io::Result<()>;

    /// Makes the bytes and lengths of all these files durable. Fails with `NotFound` if one of them was
    /// removed by somebody else: nobody would find its bytes again.
    fn sync(&self, files: &[Arc<dyn File>]) -> io::Result<()>;

    /// Makes creations and removals durable.
    fn sync_directory(&self) -> io::Result<()>;

    /// Bytes that can still be written, as far as the system tells.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Takes the directory for this process until the lock is dropped. `WouldBlock` if somebody
    /// has it.
    fn lock(&self) -> io::Result<Box<dyn Lock>>;
}

/// One open file, read and written at offsets from any number of threads.
pub trait File: fmt::Debug + Send + Sync {
    /// Bytes in the file.
    fn size(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes at `offset`; 0 only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes up to `bytes.len()` bytes at `offset`, growing the file with zeros if needed.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts the file, or grows it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the bytes and length of this file durable, as [`Backend::sync`] does.
    fn sync(&self) -> io::Result<()>;

    /// Fails with `NotFound` if the file has no name any more. Nobody takes it from files in memory.
    fn still_there(&self) -> io::Result<()> {
        Ok(())
    }

    /// Forgets cached bytes that are not waiting to be written, so that reads tell what is on the
    /// disk. After a failed sync the cache still has what the disk never got.
    fn evict(&self) -> io::Result<()>;
}

/// Held while a process owns a directory; released on drop, and by the system if the process dies.
pub trait Lock: fmt::Debug + Send + Sync {}

impl dyn File + '_ {
    /// Fills `buffer` from `offset`, or fails with `UnexpectedEof`.
    pub fn read_exact_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(offset, buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`, or fails.
    pub fn write_all_at(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(offset, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Every sync that an acknowledgement rests on goes through here, once: a failed one is final.
pub(crate) fn durably(sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
    if cfg!(sabotage = "no_fsync") {
        return Ok(());
    }
    match sync() {
        Err(_) if cfg!(sabotage = "retry_failed_fsync") => sync(),
        outcome => outcome,
    }
}

/// The name of a file in the store's directory.
///
/// 1 to 64 bytes of `a-z 0-9 - .`, not starting with a dot: nothing else reaches the file system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Box<str>);

impl FileName {
    /// Checks a name.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        let valid =
            (1..=64).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed);
        valid.then(|| Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
