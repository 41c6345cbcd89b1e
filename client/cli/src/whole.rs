//! Files that appear when they are complete, or not at all.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use crate::fault::WriteFailed;

/// A file being written beside the place where it will appear.
pub(crate) struct WholeFile {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Begins a file that will be at `path`.
    pub(crate) fn begin(path: &Path) -> Result<Self, WriteFailed> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".floe-")
            .tempfile_in(directory)
            .map_err(|source| WriteFailed::new(path, source))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// What is written so far.
    pub(crate) fn as_file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Makes it durable and visible.
    pub(crate) fn finish(self) -> Result<(), WriteFailed> {
        let Self { file, path } = self;
        let failed = |source| WriteFailed::new(&path, source);
        file.as_file().sync_all().map_err(failed)?;
        open_to_others(file.as_file()).map_err(failed)?;
        file.persist(&path).map_err(|e| failed(e.error))?;
        Ok(())
    }
}

/// Temporary files are private; the result is a file like any other.
#[cfg(unix)]
fn open_to_others(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn open_to_others(_: &File) -> io::Result<()> {
    Ok(())
}
