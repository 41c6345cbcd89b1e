//! Inputs that can be read once (stdin, HTTP bodies) become files that can be read twice: unlinked
//! when done, mode 0600, within a quota, locked while their process lives. Announced in the plan
//! because the bytes touch a disk.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::source::{Source, SourceError};

/// A spooled input. The file is deleted when this is dropped.
#[derive(Debug)]
pub struct Spool {
    file: tempfile::NamedTempFile,
}

/// Why an input could not be spooled.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// More bytes arrived than may be spooled.
    #[error("the input is longer than the spool quota of {quota} bytes")]
    Quota {
        /// The limit in bytes.
        quota: u64,
    },
    /// The input stopped with an error.
    #[error("cannot read the input: {0}")]
    Input(io::Error),
    /// The spool directory does not take the bytes.
    #[error("cannot write to the spool directory {dir}: {source}")]
    Write {
        /// The spool directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Spool {
    /// Copies `input` to a private file in `dir`.
    ///
    /// # Errors
    /// The input fails, exceeds `quota` bytes, or cannot be written.
    pub async fn fill(
        dir: &Path,
        quota: u64,
        mut input: impl AsyncRead + Unpin,
    ) -> Result<Self, SpoolError> {
        let write = |source| SpoolError::Write {
            dir: dir.to_owned(),
            source,
        };
        std::fs::create_dir_all(dir).map_err(write)?;
        let mut file = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempfile_in(dir)
            .map_err(write)?;
        file.as_file().lock().map_err(write)?;
        let mut buffer = vec![0; COPY_BYTES];
        let mut total = 0;
        loop {
            let read = input.read(&mut buffer).await.map_err(SpoolError::Input)?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
                break;
            };
            total += read as u64;
            if total > quota {
                return Err(SpoolError::Quota { quota });
            }
            file.write_all(chunk).map_err(write)?;
        }
        Ok(Self { file })
    }

    /// The spooled bytes.
    ///
    /// # Errors
    /// The file was removed meanwhile.
    pub fn source(&self) -> Result<Source, SourceError> {
        Source::open(self.file.path())
    }

    /// Leaves the file to the caller, who removes it when its bytes are stored. While the handle is
    /// open, `sweep` leaves the file alone.
    ///
    /// # Errors
    /// The file was removed meanwhile.
    pub fn keep(self) -> Result<(File, PathBuf), SpoolError> {
        self.file.keep().map_err(|e| SpoolError::Write {
            dir: e.file.path().to_owned(),
            source: e.error,
        })
    }
}

/// Removes the copies in `dir` that killed processes left behind, except those in `needed`. Best
/// effort: what cannot be removed only takes space.
pub(crate) fn sweep(dir: &Path, needed: &[PathBuf]) {
    let Ok(listing) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in listing.flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !ours || needed.contains(&path) {
            continue;
        }
        let unused = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        // A copy is empty between its making and its locking.
        if unused && entry.metadata().is_ok_and(|metadata| metadata.len() > 0) {
            let removed = std::fs::remove_file(&path);
            tracing::debug!(path = %path.display(), ?removed, "left behind by a killed process");
        }
    }
}

/// What the names of copies begin with.
const PREFIX: &str = "floe-spool-";

/// Bytes per copy step.
const COPY_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn spools_within_the_quota_and_cleans_up() {
        let dir = tempfile::tempdir().unwrap();
        let input = vec![7u8; 700_000];
        let spool = Spool::fill(dir.path(), 700_000, input.as_slice())
            .await
            .unwrap();
        let source = spool.source().unwrap();
        let mut back = vec![0; 700_000];
        source.read_at(0, &mut back).unwrap();
        assert_eq!((source.len(), back), (700_000, input.clone()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = spool.file.path().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        drop(spool);
        let over = Spool::fill(dir.path(), 699_999, input.as_slice()).await;
        assert!(matches!(over, Err(SpoolError::Quota { quota: 699_999 })));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn only_what_nobody_uses_or_needs_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let spool = async || Spool::fill(dir.path(), 9, &b"bytes"[..]).await.unwrap();
        let (_running, used) = spool().await.keep().unwrap();
        let (ended, needed) = spool().await.keep().unwrap();
        drop(ended);
        let (ended, left) = spool().await.keep().unwrap();
        drop(ended);
        let other = dir.path().join("somebody-elses");
        std::fs::write(&other, b"bytes").unwrap();
        sweep(dir.path(), std::slice::from_ref(&needed));
        let exist = [&used, &needed, &left, &other].map(|path| path.exists());
        assert_eq!(exist, [true, true, false, true]);
    }
}
