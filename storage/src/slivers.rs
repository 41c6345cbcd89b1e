//! Putting and getting slivers and segment metadata.

use std::collections::{BTreeMap, HashSet, btree_map::Entry};

use bytes::Bytes;
use floe_codec::{Axis, BlobId, BlobLayout, SegmentIndex, ShardCount, ShardIndex};

use crate::{
    engine::{Job, Records, StoreFailed},
    holdings::{Raw, segment_count, segments_held},
    index::{Snapshot, Writing},
    key::SliverKey,
    log::{
        Location, RecordError,
        record::{RecordDamage, RecordHeader},
    },
    store::Storage,
    table::{
        IndexError, Rows,
        blob::BlobTable,
        shard::{ShardState, ShardTable},
    },
    writer::{Busy, Pending, Reply},
};

/// Why slivers or metadata were not stored. None of the call's were.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// No registration of the blob is known that is neither deleted nor expired.
    #[error("blob {0} is not registered")]
    NotRegistered(BlobId),
    /// The blob was found to be inconsistently encoded.
    #[error("blob {0} is invalid")]
    Invalid(BlobId),
    /// The store does not keep the shard.
    #[error("shard {0} is not kept here")]
    WrongShard(ShardIndex),
    /// No such sliver can exist: a segment beyond the blob's end, or another length.
    #[error("a sliver of {length} bytes cannot be the {key}")]
    WrongShape {
        /// What was to be stored.
        key: SliverKey,
        /// Bytes given.
        length: u64,
    },
    /// Less is free on the disk than is to stay free.
    #[error("the disk is full")]
    DiskFull,
    /// See [`StoreFailed`].
    #[error(transparent)]
    Failed(#[from] StoreFailed),
}

/// Why a sliver could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// This machine's disk has lost or changed it. It was put up for recovery.
    #[error("the {key} is corrupt on this machine's disk: {damage}")]
    Corrupt {
        /// The sliver.
        key: SliverKey,
        /// What is wrong with its record.
        damage: RecordDamage,
    },
    /// The index does not answer.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The disk does not answer.
    #[error("the {key} cannot be read: {error}")]
    Io {
        /// The sliver.
        key: SliverKey,
        /// What the system says.
        error: std::io::Error,
    },
}

impl Storage {
    /// Stores slivers, all or none. Those that are stored already are not written again.
    ///
    /// The answer comes when all of them are on disk and indexed.
    pub fn put_slivers(
        &self,
        slivers: Vec<(SliverKey, Bytes)>,
    ) -> Result<Pending<(), PutError>, Busy> {
        let (reply, pending) = Reply::new();
        let payload = slivers.iter().map(|(_, bytes)| bytes.len()).sum();
        let mut records = Records::with_capacity(slivers.len());
        let mut refused = None;
        for (key, sliver) in slivers {
            match RecordHeader::new(key, &sliver) {
                Some(header) => records.push((header, sliver)),
                None => {
                    let length = sliver.len() as u64;
                    refused = Some(PutError::WrongShape { key, length });
                }
            }
        }
        self.0.writer.submit(Box::new(Put {
            records,
            payload,
            shards: self.stamp().shards,
            appended: Vec::new(),
            refused,
            reply,
        }))?;
        Ok(pending)
    }

    /// A sliver, its checksum verified; `None` if it is not stored.
    pub fn get_sliver(&self, key: &SliverKey) -> Result<Option<Bytes>, GetError> {
        let mut tried = None;
        loop {
            let location = match self.snapshot()?.slivers()?.get(key) {
                Ok(None) => return Ok(None),
                Ok(Some(location)) => location,
                Err(error) if error.is_damage() => {
                    self.condemn(*key, None);
                    return Err(error.into());
                }
                Err(error) => return Err(error.into()),
            };
            let damage = match self.0.reader.read(key, &location) {
                Ok(sliver) => return Ok(Some(sliver)),
                Err(RecordError::Damaged(damage)) => damage,
                Err(RecordError::Io(error)) => return Err(GetError::Io { key: *key, error }),
            };
            // Compaction may have moved it after the location was read.
            if tried == Some(location) {
                tracing::error!(%key, %damage, "a sliver is corrupt on disk");
                self.condemn(*key, Some(location));
                return Err(GetError::Corrupt { key: *key, damage });
            }
            tried = Some(location);
        }
    }

    /// Whether a sliver is stored, as far as the index knows.
    pub fn has_sliver(&self, key: &SliverKey) -> Result<bool, IndexError> {
        self.snapshot()?.slivers()?.contains(key)
    }

    /// Whether the slivers of all segments, both axes, are stored for all these shards, and the
    /// shards are kept. This is what a confirmation states.
    pub fn has_all(&self, blob: &BlobId, shards: &[ShardIndex]) -> Result<bool, IndexError> {
        let snapshot = self.snapshot()?;
        let (held, slivers, states) = (snapshot.held()?, snapshot.slivers()?, snapshot.shards()?);
        let Some(row) = snapshot.blobs()?.get(blob)? else {
            return Ok(false);
        };
        let segments = segment_count(&row, self.stamp().shards);
        for &shard in shards {
            if !matches!(states.get(&shard)?, Some(ShardState::Kept { .. })) {
                return Ok(false);
            }
            for axis in Axis::BOTH {
                let count = segments_held(&held, &slivers, blob, shard, axis)?;
                if Some(count) != segments {
                    return Ok(false);
                }
            }
        }
        Ok(row.is_kept())
    }

    /// Segments from `from` on whose sliver of this shard and axis is not stored, at most `limit`.
    pub fn missing_segments(
        &self,
        blob: &BlobId,
        (shard, axis): (ShardIndex, Axis),
        from: SegmentIndex,
        limit: usize,
    ) -> Result<Vec<SegmentIndex>, IndexError> {
        let snapshot = self.snapshot()?;
        let slivers = snapshot.slivers()?;
        let row = snapshot.blobs()?.get(blob)?;
        let segments = row.and_then(|row| segment_count(&row, self.stamp().shards));
        let held = segments_held(&snapshot.held()?, &slivers, blob, shard, axis)?;
        let mut missing = Vec::new();
        if segments == Some(held) {
            return Ok(missing);
        }
        for segment in (from.get()..segments.unwrap_or_default()).map(SegmentIndex) {
            if missing.len() == limit {
                break;
            }
            let key = SliverKey {
                blob: *blob,
                segment,
                shard,
                axis,
            };
            if !slivers.contains(&key)? {
                missing.push(segment);
            }
        }
        Ok(missing)
    }

    /// Stores the metadata of a segment, which the caller has verified.
    pub fn put_metadata(
        &self,
        blob: BlobId,
        segment: SegmentIndex,
        metadata: Bytes,
    ) -> Result<Pending<(), PutError>, Busy> {
        if self.is_full(metadata.len()) {
            return Ok(Pending::ready(Err(PutError::DiskFull)));
        }
        self.0.writer.change(metadata.len(), move |tables| {
            if let Err(refused) = check_blob(&tables.blobs, &blob)? {
                return Ok(Err(refused));
            }
            Ok(Ok(tables.metadata.insert(&(blob, segment), &metadata)?))
        })
    }

    /// The metadata of a segment; `None` if it is not stored.
    pub fn get_metadata(
        &self,
        blob: &BlobId,
        segment: SegmentIndex,
    ) -> Result<Option<Bytes>, IndexError> {
        self.snapshot()?.metadata()?.get(&(*blob, segment))
    }

    /// Segments from `from` on whose metadata is not stored, at most `limit`.
    pub fn missing_metadata(
        &self,
        blob: &BlobId,
        from: SegmentIndex,
        limit: usize,
    ) -> Result<Vec<SegmentIndex>, IndexError> {
        let snapshot = self.snapshot()?;
        let metadata = snapshot.metadata()?;
        let row = snapshot.blobs()?.get(blob)?;
        let segments = row.and_then(|row| segment_count(&row, self.stamp().shards));
        let mut missing = Vec::new();
        for segment in (from.get()..segments.unwrap_or_default()).map(SegmentIndex) {
            if missing.len() == limit {
                break;
            }
            if !metadata.contains(&(*blob, segment))? {
                missing.push(segment);
            }
        }
        Ok(missing)
    }

    /// Takes a damaged sliver out of the inventory and puts it up for recovery, without waiting.
    pub(crate) fn condemn(&self, key: SliverKey, location: Option<Location>) {
        let change = self.0.writer.change::<_, StoreFailed, _>(0, move |tables| {
            // It may have been replaced in the meantime.
            let unchanged = match tables.slivers.get(&key) {
                Ok(current) => current.is_some() && current == location,
                Err(error) if error.is_damage() => true,
                Err(error) => return Err(error),
            };
            if unchanged {
                tables.condemn_sliver(&key, location.as_ref())?;
            }
            Ok(Ok(()))
        });
        // If the queue is full, the next reader finds the damage again.
        drop(change);
    }
}

fn check_blob(
    blobs: &Rows<BlobTable, impl Raw>,
    blob: &BlobId,
) -> Result<Result<(), PutError>, IndexError> {
    Ok(match blobs.get(blob)? {
        Some(row) if row.invalid => Err(PutError::Invalid(*blob)),
        Some(row) if row.registered > 0 => Ok(()),
        _ => Err(PutError::NotRegistered(*blob)),
    })
}

/// Slivers on their way into the log.
struct Put {
    records: Records,
    payload: usize,
    shards: ShardCount,
    appended: Vec<(SliverKey, Location)>,
    refused: Option<PutError>,
    reply: Reply<(), PutError>,
}

impl Put {
    fn check(
        &self,
        blobs: &Rows<BlobTable, impl Raw>,
        shards: &Rows<ShardTable, impl Raw>,
    ) -> Result<Result<(), PutError>, IndexError> {
        let mut layouts = BTreeMap::new();
        let mut kept = BTreeMap::new();
        for (RecordHeader { key, length, .. }, _) in &self.records {
            let layout =
                match layouts.entry(key.blob) {
                    Entry::Occupied(entry) => *entry.get(),
                    Entry::Vacant(entry) => {
                        if let Err(refused) = check_blob(blobs, &key.blob)? {
                            return Ok(Err(refused));
                        }
                        let row = blobs.get(&key.blob)?;
                        *entry.insert(row.and_then(|row| {
                            BlobLayout::new(row.encoding, self.shards, row.size).ok()
                        }))
                    }
                };
            let kept = match kept.entry(key.shard) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    let state = shards.get(&key.shard)?;
                    *entry.insert(matches!(state, Some(ShardState::Kept { .. })))
                }
            };
            if !kept {
                return Ok(Err(PutError::WrongShard(key.shard)));
            }
            let length = u64::from(*length);
            let expected = layout
                .and_then(|layout| layout.segment(key.segment).ok())
                .map(|segment| segment.sliver_size(key.axis) as u64);
            if expected != Some(length) {
                return Ok(Err(PutError::WrongShape { key: *key, length }));
            }
        }
        Ok(Ok(()))
    }
}

impl Job for Put {
    fn payload(&self) -> usize {
        self.payload
    }

    fn admit(&mut self, index: &Snapshot) -> Result<Records, IndexError> {
        if self.refused.is_some() {
            return Ok(Records::new());
        }
        if let Err(refused) = self.check(&index.blobs()?, &index.shards()?)? {
            self.refused = Some(refused);
            return Ok(Records::new());
        }
        let slivers = index.slivers()?;
        let mut seen = HashSet::new();
        let mut new = Records::new();
        for (header, sliver) in &self.records {
            let key = header.key;
            if seen.insert(key) && !slivers.contains(&key)? {
                self.appended.push((key, Location::default()));
                new.push((*header, sliver.clone()));
            }
        }
        Ok(new)
    }

    fn place(&mut self, locations: Option<Vec<Location>>) {
        match locations {
            Some(locations) => {
                for ((_, location), placed) in self.appended.iter_mut().zip(locations) {
                    *location = placed;
                }
            }
            None => {
                self.appended.clear();
                self.refused = Some(PutError::DiskFull);
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.appended.is_empty()
    }

    fn run(&mut self, tables: &mut Writing<'_>) -> Result<bool, IndexError> {
        if self.appended.is_empty() {
            return Ok(true);
        }
        // Another job of this commit may have ended the blob or dropped the shard.
        if let Err(refused) = self.check(&tables.blobs, &tables.shards)? {
            self.refused = Some(refused);
            return Ok(false);
        }
        for (key, location) in &self.appended {
            // Another job of this commit may have brought the same sliver.
            if !tables.slivers.contains(key)? {
                tables.add_sliver(key, location)?;
            }
        }
        Ok(true)
    }

    fn finish(&mut self, outcome: Result<(), StoreFailed>) {
        self.reply.send(match (outcome, self.refused.take()) {
            (Err(failed), _) => Err(failed.into()),
            (Ok(()), Some(refused)) => Err(refused),
            (Ok(()), None) => Ok(()),
        });
    }
}
