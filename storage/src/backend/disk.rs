//! The [`Backend`] on a real directory. The only place of the crate that touches the file system.

use std::{
    fs::{self, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::Advice;

use super::{Backend, File, FileName, Lock};

/// Files below this count are synced one by one: fewer flushes than one of the whole file system.
const SYNC_ONE_BY_ONE: usize = 1;

const LOCK_FILE: &str = ".lock";
const TEMPORARY_FILE: &str = ".tmp";

/// A directory on disk.
#[derive(Debug)]
pub struct DiskBackend {
    path: PathBuf,
    /// Kept open for as long as the store: `syncfs` reports what went wrong since this was opened.
    directory: fs::File,
}

impl DiskBackend {
    /// Opens a directory, creating it (readable by its owner only) if it does not exist.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)?;
        // Only the parent knows that a new directory exists.
        if let Some(parent) = path.canonicalize()?.parent() {
            fs::File::open(parent)?.sync_all()?;
        }
        let directory = fs::File::open(&path)?;
        Ok(Self { path, directory })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn path_of(&self, name: &FileName) -> PathBuf {
        self.path.join(name.as_str())
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

impl Backend for DiskBackend {
    fn create(&self, name: &FileName) -> io::Result<Arc<dyn File>> {
        let file = options().create_new(true).open(self.path_of(name))?;
        Ok(Arc::new(file))
    }

    fn open(&self, name: &FileName) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(options().open(self.path_of(name))?))
    }

    fn remove(&self, name: &FileName) -> io::Result<()> {
        fs::remove_file(self.path_of(name))
    }

    fn list(&self) -> io::Result<Vec<FileName>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().to_str().and_then(FileName::new));
        }
        names.sort();
        Ok(names)
    }

    fn replace(&self, name: &FileName, content: &[u8]) -> io::Result<()> {
        let temporary = self.path.join(TEMPORARY_FILE);
        let file = options().create(true).truncate(true).open(&temporary)?;
        file.write_all_at(content, 0)?;
        file.sync_all()?;
        fs::rename(&temporary, self.path_of(name))?;
        self.sync_directory()
    }

    fn sync(&self, files: &[Arc<dyn File>]) -> io::Result<()> {
        if files.len() <= SYNC_ONE_BY_ONE {
            return files.iter().try_for_each(|file| file.sync());
        }
        rustix::fs::syncfs(&self.directory)?;
        files.iter().try_for_each(|file| file.still_there())
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.directory)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self) -> io::Result<Box<dyn Lock>> {
        let file = options().create(true).open(self.path.join(LOCK_FILE))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl File for fs::File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        fs::File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()?;
        self.still_there()
    }

    fn still_there(&self) -> io::Result<()> {
        if self.metadata()?.nlink() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "a file of the store was removed while it was in use",
            ));
        }
        Ok(())
    }

    fn evict(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(self, 0, None, Advice::DontNeed)?)
    }
}

impl Lock for fs::File {}
