//! The stamp: whose data directory this is, checked before anything in it is believed.

use std::{fmt, io};

use floe_chain::id::{NetworkId, NodeId};
use floe_codec::ShardCount;

use crate::{
    backend::{Backend, FileName},
    log::volume::Owner,
};

/// The version of everything in the directory. Tables and records carry versions of their own.
const FORMAT: u32 = 1;
/// A stamp is a few lines; whatever is longer is not one.
const MAX_SIZE: u64 = 4096;

/// Whose data a directory holds.
///
/// # Layout
/// The file `stamp`, text, one `name value` pair a line:
/// ```text
/// floe-store 1
/// node 0x<64 hexadecimal digits>
/// chain <base58>
/// system 0x<64 hexadecimal digits>
/// shards <decimal>
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The storage node.
    pub node: NodeId,
    /// The network it serves.
    pub network: NetworkId,
    /// n of that network.
    pub shards: ShardCount,
}

/// Why a directory is not the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// It belongs to another node or network, or has another format.
    #[error("the data directory has {what} {found}, this node has {expected}")]
    Mismatch {
        /// Which line of the stamp differs.
        what: String,
        /// What the directory says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// The file is not a stamp.
    #[error("the data directory's stamp is damaged")]
    Damaged,
    /// It could not be read or written.
    #[error("the data directory's stamp cannot be read or written")]
    Io(#[from] io::Error),
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "floe-store {FORMAT}")?;
        writeln!(f, "node {}", self.node)?;
        writeln!(f, "chain {}", self.network.chain)?;
        writeln!(f, "system {}", self.network.system)?;
        writeln!(f, "shards {}", self.shards)
    }
}

impl Stamp {
    fn file_name() -> FileName {
        FileName::new("stamp").expect("lowercase letters")
    }

    /// What the volumes of this store say they belong to.
    pub(crate) fn owner(&self) -> Owner {
        let mut owner = Owner::default();
        let hash = blake3::hash(self.to_string().as_bytes());
        owner.copy_from_slice(&hash.as_bytes()[..16]);
        owner
    }

    /// The shard count of a directory that has been used; `None` if it has not. Opening the store
    /// checks the rest of the stamp.
    pub fn shards_in(backend: &dyn Backend) -> Result<Option<ShardCount>, StampError> {
        let Some(found) = Self::text(backend)? else {
            return Ok(None);
        };
        let shards = found.lines().find_map(|line| line.strip_prefix("shards "));
        let shards = shards
            .and_then(|shards| shards.parse().ok())
            .and_then(|shards| ShardCount::new(shards).ok());
        shards.map(Some).ok_or(StampError::Damaged)
    }

    /// Compares with the stamp in the directory; `false` if there is none.
    pub(crate) fn check(&self, backend: &dyn Backend) -> Result<bool, StampError> {
        match Self::text(backend)? {
            Some(found) => self.compare(&found).map(|()| true),
            None => Ok(false),
        }
    }

    fn text(backend: &dyn Backend) -> Result<Option<String>, StampError> {
        let file = match backend.open(&Self::file_name()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let len = file.size()?;
        if len > MAX_SIZE {
            return Err(StampError::Damaged);
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| StampError::Damaged)?];
        file.read_exact_at(0, &mut bytes)?;
        let text = String::from_utf8(bytes).map_err(|_| StampError::Damaged)?;
        Ok(Some(text))
    }

    fn compare(&self, found: &str) -> Result<(), StampError> {
        let expected = self.to_string();
        if found.lines().count() != expected.lines().count() {
            return Err(StampError::Damaged);
        }
        for (found, expected) in found.lines().zip(expected.lines()) {
            let (Some((name, found)), Some((what, expected))) =
                (found.split_once(' '), expected.split_once(' '))
            else {
                return Err(StampError::Damaged);
            };
            if name != what {
                return Err(StampError::Damaged);
            }
            if found != expected {
                return Err(StampError::Mismatch {
                    what: what.into(),
                    found: found.into(),
                    expected: expected.into(),
                });
            }
        }
        Ok(())
    }

    /// Writes the stamp, after which the directory is a store.
    pub(crate) fn write(&self, backend: &dyn Backend) -> Result<(), StampError> {
        Ok(backend.replace(&Self::file_name(), self.to_string().as_bytes())?)
    }
}
