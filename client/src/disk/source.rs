//! The bytes of a store: something that can be read twice and recognised again. Refuses inputs that
//! can only be read once; those are spooled first (`spool.rs`).

use std::{
    fs::{File, Metadata},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Bytes that can be read twice.
#[derive(Debug)]
pub enum Source {
    /// A regular file.
    File {
        /// Open for reading; positions are given per read.
        file: File,
        /// Where it was opened, absolute.
        path: PathBuf,
        /// What it looked like when it was opened.
        stamp: Stamp,
    },
    /// Bytes in memory.
    Memory(Bytes),
}

/// What tells an unchanged file from a changed one without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Length in bytes.
    pub len: u64,
    /// Modification time, nanoseconds since 1970.
    pub modified_ns: u128,
    /// Inode change time in nanoseconds and inode number: unlike the modification time nobody can
    /// set them back. Zero where the system has none.
    pub changed_ns: i128,
    /// Inode number.
    pub inode: u64,
}

/// Why an input cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory, a pipe or a device.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
}

impl Source {
    /// Opens a regular file.
    ///
    /// # Errors
    /// It cannot be opened, or is no regular file.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let read = |source| SourceError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if !metadata.is_file() {
            return Err(SourceError::NotAFile {
                path: path.to_owned(),
            });
        }
        Ok(Self::File {
            stamp: Stamp::of(&metadata),
            path: std::path::absolute(path).map_err(read)?,
            file,
        })
    }

    /// Length in bytes when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::File { stamp, .. } => stamp.len,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// No bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it is and what it looks like now, if it is a file that can be recognised later.
    #[must_use]
    pub fn identity(&self) -> Option<(&Path, Stamp)> {
        match self {
            Self::File { path, stamp, .. } => Some((path, *stamp)),
            Self::Memory(_) => None,
        }
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// The file ends early or cannot be read.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        match self {
            Self::File { file, path, .. } => {
                read_exact_at(file, buffer, offset).map_err(|source| SourceError::Read {
                    path: path.clone(),
                    source,
                })
            }
            Self::Memory(bytes) => {
                let range = usize::try_from(offset)
                    .ok()
                    .and_then(|start| Some(start..start.checked_add(buffer.len())?))
                    .and_then(|range| bytes.get(range));
                match range {
                    Some(found) => buffer.copy_from_slice(found),
                    None => {
                        return Err(SourceError::Read {
                            path: PathBuf::from("memory"),
                            source: io::ErrorKind::UnexpectedEof.into(),
                        });
                    }
                }
                Ok(())
            }
        }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let since = modified.duration_since(SystemTime::UNIX_EPOCH);
        let (changed_ns, inode) = inode_of(metadata);
        Self {
            len: metadata.len(),
            modified_ns: since.map_or(0, |d| d.as_nanos()),
            changed_ns,
            inode,
        }
    }
}

#[cfg(unix)]
fn inode_of(metadata: &Metadata) -> (i128, u64) {
    use std::os::unix::fs::MetadataExt;
    let nanos = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
    (nanos, metadata.ino())
}

#[cfg(not(unix))]
fn inode_of(_: &Metadata) -> (i128, u64) {
    (0, 0)
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek};
    file.seek(io::SeekFrom::Start(offset))?;
    file.read_exact(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_has_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"one").unwrap();
        let (_, before) = Source::open(&path)
            .unwrap()
            .identity()
            .map(|(p, s)| (p.to_owned(), s))
            .unwrap();
        std::fs::write(&path, b"three").unwrap();
        let (_, after) = Source::open(&path)
            .unwrap()
            .identity()
            .map(|(p, s)| (p.to_owned(), s))
            .unwrap();
        assert_ne!(before, after);
    }

    #[test]
    fn reads_past_the_end_fail_and_directories_are_refused() {
        let memory = Source::Memory(Bytes::from_static(b"abc"));
        assert!(memory.read_at(2, &mut [0; 2]).is_err());
        assert!(memory.read_at(u64::MAX, &mut [0; 2]).is_err());
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            Source::open(dir.path()),
            Err(SourceError::NotAFile { .. })
        ));
    }
}
