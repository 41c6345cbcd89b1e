//! Opening a store: whose it is, what a crash left in it, and what only the volumes still know.
//!
//! A volume that the index does not know is adopted: its records are indexed if they are intact.
//! After a crash these are slivers nobody was told of, which are good all the same; after the
//! index was lost they are everything.

use std::{
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use floe_chain::epoch::Epoch;

use crate::{
    backend::{Backend, FileName, IndexFile, SyncWithIndex},
    engine::Engine,
    index::Index,
    log::{
        Appender, Location, VolumeReader,
        volume::{Owner, Scan, VolumeId},
    },
    settings::Settings,
    stamp::{Stamp, StampError},
    store::{Parts, Storage},
    table::{IndexError, shard::ShardState, volume::VolumeRow},
    writer::Writer,
};

/// Adopting a volume commits after this many records.
const ADOPTION_BATCH: usize = 4096;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data directory is in use by another process")]
    Locked,
    /// It belongs to somebody else, or says nothing about it.
    #[error(transparent)]
    Stamp(#[from] StampError),
    /// There are volumes but no stamp: somebody mixed directories up, or deleted files.
    #[error("the data directory has {volumes} volumes but no stamp")]
    Unstamped {
        /// How many volumes there are.
        volumes: usize,
    },
    /// The index cannot be opened. If it is damaged, [`Storage::discard_index`] makes way for a new one.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The disk failed.
    #[error("the data directory cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl OpenError {
    /// Whether [`Storage::discard_index`] would help.
    #[must_use]
    pub fn is_index_damage(&self) -> bool {
        matches!(self, Self::Index(error) if error.is_damage())
    }
}

/// What opening a store found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Bytes beyond the ends of volumes: written before a crash, never acknowledged, cut off.
    pub cut_bytes: u64,
    /// Volumes the index did not know, and the slivers found in them.
    pub adopted: BTreeMap<VolumeId, u64>,
    /// Volumes that end before the index says, or are gone: slivers are lost.
    pub short: Vec<VolumeId>,
    /// Volumes of another store, left alone.
    pub foreign: Vec<VolumeId>,
    /// Whether the index was damaged and made anew.
    pub rebuilt: bool,
}

impl Storage {
    /// Opens the store in a directory, or makes one if it is empty. A thread of its own writes.
    pub fn open(
        backend: Arc<dyn Backend>,
        stamp: Stamp,
        settings: &Settings,
    ) -> Result<(Self, OpenReport), OpenError> {
        Self::open_with(backend, stamp, settings, |engine| {
            Writer::thread(engine, settings)
        })
    }

    /// Opens the store; if its index is damaged, throws that away and opens it anew. The report
    /// says so: then the ledger has to be followed from the beginning.
    pub fn open_or_rebuild(
        backend: Arc<dyn Backend>,
        stamp: Stamp,
        settings: &Settings,
    ) -> Result<(Self, OpenReport), OpenError> {
        match Self::open(Arc::clone(&backend), stamp, settings) {
            Err(error) if error.is_index_damage() => {
                tracing::error!(%error, "the index is damaged: reading all volumes to rebuild it");
                Self::discard_index(&*backend, &stamp)?;
                let (storage, mut report) = Self::open(backend, stamp, settings)?;
                report.rebuilt = true;
                Ok((storage, report))
            }
            opened => opened,
        }
    }

    /// Opens a store that commits every write at once in the calling thread, for simulations.
    pub fn open_inline(
        backend: Arc<dyn Backend>,
        stamp: Stamp,
        settings: &Settings,
    ) -> Result<(Self, OpenReport), OpenError> {
        Self::open_with(backend, stamp, settings, |engine| {
            Ok(Writer::inline(engine))
        })
    }

    /// Throws the index away. The next [`Storage::open`] finds every sliver in the volumes again;
    /// the ledger starts from the beginning of the chain, and metadata has to be fetched anew.
    pub fn discard_index(backend: &dyn Backend, stamp: &Stamp) -> Result<(), OpenError> {
        let _lock = lock(backend)?;
        if stamp.check(backend)? {
            match backend.remove(&index_name()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => backend.sync_directory()?,
            }
        }
        Ok(())
    }

    fn open_with(
        backend: Arc<dyn Backend>,
        stamp: Stamp,
        settings: &Settings,
        start: impl FnOnce(Engine) -> io::Result<Writer>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let lock = lock(&*backend)?;
        let volumes: Vec<VolumeId> = (backend.list()?.iter())
            .filter_map(VolumeId::from_file_name)
            .collect();
        let stamped = stamp.check(&*backend)?;
        if !stamped {
            if !volumes.is_empty() {
                return Err(OpenError::Unstamped {
                    volumes: volumes.len(),
                });
            }
            // The stamp comes last: what is here without one is half of a store never used.
            match backend.remove(&index_name()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        let with_index = SyncWithIndex::default();
        let index = open_index(&backend, &stamp, settings, &with_index)?;
        if !stamped {
            stamp.write(&*backend)?;
        }
        let opening = Opening {
            backend: Arc::clone(&backend),
            index,
            with_index,
            owner: stamp.owner(),
            report: OpenReport::default(),
        };
        let (index, appender, report) = opening.run(&volumes, settings)?;
        let saved_number = appender.next_number();
        let index = Arc::new(index);
        let engine = Engine {
            backend: Arc::clone(&backend),
            index: Arc::clone(&index),
            appender,
            reserve_bytes: settings.reserve_bytes,
            saved_number,
            failed: None,
        };
        let parts = Parts {
            stamp,
            index,
            reader: VolumeReader::new(Arc::clone(&backend)),
            reserve_bytes: settings.reserve_bytes,
            backend,
            writer: start(engine)?,
            _lock: lock,
        };
        Ok((Self(Arc::new(parts)), report))
    }
}

fn lock(backend: &dyn Backend) -> Result<Box<dyn crate::backend::Lock>, OpenError> {
    backend.lock().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked,
        _ => OpenError::Io(error),
    })
}

fn index_name() -> FileName {
    FileName::new("index.redb").expect("lowercase letters and a dot")
}

fn open_index(
    backend: &Arc<dyn Backend>,
    stamp: &Stamp,
    settings: &Settings,
    with_index: &SyncWithIndex,
) -> Result<Index, OpenError> {
    let file = match backend.open(&index_name()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = backend.create(&index_name())?;
            backend.sync_directory()?;
            file
        }
        Err(error) => return Err(error.into()),
    };
    file.evict()?;
    let file = IndexFile::new(Arc::clone(backend), file, with_index);
    let open = || Index::open(file, stamp.shards, settings.index_cache_bytes);
    // The database trusts what it reads of itself here, and asserts; nothing of it outlives a panic.
    let opened = catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| {
        let what = "the database panicked over its own bytes";
        Err(redb::Error::Corrupted(what.into()).into())
    });
    Ok(opened?)
}

/// Makes index and volumes agree.
struct Opening {
    backend: Arc<dyn Backend>,
    index: Index,
    with_index: SyncWithIndex,
    owner: Owner,
    report: OpenReport,
}

impl Opening {
    fn run(
        mut self,
        files: &[VolumeId],
        settings: &Settings,
    ) -> Result<(Index, Appender, OpenReport), OpenError> {
        let snapshot = self.index.snapshot()?;
        let rows = snapshot.volumes()?.page(None, usize::MAX, |_| true)?;
        let rows: BTreeMap<VolumeId, VolumeRow> = rows.into_iter().collect();
        let saved = snapshot.numbering()?.get(&())?.unwrap_or_default();
        drop(snapshot);

        for &id in files {
            match rows.get(&id) {
                Some(row) if row.removed => self.backend.remove(&id.file_name())?,
                Some(_) => {}
                None => self.adopt(id)?,
            }
        }
        self.backend.sync_directory()?;
        let highest = files
            .iter()
            .chain(rows.keys())
            .map(|id| id.number + 1)
            .max();
        let next = saved.max(highest.unwrap_or_default());
        self.index.write(|tables| {
            for (id, _) in rows.iter().filter(|(_, row)| row.removed) {
                tables.volumes.remove(id)?;
            }
            tables.numbering.insert(&(), &next)
        })?;

        let backend = Arc::clone(&self.backend);
        let mut appender = Appender::new(
            backend,
            self.with_index.clone(),
            self.owner,
            settings.volume_bytes,
            next,
        );
        for (&id, row) in rows.iter().filter(|(_, row)| !row.removed) {
            // The highest number of a shard comes last and is the one that stays.
            self.check_end(id, row, &mut appender)?;
        }
        Ok((self.index, appender, self.report))
    }

    /// Cuts what was never committed; goes on appending to the volume if it is whole.
    fn check_end(
        &mut self,
        id: VolumeId,
        row: &VolumeRow,
        appender: &mut Appender,
    ) -> Result<(), OpenError> {
        let file = match self.backend.open(&id.file_name()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.report.short.push(id);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let len = file.size()?;
        if len < row.len {
            self.report.short.push(id);
            return Ok(());
        }
        if len > row.len {
            self.report.cut_bytes += len - row.len;
            file.set_len(row.len)?;
        }
        if id.owner_in(&*file)? == Some(self.owner) {
            appender.resume(id, file, row.len);
        }
        Ok(())
    }

    /// Indexes the intact records of a volume that has no row.
    fn adopt(&mut self, id: VolumeId) -> Result<(), OpenError> {
        let name = id.file_name();
        let file = self.backend.open(&name)?;
        if id
            .owner_in(&*file)?
            .is_some_and(|owner| owner != self.owner)
        {
            self.report.foreign.push(id);
            return Ok(());
        }
        file.evict()?;
        let mut scan = Scan::new(Arc::clone(&file))?;
        let mut found = 0;
        loop {
            let mut records = Vec::new();
            while records.len() < ADOPTION_BATCH
                && let Some(record) = scan.next_record()?
            {
                records.push(record);
            }
            if records.is_empty() {
                break;
            }
            // What was read back need not be on the disk yet.
            self.backend.sync(&[Arc::clone(&file)])?;
            self.backend.sync_directory()?;
            found += self.index.write(|tables| {
                let mut added = 0;
                let state = tables.shards.get(&id.shard)?;
                if state == Some(ShardState::Dropped) {
                    return Ok::<_, IndexError>(0);
                }
                if state.is_none() {
                    let since = Epoch::ZERO;
                    tables
                        .shards
                        .insert(&id.shard, &ShardState::Left { since })?;
                }
                for (offset, header) in &records {
                    let location = Location {
                        volume: id.number,
                        offset: *offset,
                        length: header.length,
                    };
                    if header.key.shard == id.shard && !tables.slivers.contains(&header.key)? {
                        tables.add_sliver(&header.key, &location)?;
                        added += 1;
                    }
                }
                Ok(added)
            })?;
        }
        if found == 0 {
            self.backend.remove(&name)?;
        } else {
            self.report.adopted.insert(id, found);
        }
        Ok(())
    }
}
