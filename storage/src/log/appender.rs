//! Appends records to the active volume of each shard and makes them durable together.
//!
//! One thread owns it. What was appended but not synced, and what was synced but not committed to
//! the index, does not exist as far as anybody else can tell.

use std::{collections::BTreeMap, io, sync::Arc};

use bytes::Bytes;
use floe_codec::ShardIndex;

use super::{
    Location,
    record::RecordHeader,
    volume::{Owner, VOLUME_HEADER_SIZE, VolumeId},
};
use crate::backend::{Backend, File, SyncWithIndex, durably};

/// Short records are gathered up to this size before they are written.
const WRITE_BUFFER: usize = 1 << 20;

/// Appends slivers.
#[derive(Debug)]
pub(crate) struct Appender {
    backend: Arc<dyn Backend>,
    with_index: SyncWithIndex,
    owner: Owner,
    /// A volume that reached this many bytes is not appended to any more.
    volume_size: u64,
    next_number: u64,
    active: BTreeMap<ShardIndex, Active>,
    /// Volumes with unsynced bytes.
    dirty: BTreeMap<VolumeId, Arc<dyn File>>,
    /// Whether volumes were created or removed since the last sync.
    directory_changed: bool,
}

#[derive(Debug)]
struct Active {
    id: VolumeId,
    file: Arc<dyn File>,
    /// Where the next record begins.
    len: u64,
}

/// Why slivers could not be appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// Nothing of them is left in the log; others may go on.
    #[error("the disk is full")]
    Full,
    /// The state of the log is unknown.
    #[error(transparent)]
    Io(io::Error),
}

impl Appender {
    /// An appender without active volumes; `next_number` is above that of every volume.
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        with_index: SyncWithIndex,
        owner: Owner,
        volume_size: u64,
        next_number: u64,
    ) -> Self {
        Self {
            backend,
            with_index,
            owner,
            volume_size,
            next_number,
            active: BTreeMap::new(),
            dirty: BTreeMap::new(),
            directory_changed: false,
        }
    }

    /// Goes on appending to a volume.
    pub(crate) fn resume(&mut self, id: VolumeId, file: Arc<dyn File>, len: u64) {
        self.active.insert(id.shard, Active { id, file, len });
    }

    /// The next sync includes the directory.
    pub(crate) fn directory_changed(&mut self) {
        self.directory_changed = true;
    }

    /// Appends no more to a volume.
    pub(crate) fn seal(&mut self, id: VolumeId) {
        if self
            .active
            .get(&id.shard)
            .is_some_and(|active| active.id == id)
        {
            self.active.remove(&id.shard);
        }
    }

    /// The number of the next volume to be created.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Appends slivers, all or (if the disk is full) none. They are not durable yet.
    pub(crate) fn append(
        &mut self,
        slivers: &[(RecordHeader, Bytes)],
    ) -> Result<Vec<Location>, AppendError> {
        let mut locations = vec![None; slivers.len()];
        let mut by_shard: BTreeMap<ShardIndex, Vec<usize>> = BTreeMap::new();
        for (index, (header, _)) in slivers.iter().enumerate() {
            by_shard.entry(header.key.shard).or_default().push(index);
        }
        let before: BTreeMap<ShardIndex, (VolumeId, u64)> = by_shard
            .keys()
            .filter_map(|shard| self.active.get(shard))
            .map(|active| (active.id.shard, (active.id, active.len)))
            .collect();
        for (&shard, indexes) in &by_shard {
            let appended = self.append_to_shard(shard, slivers, indexes, &mut locations);
            if let Err(error) = appended {
                if !is_full(&error) {
                    return Err(AppendError::Io(error));
                }
                self.roll_back(by_shard.keys(), &before);
                return Err(AppendError::Full);
            }
        }
        let locations = locations.into_iter().collect::<Option<Vec<_>>>();
        Ok(locations.expect("every sliver belongs to one shard, and every shard was appended"))
    }

    fn append_to_shard(
        &mut self,
        shard: ShardIndex,
        slivers: &[(RecordHeader, Bytes)],
        indexes: &[usize],
        locations: &mut [Option<Location>],
    ) -> io::Result<()> {
        let mut buffer = Vec::new();
        for &index in indexes {
            let (header, sliver) = &slivers[index];
            let end = self
                .active
                .get(&shard)
                .map(|active| active.len + buffer.len() as u64);
            if end.is_none_or(|end| end >= self.volume_size) {
                self.write(shard, &mut buffer)?;
                self.roll(shard)?;
            }
            let active = &self.active[&shard];
            locations[index] = Some(Location {
                volume: active.id.number,
                offset: active.len + buffer.len() as u64,
                length: header.length,
            });
            buffer.extend_from_slice(&header.encode());
            buffer.extend_from_slice(sliver);
            if buffer.len() >= WRITE_BUFFER {
                self.write(shard, &mut buffer)?;
            }
        }
        self.write(shard, &mut buffer)
    }

    fn write(&mut self, shard: ShardIndex, buffer: &mut Vec<u8>) -> io::Result<()> {
        if let (Some(active), false) = (self.active.get_mut(&shard), buffer.is_empty()) {
            self.dirty.insert(active.id, Arc::clone(&active.file));
            active.file.write_all_at(active.len, buffer)?;
            active.len += buffer.len() as u64;
            buffer.clear();
        }
        Ok(())
    }

    /// Starts a new volume for a shard.
    fn roll(&mut self, shard: ShardIndex) -> io::Result<()> {
        let id = VolumeId {
            shard,
            number: self.next_number,
        };
        let file = self.backend.create(&id.file_name())?;
        self.next_number += 1;
        self.directory_changed = true;
        if let Err(error) = file.write_all_at(0, &id.header(&self.owner)) {
            self.backend.remove(&id.file_name())?;
            return Err(error);
        }
        self.dirty.insert(id, Arc::clone(&file));
        let len = VOLUME_HEADER_SIZE;
        self.active.insert(shard, Active { id, file, len });
        Ok(())
    }

    /// Forgets a failed append and gives its space back. Bytes that cannot be given back lie
    /// beyond the end of every volume, where nothing is.
    fn roll_back<'a>(
        &mut self,
        shards: impl Iterator<Item = &'a ShardIndex>,
        before: &BTreeMap<ShardIndex, (VolumeId, u64)>,
    ) {
        for shard in shards {
            let Some(active) = self.active.get_mut(shard) else {
                continue;
            };
            active.len = match before.get(shard) {
                Some((id, len)) if *id == active.id => *len,
                // Created by this append.
                _ => VOLUME_HEADER_SIZE,
            };
            let _ = active.file.set_len(active.len);
            if let Some((id, len)) = before.get(shard) {
                let _ = self.dirty.get(id).map(|file| file.set_len(*len));
            }
        }
    }

    /// Hands the volumes with unsynced bytes over to be synced with the next commit of the index,
    /// and syncs the directory if it changed.
    ///
    /// After an error nothing more may be acknowledged until the store was opened again.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let dirty = std::mem::take(&mut self.dirty);
        self.with_index.add(dirty.into_values());
        if self.directory_changed && !cfg!(sabotage = "no_dir_fsync") {
            durably(|| self.backend.sync_directory())?;
        }
        self.directory_changed = false;
        Ok(())
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
