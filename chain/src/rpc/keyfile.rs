//! Secret keys in files: one line each, readable by their owner only.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the file.
    #[error("{} is readable by others (mode {mode:03o}); run: chmod 600 {}", path.display(), path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a single line of text.
    #[error("{} does not hold one line with one key", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// No key has a longer line.
const MAX_LINE: u64 = 256;

/// Reads the one line of a secret key file.
///
/// # Errors
/// The file cannot be read, others may read it, or it does not hold one line.
pub fn read_secret_line(path: &Path) -> Result<String, KeyFileError> {
    let io = |source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    check_mode(path, &file.metadata().map_err(io)?)?;
    let mut text = String::new();
    file.take(MAX_LINE + 1)
        .read_to_string(&mut text)
        .map_err(io)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let single = !line.is_empty() && !line.contains('\n') && text.len() as u64 <= MAX_LINE;
    single
        .then(|| line.to_owned())
        .ok_or_else(|| KeyFileError::Content {
            path: path.to_owned(),
        })
}

/// Writes a new secret key file, mode 0600. An existing file is never replaced: a key that is gone
/// is gone for ever.
///
/// # Errors
/// The file exists or cannot be written.
pub fn write_secret_line(path: &Path, line: &str) -> Result<(), KeyFileError> {
    let io = |source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io)?;
    writeln!(file, "{line}")
        .and_then(|()| file.sync_all())
        .map_err(io)
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &std::fs::Metadata) -> Result<(), KeyFileError> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(KeyFileError::Permissions {
            path: path.to_owned(),
            mode,
        })
    }
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &std::fs::Metadata) -> Result<(), KeyFileError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_round_trips_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        write_secret_line(&path, "secret").unwrap();
        assert_eq!(read_secret_line(&path).unwrap(), "secret");
        assert!(matches!(
            write_secret_line(&path, "other"),
            Err(KeyFileError::Io { .. })
        ));
        assert_eq!(read_secret_line(&path).unwrap(), "secret");
    }

    #[cfg(unix)]
    #[test]
    fn files_that_others_can_read_are_refused_with_the_fix() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wallet.key");
        write_secret_line(&path, "secret").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_secret_line(&path).unwrap_err().to_string();
        assert!(
            error.contains("mode 644") && error.contains("chmod 600"),
            "{error}"
        );
    }

    #[test]
    fn anything_but_one_line_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a", String::new()),
            ("b", "x\ny\n".into()),
            ("c", "x".repeat(300)),
        ] {
            let path = folder.path().join(name);
            write_secret_line(&path, "x").unwrap();
            std::fs::write(&path, text).unwrap();
            assert!(
                matches!(read_secret_line(&path), Err(KeyFileError::Content { .. })),
                "{name}"
            );
        }
    }
}
