//! What a light client believes, on disk. Only moves forward: an older state is never written over a
//! newer one, and damage is an error, not a new beginning.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use floe_chain::{
    committee::Committee,
    epoch::{ChainTime, Epoch},
    id::NetworkId,
};
use serde::{Deserialize, Serialize};

use crate::advice::{Advice, Culprit, ErrorKind};

/// The two newest committees that were verified. The newest may not serve yet.
///
/// # Layout
/// BCS: `version u8 (1) | chain 32 | system 32 | before option<committee> | newest committee`, each
/// committee its contents, then the BLAKE3 hash of all that, 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    /// The committee of the epoch before the newest, once one has followed the anchor's.
    pub before: Option<Committee>,
    /// The newest committee.
    pub newest: Committee,
}

impl Trusted {
    /// The committee that serves at `now`, going by the schedule.
    #[must_use]
    pub fn serving(&self, now: ChainTime) -> &Committee {
        match &self.before {
            Some(before) if self.newest.start() > now => before,
            _ => &self.newest,
        }
    }
}

/// Why the state cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TrustFileError {
    /// The disk does not do as told.
    #[error("cannot use {path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It is not what was written.
    #[error("{path} is damaged: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// What was learned contradicts what was known.
    #[error("{path} knows another committee of epoch {epoch}")]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The epoch with two committees.
        epoch: Epoch,
    },
}

impl Advice for TrustFileError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } => ErrorKind::FixConfig,
            Self::Damaged { .. } | Self::Contradiction { .. } => {
                ErrorKind::Corrupt { who: Culprit::Us }
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "light.state_io",
            Self::Damaged { .. } => "light.state_damaged",
            Self::Contradiction { .. } => "light.state_contradiction",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { .. } => "the setting `state_dir` says where state is kept".to_owned(),
            Self::Damaged { path, .. } => format!(
                "remove {} to begin again at the trust anchor; what it protected from, an old \
                 committee passed off as the newest, is then possible once",
                path.display()
            ),
            Self::Contradiction { .. } => {
                "either the anchor is another network's or a forged one, or the state is; do not \
                 remove it before you know which"
                    .to_owned()
            }
        })
    }
}

/// The state of one network. Processes that share it never undo each other's progress.
#[derive(Debug, Clone)]
pub struct TrustFile {
    path: PathBuf,
    network: NetworkId,
}

const VERSION: u8 = 1;
const HASH: usize = 32;
/// Two committees of 1,024 members take less.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Serialize)]
struct Written<'t> {
    version: u8,
    network: NetworkId,
    trusted: &'t Trusted,
}

#[derive(Deserialize)]
struct Stored {
    version: u8,
    network: NetworkId,
    trusted: Trusted,
}

impl TrustFile {
    /// The file of `network` in `dir`, which is made if need be.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(dir: &Path, network: NetworkId) -> Result<Self, TrustFileError> {
        let file = Self {
            path: dir.join(format!("{}.light", network.system)),
            network,
        };
        fs::create_dir_all(dir).map_err(|error| file.io(&error))?;
        Ok(file)
    }

    /// What is known; `None` before the first time.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn load(&self) -> Result<Option<Trusted>, TrustFileError> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(metadata) if metadata.len() > MAX_BYTES => return Err(self.damaged("too long")),
            Ok(_) => {}
            Err(error) => return Err(self.io(&error)),
        }
        let bytes = fs::read(&self.path).map_err(|error| self.io(&error))?;
        let (body, hash) = bytes
            .split_last_chunk::<HASH>()
            .ok_or_else(|| self.damaged("too short"))?;
        if blake3::hash(body).as_bytes() != hash {
            return Err(self.damaged("its hash is another one"));
        }
        let stored: Stored = bcs::from_bytes(body).map_err(|_| self.damaged("malformed"))?;
        if stored.version != VERSION {
            return Err(self.damaged("of a version this program does not know"));
        }
        if stored.network != self.network {
            return Err(self.damaged("of another network"));
        }
        Ok(Some(stored.trusted))
    }

    /// Keeps `trusted` unless something newer is known already. Durable on return.
    ///
    /// # Errors
    /// It cannot be written, is damaged, or knows another committee of the same epoch.
    pub fn save(&self, trusted: &Trusted) -> Result<(), TrustFileError> {
        let lock = self.path.with_extension("light.lock");
        let lock = File::create(lock).map_err(|error| self.io(&error))?;
        lock.lock().map_err(|error| self.io(&error))?;
        if let Some(known) = self.load()? {
            let (old, new) = (known.newest.epoch(), trusted.newest.epoch());
            if old == new && known.newest != trusted.newest {
                return Err(self.contradiction(new));
            }
            if old >= new {
                return Ok(());
            }
        }
        self.write(trusted).map_err(|error| self.io(&error))
    }

    fn write(&self, trusted: &Trusted) -> io::Result<()> {
        let body = bcs::to_bytes(&Written {
            version: VERSION,
            network: self.network,
            trusted,
        })
        .expect("plain integers and byte strings always encode");
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".light-")
            .tempfile_in(dir)?;
        file.write_all(&body)?;
        file.write_all(blake3::hash(&body).as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        File::open(dir)?.sync_all()
    }

    /// What was learned contradicts what is known of `epoch`.
    pub(crate) fn contradiction(&self, epoch: Epoch) -> TrustFileError {
        TrustFileError::Contradiction {
            path: self.path.clone(),
            epoch,
        }
    }

    fn io(&self, error: &io::Error) -> TrustFileError {
        TrustFileError::Io {
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }

    fn damaged(&self, problem: &'static str) -> TrustFileError {
        TrustFileError::Damaged {
            path: self.path.clone(),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::light::testing::{NETWORK, committee};

    fn state(epoch: u32) -> Trusted {
        Trusted {
            before: (epoch > 1).then(|| committee(epoch - 1)),
            newest: committee(epoch),
        }
    }

    #[test]
    fn it_moves_forward_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = TrustFile::new(dir.path(), NETWORK).unwrap();
        assert_eq!(file.load().unwrap(), None);
        for (epoch, known) in [(2, 2), (1, 2), (3, 3), (2, 3), (3, 3)] {
            file.save(&state(epoch)).unwrap();
            assert_eq!(file.load().unwrap(), Some(state(known)));
        }
        let mut other = state(3);
        other.newest = crate::light::testing::committee_of(3, 5);
        assert!(matches!(
            file.save(&other),
            Err(TrustFileError::Contradiction { epoch, .. }) if epoch == Epoch::new(3)
        ));
        assert_eq!(file.load().unwrap(), Some(state(3)));
    }

    #[test]
    fn changed_bytes_and_cuts_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = TrustFile::new(dir.path(), NETWORK).unwrap();
        file.save(&state(2)).unwrap();
        let good = fs::read(&file.path).unwrap();
        for at in (0..good.len()).step_by(5) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            for bytes in [&bad[..], &good[..at]] {
                fs::write(&file.path, bytes).unwrap();
                let error = file.load().unwrap_err();
                assert!(matches!(error, TrustFileError::Damaged { .. }), "byte {at}");
                // Nothing is written over it either.
                assert!(file.save(&state(3)).is_err());
            }
        }
    }

    #[test]
    fn the_schedule_says_who_serves() {
        let state = state(2);
        let start = state.newest.start();
        let before = ChainTime::from_ms(start.as_ms() - 1);
        assert_eq!(state.serving(before).epoch(), Epoch::new(1));
        assert_eq!(state.serving(start).epoch(), Epoch::new(2));
    }
}
