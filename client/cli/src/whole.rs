//! Files that appear when they are complete, or not at all. Devices and pipes take bytes as they come.

use std::{
    fs::{File, OpenOptions, Permissions},
    io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::fault::WriteFailed;

/// A file being written beside the place where it will appear.
pub(crate) enum WholeFile {
    /// A device or a pipe.
    Device(File),
    New {
        file: NamedTempFile,
        path: PathBuf,
        /// Those of the file it replaces.
        permissions: Option<Permissions>,
    },
}

impl WholeFile {
    /// Begins a file that will be at `path`. A pipe is waited for until somebody reads from it.
    pub(crate) async fn begin(path: &Path) -> Result<Self, WriteFailed> {
        let to = path.to_owned();
        let begun = tokio::task::spawn_blocking(move || Self::at(to)).await;
        let begun = begun.map_err(io::Error::from).flatten();
        begun.map_err(|source| WriteFailed::new(path, source))
    }

    fn at(path: PathBuf) -> io::Result<Self> {
        let (path, permissions) = match path.metadata() {
            Ok(old) if !old.is_file() => {
                let device = OpenOptions::new().write(true).open(path)?;
                return Ok(Self::Device(device));
            }
            // The file that a link leads to is replaced, not the link.
            Ok(old) => (path.canonicalize()?, Some(old.permissions())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (path, None),
            Err(error) => return Err(error),
        };
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".floe-");
        if permissions.is_none() {
            like_any_other(&mut builder);
        }
        Ok(Self::New {
            file: builder.tempfile_in(directory)?,
            path,
            permissions,
        })
    }

    /// What is written so far.
    pub(crate) fn as_file_mut(&mut self) -> &mut File {
        match self {
            Self::Device(file) => file,
            Self::New { file, .. } => file.as_file_mut(),
        }
    }

    /// Makes it durable and visible.
    pub(crate) fn finish(self) -> Result<(), WriteFailed> {
        let Self::New {
            file,
            path,
            permissions,
        } = self
        else {
            return Ok(());
        };
        let put = || {
            if let Some(permissions) = permissions {
                file.as_file().set_permissions(permissions)?;
            }
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|unmoved| unmoved.error)
        };
        put().map_err(|source| WriteFailed::new(&path, source))?;
        Ok(())
    }
}

/// Temporary files are private; this one becomes a file as the umask wants it.
#[cfg(unix)]
fn like_any_other(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn like_any_other(_: &mut tempfile::Builder<'_, '_>) {}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        io::Write,
        os::unix::fs::{FileTypeExt, PermissionsExt, symlink},
    };

    use super::*;

    fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = WholeFile::at(path.to_owned())?;
        file.as_file_mut().write_all(bytes)?;
        file.finish().map_err(|error| error.source)
    }

    fn mode(path: &Path) -> io::Result<u32> {
        Ok(path.metadata()?.permissions().mode() & 0o777)
    }

    #[test]
    fn devices_are_written_to_links_are_followed_and_permissions_are_as_they_were() {
        write(Path::new("/dev/null"), b"bytes").unwrap();
        let null = Path::new("/dev/null").metadata().unwrap().file_type();
        assert!(null.is_char_device());

        let dir = tempfile::tempdir().unwrap();
        let [new, other, link] = ["new", "other", "link"].map(|name| dir.path().join(name));
        File::create(&other).unwrap();
        write(&new, b"1").unwrap();
        assert_eq!(
            mode(&new).unwrap(),
            mode(&other).unwrap(),
            "as the umask wants it"
        );

        std::fs::set_permissions(&new, Permissions::from_mode(0o640)).unwrap();
        symlink(&new, &link).unwrap();
        write(&link, b"22").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&new).unwrap(), b"22");
        assert_eq!(mode(&new).unwrap(), 0o640);
    }

    #[test]
    fn a_file_that_was_not_completed_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"old").unwrap();
        let mut file = WholeFile::at(path.clone()).unwrap();
        file.as_file_mut().write_all(b"n").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }
}
