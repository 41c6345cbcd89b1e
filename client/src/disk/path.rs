//! Paths as JSON: text, or, where a name is not UTF-8, `{"base64url": BYTES}`. No name is refused.

use std::{
    fmt,
    ops::Deref,
    path::{Path, PathBuf},
};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A path that can be written whatever its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes { base64url: String },
}

impl Deref for FilePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self.to_str() {
            Some(text) => Written::Text(text.to_owned()),
            None => Written::Bytes {
                base64url: BASE64URL_NOPAD.encode(self.as_os_str().as_encoded_bytes()),
            },
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = match Written::deserialize(deserializer)? {
            Written::Text(text) => Some(text.into()),
            Written::Bytes { base64url } => {
                let bytes = BASE64URL_NOPAD.decode(base64url.as_bytes());
                from_bytes(bytes.map_err(D::Error::custom)?)
            }
        };
        let path = path.ok_or_else(|| D::Error::custom("a path of another system"))?;
        Ok(Self(path))
    }
}

#[cfg(unix)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "elsewhere not all bytes are paths"
)]
fn from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};
    Some(OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn from_bytes(_: Vec<u8>) -> Option<PathBuf> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use super::*;

    #[test]
    fn every_name_comes_back_and_text_stays_text() {
        for name in ["/plain".as_bytes(), "/with \u{fc}".as_bytes(), b"/\xff\xfe"] {
            let path = FilePath(OsStr::from_bytes(name).into());
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<FilePath>(&json).unwrap(), path);
        }
        let plain = FilePath("/plain".into());
        assert_eq!(serde_json::to_string(&plain).unwrap(), "\"/plain\"");
    }
}
