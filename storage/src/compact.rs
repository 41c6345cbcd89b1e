//! Compaction: giving space back by moving what is still wanted out of volumes that are mostly not.
//!
//! The plan is pure. Its execution copies slivers through the ordinary group commit, so a crash at
//! any point leaves each sliver at its old or its new place, and never at neither.

use std::fmt;

use bytes::Bytes;

use crate::{
    engine::{Job, Records, StoreFailed},
    index::{Snapshot, Writing},
    key::SliverKey,
    log::{
        Location, RecordError,
        record::RecordHeader,
        volume::{Scan, VolumeId},
    },
    store::Storage,
    table::{IndexError, volume::VolumeRow},
    writer::{Busy, Reply},
};

/// Compaction stops where all volumes together are this many percent of what is live in them.
const GOAL_PERCENT: u128 = 110;
/// Bytes moved in one commit.
const MOVE_BYTES: u64 = 4 << 20;
/// Rows of the index looked at together when a volume's damaged slivers are searched.
const PAGE: usize = 1024;

/// Volumes to be emptied, those with the least live data first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactionPlan {
    /// The volumes, with the live bytes to be moved and the bytes that come free.
    pub volumes: Vec<(VolumeId, u64, u64)>,
}

/// What a step of compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes copied.
    pub moved: u64,
    /// Volumes deleted.
    pub volumes: usize,
    /// Whether the plan was carried out.
    pub finished: bool,
}

impl CompactionPlan {
    fn new(volumes: &[(VolumeId, VolumeRow)]) -> Self {
        let mut candidates: Vec<_> = volumes
            .iter()
            .filter(|(_, row)| !row.removed && row.live < row.len)
            .collect();
        // By live / length, without division: a/b < c/d as a*d < c*b.
        candidates.sort_by(|(a_id, a), (b_id, b)| {
            let left = u128::from(a.live) * u128::from(b.len);
            let right = u128::from(b.live) * u128::from(a.len);
            left.cmp(&right).then(a_id.cmp(b_id))
        });
        let kept = || volumes.iter().filter(|(_, row)| !row.removed);
        let live: u64 = kept().map(|(_, row)| row.live).sum();
        let mut total: u64 = kept().map(|(_, row)| row.len).sum();
        let mut plan = Self::default();
        for (id, row) in candidates {
            let reached = u128::from(total) * 100 <= u128::from(live) * GOAL_PERCENT;
            // Copying a volume to save its header and little else is not worth it.
            let dense = row.live > row.len / 20 * 19;
            if row.live > 0 && (reached || dense) {
                break;
            }
            total -= row.len - row.live;
            plan.volumes.push((*id, row.live, row.len - row.live));
        }
        plan
    }
}

impl fmt::Display for CompactionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, moved, freed) in &self.volumes {
            writeln!(f, "empty {id}: move {moved} bytes, free {freed}")?;
        }
        Ok(())
    }
}

/// Why space was not given back. Nothing is lost by it but time: the next call goes on.
#[derive(Debug, thiserror::Error)]
pub enum SpaceError {
    /// The disk is too full to copy anything.
    #[error("the disk is full")]
    DiskFull,
    /// The index does not answer.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The disk does not answer.
    #[error("volumes cannot be read or removed: {0}")]
    Io(#[from] std::io::Error),
    /// Too many writes are waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// See [`StoreFailed`].
    #[error(transparent)]
    Failed(#[from] StoreFailed),
}

impl Storage {
    /// Bytes of all volumes: live slivers and what is not collected or compacted yet.
    pub fn volume_bytes(&self) -> Result<u64, IndexError> {
        let rows = self
            .snapshot()?
            .volumes()?
            .page(None, usize::MAX, |_| true)?;
        let kept = rows.iter().filter(|(_, row)| !row.removed);
        Ok(kept.map(|(_, row)| row.len).sum())
    }

    /// What compaction would do now.
    pub fn plan_compaction(&self) -> Result<CompactionPlan, IndexError> {
        let rows = self
            .snapshot()?
            .volumes()?
            .page(None, usize::MAX, |_| true)?;
        Ok(CompactionPlan::new(&rows))
    }

    /// Carries out the plan of the moment, copying at most about `max_bytes`: called at intervals,
    /// that is the byte rate.
    pub fn compact(&self, max_bytes: u64) -> Result<Compacted, SpaceError> {
        let mut done = Compacted::default();
        for (volume, _, _) in self.plan_compaction()?.volumes {
            if done.moved >= max_bytes {
                return Ok(done);
            }
            let emptied = self.empty(volume, max_bytes - done.moved, &mut done.moved)?;
            if !emptied {
                return Ok(done);
            }
            done.volumes += self.remove_retired()?;
        }
        done.volumes += self.remove_retired()?;
        done.finished = true;
        Ok(done)
    }

    /// Moves a volume's live slivers elsewhere; whether all were.
    fn empty(&self, id: VolumeId, budget: u64, moved: &mut u64) -> Result<bool, SpaceError> {
        let stop = *moved + budget;
        // Seals the volume: nothing is appended to it once the scan has measured it.
        self.relocate(id, Vec::new())?;
        let mut scan = match self.0.reader.file(id) {
            Ok(file) => Some(Scan::new(file)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        loop {
            let mut batch = Vec::new();
            let mut bytes = 0;
            while bytes < MOVE_BYTES
                && let Some((offset, header)) = match &mut scan {
                    Some(scan) => scan.next_header()?,
                    None => None,
                }
            {
                let location = Location {
                    volume: id.number,
                    offset,
                    length: header.length,
                };
                if let Some(sliver) = self.live_record(&header.key, &location)? {
                    bytes += location.record_size();
                    batch.push((header.key, location, sliver));
                }
            }
            let last = batch.is_empty();
            self.relocate(id, batch)?;
            *moved += bytes;
            if last {
                break;
            }
            if *moved >= stop {
                return Ok(false);
            }
        }
        // Whatever still points here could not be found or read.
        if let Some(row) = self.snapshot()?.volumes()?.get(&id)?
            && !row.removed
        {
            self.condemn_all(id)?;
            self.relocate(id, Vec::new())?;
        }
        Ok(true)
    }

    /// A record that the index points to and that is intact.
    fn live_record(
        &self,
        key: &SliverKey,
        location: &Location,
    ) -> Result<Option<Bytes>, SpaceError> {
        if self.snapshot()?.slivers()?.get(key)?.as_ref() != Some(location) {
            return Ok(None);
        }
        match self.0.reader.read(key, location) {
            Ok(sliver) => Ok(Some(sliver)),
            Err(RecordError::Damaged(_)) => Ok(None),
            Err(RecordError::Io(error)) => Err(error.into()),
        }
    }

    fn relocate(
        &self,
        volume: VolumeId,
        slivers: Vec<(SliverKey, Location, Bytes)>,
    ) -> Result<(), SpaceError> {
        let (reply, pending) = Reply::new();
        self.0.writer.submit(Box::new(Relocate {
            volume,
            payload: slivers.iter().map(|(_, _, sliver)| sliver.len()).sum(),
            slivers,
            placed: Vec::new(),
            full: false,
            reply,
        }))?;
        pending.wait()
    }

    /// Condemns every sliver that the index believes to be in a volume.
    fn condemn_all(&self, volume: VolumeId) -> Result<(), SpaceError> {
        let mut from = None;
        loop {
            let slivers = self.snapshot()?.slivers()?;
            let page = slivers.lenient_page(from.as_ref(), PAGE + 1, |_| true)?;
            let next = page.get(PAGE).map(|(key, _)| *key);
            let lost: Vec<_> = (page.into_iter().take(PAGE))
                .filter_map(|(key, location)| Some((key, location?)))
                .filter(|(key, at)| key.shard == volume.shard && at.volume == volume.number)
                .collect();
            if !lost.is_empty() {
                let change = self
                    .0
                    .writer
                    .change::<_, StoreFailed, _>(0, move |tables| {
                        for (key, location) in &lost {
                            if tables.slivers.get(key)? == Some(*location) {
                                tables.condemn_sliver(key, Some(location))?;
                            }
                        }
                        Ok(Ok(()))
                    })?;
                change.wait()?;
            }
            if next.is_none() {
                return Ok(());
            }
            from = next;
        }
    }
}

/// Slivers on their way from one volume to another.
struct Relocate {
    volume: VolumeId,
    slivers: Vec<(SliverKey, Location, Bytes)>,
    payload: usize,
    placed: Vec<Location>,
    full: bool,
    reply: Reply<(), SpaceError>,
}

impl Job for Relocate {
    fn payload(&self) -> usize {
        self.payload
    }

    fn seals(&self) -> Option<VolumeId> {
        Some(self.volume)
    }

    fn admit(&mut self, _index: &Snapshot) -> Result<Records, IndexError> {
        let records = self.slivers.iter().filter_map(|(key, _, sliver)| {
            let header = RecordHeader::new(*key, sliver)?;
            Some((header, sliver.clone()))
        });
        Ok(records.collect())
    }

    fn frees_space(&self) -> bool {
        true
    }

    fn place(&mut self, locations: Option<Vec<Location>>) {
        self.full = locations.is_none();
        self.placed = locations.unwrap_or_default();
    }

    fn run(&mut self, tables: &mut Writing<'_>) -> Result<bool, IndexError> {
        for ((key, from, _), to) in self.slivers.iter().zip(&self.placed) {
            tables.move_sliver(key, from, to)?;
        }
        if let Some(mut row) = tables.volumes.get(&self.volume)?
            && row.live == 0
            && !row.removed
        {
            row.removed = true;
            tables.volumes.insert(&self.volume, &row)?;
            tables.retired.push(self.volume);
        }
        Ok(true)
    }

    fn finish(&mut self, outcome: Result<(), StoreFailed>) {
        self.reply.send(match outcome {
            Err(failed) => Err(failed.into()),
            Ok(()) if self.full => Err(SpaceError::DiskFull),
            Ok(()) => Ok(()),
        });
    }
}

#[cfg(test)]
mod tests {
    use floe_codec::ShardIndex;

    use super::*;

    #[test]
    fn the_plan_empties_what_is_worth_it_and_stops_at_the_goal() {
        let volume = |number, len, live| {
            let shard = ShardIndex(0);
            let row = VolumeRow {
                len,
                live,
                removed: false,
            };
            (VolumeId { shard, number }, row)
        };
        let numbers = |volumes: &[(VolumeId, VolumeRow)]| -> Vec<u64> {
            let plan = CompactionPlan::new(volumes);
            plan.volumes.iter().map(|(id, _, _)| id.number).collect()
        };
        // Nothing dead: nothing to do. A few headers are nothing either.
        assert!(numbers(&[volume(1, 1048, 1000), volume(2, 1048, 1000)]).is_empty());
        // What nothing points to goes, whatever the rest is like.
        assert_eq!(numbers(&[volume(1, 9000, 9000), volume(2, 48, 0)]), [2]);
        // The emptiest first, until 10 % are left over.
        let volumes = [
            volume(1, 10_000, 9_600),
            volume(2, 10_000, 1_000),
            volume(3, 10_000, 8_100),
            volume(4, 10_000, 5_000),
        ];
        assert_eq!(numbers(&volumes), [2, 4]);
    }
}
