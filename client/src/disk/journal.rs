//! One journal per store on this disk: enough to go on after any interruption without paying twice.
//! Refuses to be the truth about anything: the source file is re-checked against the segment roots,
//! the nodes say which slivers they hold, the chain says what is registered and certified.
//!
//! # Layout
//! JSON lines, appended, each ended by a newline; the first is `started`. A last line without its
//! newline was cut by a crash and is dropped. File name: `<blob id>.<system id>.jsonl`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    ops::{Deref, Range},
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::BASE64URL_NOPAD;
use floe_chain::{
    certificate::Confirmation,
    epoch::{ChainTime, Epoch},
    id::{NetworkId, ObjectId},
    statement::Available,
};
use floe_codec::{BlobId, BlobLayout, SegmentRoot};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{path::FilePath, source::Stamp};

/// The state of one store, in memory and on disk. While it is open no other process can open it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    kept: Kept,
}

/// What a journal says.
#[derive(Debug, Clone)]
pub struct Kept {
    /// How it began.
    pub started: Started,
    /// The registration that was paid for, once there is one.
    pub registered: Option<Registered>,
    /// Signed confirmations received so far, any epoch.
    pub confirmations: Vec<Confirmation<Available>>,
    /// The end of the story.
    pub certified: Option<Certified>,
}

/// What is stored, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Format version.
    pub v: u32,
    /// Which deployment.
    pub network: NetworkName,
    /// The blob.
    pub blob: BlobId,
    /// Its encoding, shard count and length.
    pub layout: BlobLayout,
    /// Roots of its segments, in order.
    #[serde(serialize_with = "write_roots", deserialize_with = "read_roots")]
    pub roots: Vec<SegmentRoot>,
    /// The file it comes from; none for bytes in memory.
    pub source: Option<FileSource>,
    /// Epochs asked for.
    pub epochs: u32,
    /// Whether the owner may delete it.
    pub deletable: bool,
}

/// A deployment: chain and system object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkName {
    /// The chain.
    pub chain: floe_chain::id::ChainId,
    /// The system object on it.
    pub system: floe_chain::id::SystemId,
}

impl From<NetworkId> for NetworkName {
    fn from(id: NetworkId) -> Self {
        Self {
            chain: id.chain,
            system: id.system,
        }
    }
}

/// A file that can be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSource {
    /// Absolute path.
    pub path: FilePath,
    /// What it looked like.
    pub stamp: Stamp,
    /// It is our own copy of a read-once input and goes away with the journal's end.
    pub spooled: bool,
}

/// The registration on chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The `Blob` object.
    pub object: ObjectId,
    /// The epochs paid for.
    pub period: Range<Epoch>,
}

/// The certificate on chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certified {
    /// First epoch no longer paid for.
    pub end: Epoch,
    /// When that is expected to begin.
    pub expires: ChainTime,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Started(Started),
    Registered(Registered),
    /// BCS of the confirmation.
    Confirmed(String),
    Certified(Certified),
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk does not do as told.
    #[error("cannot use journal {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is damaged, and it is not the last one.
    #[error("journal {path} is damaged at line {line}: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Line number from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process is storing the same blob.
    #[error("another process is storing this blob (journal {path} is locked)")]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

/// Version of the format.
const VERSION: u32 = 1;

impl Started {
    /// A store that begins now.
    #[must_use]
    pub fn new(
        network: NetworkId,
        blob: BlobId,
        layout: BlobLayout,
        roots: Vec<SegmentRoot>,
        source: Option<FileSource>,
        epochs: u32,
        deletable: bool,
    ) -> Self {
        Self {
            v: VERSION,
            network: network.into(),
            blob,
            layout,
            roots,
            source,
            epochs,
            deletable,
        }
    }
}

impl Journal {
    /// Begins a journal in `dir`, or opens the one that is there for the same blob.
    ///
    /// # Errors
    /// The disk fails, the journal is damaged, or another process holds it.
    pub fn begin(dir: &Path, started: Started) -> Result<Self, JournalError> {
        let path = Self::path(dir, &started.blob, &started.network);
        if let Some(found) = Self::open(&path)? {
            return Ok(found);
        }
        std::fs::create_dir_all(dir).map_err(|source| JournalError::Io {
            path: path.clone(),
            source,
        })?;
        let file = locked(&path, OpenOptions::new().create(true))?;
        Self::write_first(file, path, started)
    }

    /// Begins anew with other wishes for the same blob. What was paid for stays on chain.
    ///
    /// # Errors
    /// The disk fails.
    pub fn restart(self, started: Started) -> Result<Self, JournalError> {
        Self::write_first(self.file, self.path, started)
    }

    fn write_first(file: File, path: PathBuf, started: Started) -> Result<Self, JournalError> {
        file.set_len(0).map_err(|source| JournalError::Io {
            path: path.clone(),
            source,
        })?;
        let kept = Kept::new(started.clone());
        let mut journal = Self { path, file, kept };
        journal.append(&Entry::Started(started))?;
        Ok(journal)
    }

    /// Where the journal of a blob is, if there is one.
    #[must_use]
    pub fn path(dir: &Path, blob: &BlobId, network: &NetworkName) -> PathBuf {
        dir.join(format!("{blob}.{}.jsonl", network.system))
    }

    /// Opens a journal; `None` if there is none, or it was cut before its first line was complete.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn open(path: &Path) -> Result<Option<Self>, JournalError> {
        let file = match locked(path, &mut OpenOptions::new()) {
            Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            file => file?,
        };
        let io = |source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::read(path).map_err(io)?;
        let whole = whole_lines(&bytes);
        file.set_len(whole.len() as u64).map_err(io)?;
        let kept = Kept::parse(path, whole)?;
        Ok(kept.map(|kept| Self {
            path: path.to_owned(),
            file,
            kept,
        }))
    }

    /// The files of the journals in `dir`.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn files(dir: &Path) -> Result<Vec<PathBuf>, JournalError> {
        let io = |source| JournalError::Io {
            path: dir.to_owned(),
            source,
        };
        let listing = match std::fs::read_dir(dir) {
            Ok(listing) => listing,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(io(source)),
        };
        let mut files = Vec::new();
        for entry in listing {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|it| it == "jsonl") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Whether another process is working on the journal of this file.
    #[must_use]
    pub fn is_busy(path: &Path) -> bool {
        let held = |file: File| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock));
        File::open(path).is_ok_and(held)
    }

    /// Keeps the registration: from here on money was spent.
    ///
    /// # Errors
    /// The disk fails.
    pub fn registered(&mut self, registered: Registered) -> Result<(), JournalError> {
        self.append(&Entry::Registered(registered.clone()))?;
        self.kept.register(registered);
        Ok(())
    }

    /// Keeps a verified confirmation.
    ///
    /// # Errors
    /// The disk fails.
    pub fn confirmed(&mut self, confirmation: Confirmation<Available>) -> Result<(), JournalError> {
        let bytes = bcs::to_bytes(&confirmation).expect("confirmations always encode");
        self.append(&Entry::Confirmed(BASE64URL_NOPAD.encode(&bytes)))?;
        self.kept.confirmations.push(confirmation);
        Ok(())
    }

    /// Keeps the certificate's existence.
    ///
    /// # Errors
    /// The disk fails.
    pub fn certified(&mut self, certified: Certified) -> Result<(), JournalError> {
        self.append(&Entry::Certified(certified.clone()))?;
        self.kept.certified = Some(certified);
        Ok(())
    }

    /// Removes the journal, and the spooled copy with it. What was paid for stays on chain.
    ///
    /// # Errors
    /// The disk fails.
    pub fn forget(self) -> Result<(), JournalError> {
        self.drop_spool();
        std::fs::remove_file(&self.path).map_err(|source| JournalError::Io {
            path: self.path.clone(),
            source,
        })
    }

    /// Removes the spooled copy of the source, if there is one.
    pub fn drop_spool(&self) {
        if let Some(source) = self.started.source.as_ref().filter(|s| s.spooled) {
            // Already gone is as good as removed; anything else wastes space and nothing more.
            let _ = std::fs::remove_file(&*source.path);
        }
    }

    fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let mut line = serde_json::to_string(entry).expect("entries have string keys");
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|source| JournalError::Io {
                path: self.path.clone(),
                source,
            })
    }
}

impl Deref for Journal {
    type Target = Kept;

    fn deref(&self) -> &Kept {
        &self.kept
    }
}

impl Kept {
    fn new(started: Started) -> Self {
        Self {
            started,
            registered: None,
            confirmations: Vec::new(),
            certified: None,
        }
    }

    /// What a journal says now, whoever is working on it; `None` if there is none, or it was cut
    /// before its first line was complete.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(path, whole_lines(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(JournalError::Io {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn parse(path: &Path, lines: &[u8]) -> Result<Option<Self>, JournalError> {
        let mut kept: Option<Self> = None;
        for (index, line) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let wrong = |problem: &str| damaged(path, index + 1, problem);
            let entry = serde_json::from_slice(line).map_err(|e| damaged(path, index + 1, e))?;
            match (entry, &mut kept) {
                (Entry::Started(started), None) if started.v == VERSION => {
                    kept = Some(Self::new(started));
                }
                (Entry::Started(started), None) => {
                    let problem = format!("format version {}, not {VERSION}", started.v);
                    return Err(wrong(&problem));
                }
                (_, None) => return Err(wrong("the first line is not `started`")),
                (Entry::Started(_), Some(_)) => return Err(wrong("begins twice")),
                (Entry::Registered(it), Some(kept)) => kept.register(it),
                (Entry::Certified(it), Some(kept)) => kept.certified = Some(it),
                (Entry::Confirmed(text), Some(kept)) => {
                    let confirmation = BASE64URL_NOPAD
                        .decode(text.as_bytes())
                        .ok()
                        .and_then(|bytes| bcs::from_bytes(&bytes).ok())
                        .ok_or_else(|| wrong("not a confirmation"))?;
                    kept.confirmations.push(confirmation);
                }
            }
        }
        Ok(kept)
    }

    /// A new registration: what was signed and certified was of another one.
    fn register(&mut self, registered: Registered) {
        self.registered = Some(registered);
        self.confirmations.clear();
        self.certified = None;
    }
}

/// The lines that were written to their end; a crash may have cut the last one anywhere.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    bytes
        .get(..end.map_or(0, |end| end + 1))
        .unwrap_or_default()
}

/// Opens and locks the file of a journal. Whoever waited for the lock may find the file removed: then
/// it is opened anew.
fn locked(path: &Path, options: &mut OpenOptions) -> Result<File, JournalError> {
    let io = |source| JournalError::Io {
        path: path.to_owned(),
        source,
    };
    for _ in 0..LOCK_TRIES {
        let file = options.append(true).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) if is_linked(&file).map_err(io)? => return Ok(file),
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
        }
    }
    Err(JournalError::Busy {
        path: path.to_owned(),
    })
}

#[cfg(unix)]
fn is_linked(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.nlink() > 0)
}

/// Where open files cannot be removed there is nothing to ask.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn is_linked(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// How often, and how long after each other, a lock is tried before another process is said to be
/// at work. Others hold one for a moment when they ask whether it is held, and when they remove a
/// journal that is over.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

fn damaged(path: &Path, line: usize, problem: impl ToString) -> JournalError {
    JournalError::Damaged {
        path: path.to_owned(),
        line,
        problem: problem.to_string(),
    }
}

fn write_roots<S: Serializer>(roots: &[SegmentRoot], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = roots.iter().flat_map(|root| *root.as_bytes()).collect();
    serializer.serialize_str(&BASE64URL_NOPAD.encode(&bytes))
}

fn read_roots<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SegmentRoot>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(serde::de::Error::custom)?;
    let (roots, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(serde::de::Error::custom("roots are 32 bytes each"));
    }
    Ok(roots.iter().copied().map(SegmentRoot::from_bytes).collect())
}

#[cfg(test)]
mod tests {
    use floe_chain::id::{ChainId, SystemId};
    use floe_codec::{BlobRoot, ShardCount};

    use super::*;

    fn started() -> Started {
        let layout = BlobLayout::for_shards(ShardCount::new(10).unwrap(), 5).unwrap();
        let network = NetworkId {
            chain: ChainId::from_bytes([1; 32]),
            system: SystemId::from_bytes([2; 32]),
        };
        let root = BlobRoot::from_bytes([3; 32]);
        let roots = vec![SegmentRoot::from_bytes([4; 32])];
        let blob = BlobId::derive(&layout, &root);
        Started::new(network, blob, layout, roots, None, 3, true)
    }

    fn registered() -> Registered {
        Registered {
            object: ObjectId::from_bytes([7; 32]),
            period: Epoch::new(2)..Epoch::new(5),
        }
    }

    #[test]
    fn what_was_written_is_read_back_and_a_cut_last_line_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::begin(dir.path(), started()).unwrap();
        journal.registered(registered()).unwrap();
        let path = journal.path.clone();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let found = Journal::open(&path).unwrap();
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            let registered = found.as_ref().map(|journal| journal.registered.is_some());
            assert_eq!(
                registered,
                [None, Some(false), Some(true)][lines],
                "cut at {cut}"
            );
        }
        std::fs::write(&path, &whole).unwrap();
        let journal = Journal::begin(dir.path(), started()).unwrap();
        assert_eq!(journal.started, started());
        assert_eq!(journal.registered, Some(registered()));
    }

    #[test]
    fn a_line_cut_within_a_character_is_dropped_like_any_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = Journal::begin(dir.path(), started()).unwrap().path.clone();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(&"{\"registered\":\"ü".as_bytes()[..16]);
        std::fs::write(&path, bytes).unwrap();
        let found = Journal::open(&path).unwrap().unwrap();
        assert_eq!(found.started, started());
    }

    #[test]
    fn a_journal_that_was_begun_anew_or_registered_again_is_not_certified() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::begin(dir.path(), started()).unwrap();
        journal.registered(registered()).unwrap();
        let certified = Certified {
            end: Epoch::new(5),
            expires: ChainTime::from_ms(1),
        };
        journal.certified(certified).unwrap();
        journal.registered(registered()).unwrap();
        assert!(journal.certified.is_none());
        let path = journal.path.clone();
        assert!(Kept::read(&path).unwrap().unwrap().certified.is_none());
        let other = Started {
            epochs: 9,
            ..started()
        };
        let journal = journal.restart(other.clone()).unwrap();
        assert!(journal.registered.is_none());
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().unwrap().started, other);
    }

    #[test]
    fn a_journal_that_is_worked_on_can_be_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let held = Journal::begin(dir.path(), started()).unwrap();
        let files = Journal::files(dir.path()).unwrap();
        assert_eq!(files, std::slice::from_ref(&held.path));
        assert!(Kept::read(&held.path).unwrap().is_some());
        assert!(Journal::is_busy(&held.path));
        drop(held);
        assert!(!Journal::is_busy(&files[0]));
        assert!(Journal::open(&files[0]).unwrap().is_some());
    }

    #[test]
    fn damage_inside_is_an_error_that_names_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::begin(dir.path(), started()).unwrap();
        journal.registered(registered()).unwrap();
        let path = journal.path.clone();
        drop(journal);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("registered", "r-gistered")).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(
            matches!(error, JournalError::Damaged { line: 2, .. }),
            "{error}"
        );
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let _held = Journal::begin(dir.path(), started()).unwrap();
        let again = Journal::begin(dir.path(), started());
        assert!(matches!(again, Err(JournalError::Busy { .. })));
    }
}
