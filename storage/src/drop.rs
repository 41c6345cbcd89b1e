//! Dropping a shard: its rows in small commits, then its volumes.

use floe_codec::{Axis, ShardIndex};

use crate::{
    compact::SpaceError,
    engine::{Job, StoreFailed},
    index::Writing,
    inventory::BlobSeq,
    key::SliverKey,
    log::volume::VolumeId,
    shards::ShardError,
    store::Storage,
    table::{IndexError, shard::ShardState},
    writer::{Busy, Pending, Reply},
};

/// How far dropping a shard has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropping {
    /// Go on from this sliver.
    Continue(SliverKey),
    /// Nothing points to its volumes any more: [`Storage::remove_retired`] gives the space back.
    Done,
}

impl Storage {
    /// Drops a shard that was left, walking over `max_rows` of the index in one commit. To be
    /// repeated until it is done; after a restart, from the beginning (`None`).
    pub fn drop_shard(
        &self,
        shard: ShardIndex,
        from: Option<SliverKey>,
        max_rows: usize,
    ) -> Result<Pending<Dropping, ShardError>, Busy> {
        self.0.writer.change(0, move |tables| {
            match tables.shards.get(&shard)? {
                Some(ShardState::Kept { .. }) => return Ok(Err(ShardError::Kept(shard))),
                None => return Ok(Ok(Dropping::Done)),
                Some(ShardState::Left { .. } | ShardState::Dropped) => {}
            }
            tables.shards.insert(&shard, &ShardState::Dropped)?;
            let rows =
                tables
                    .slivers
                    .lenient_page(from.as_ref(), max_rows.saturating_add(1), |_| true)?;
            let next = rows.get(max_rows).map(|(key, _)| *key);
            let of_shard = rows
                .iter()
                .take(max_rows)
                .filter(|(key, _)| key.shard == shard);
            for (key, location) in of_shard {
                tables.remove_sliver(key, location.as_ref())?;
                tables.recovery.remove(key)?;
            }
            if let Some(next) = next {
                return Ok(Ok(Dropping::Continue(next)));
            }
            let last = tables.ledger.get(&())?.unwrap_or_default().next_seq;
            tables.forget_shard(shard, last)?;
            Ok(Ok(Dropping::Done))
        })
    }

    /// Deletes the files of volumes that nothing points to any more; how many there were.
    pub fn remove_retired(&self) -> Result<usize, SpaceError> {
        let rows = self
            .snapshot()?
            .volumes()?
            .page(None, usize::MAX, |_| true)?;
        let removed = rows.into_iter().filter(|(_, row)| row.removed);
        let retired: Vec<VolumeId> = removed.map(|(id, _)| id).collect();
        if retired.is_empty() {
            return Ok(0);
        }
        for id in &retired {
            self.0.reader.close(*id);
            match self.0.backend.remove(&id.file_name()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        let count = retired.len();
        let (reply, pending) = Reply::new();
        self.0.writer.submit(Box::new(Removed { retired, reply }))?;
        pending.wait()?;
        Ok(count)
    }
}

/// Volumes whose files are gone. That has to be durable before their rows go: a file that came back
/// after a power cut would be taken for one that the index has lost.
struct Removed {
    retired: Vec<VolumeId>,
    reply: Reply<(), StoreFailed>,
}

impl Job for Removed {
    fn removed_files(&self) -> bool {
        true
    }

    fn run(&mut self, tables: &mut Writing<'_>) -> Result<bool, IndexError> {
        for id in &self.retired {
            tables.volumes.remove(id)?;
        }
        tables.finish_drops()?;
        Ok(true)
    }

    fn finish(&mut self, outcome: Result<(), StoreFailed>) {
        self.reply.send(outcome);
    }
}

impl Writing<'_> {
    /// Removes everything counted about a shard, and retires its volumes.
    fn forget_shard(&mut self, shard: ShardIndex, last: BlobSeq) -> Result<(), IndexError> {
        for axis in Axis::BOTH {
            for page in 0..=last.page() {
                self.inventory.remove(&(page, shard, axis))?;
            }
            self.watermarks.remove(&(shard, axis))?;
            self.sync.remove(&(shard, axis))?;
        }
        let first = VolumeId { shard, number: 0 };
        let volumes = self
            .volumes
            .page(Some(&first), usize::MAX, |id| id.shard == shard)?;
        for (id, mut row) in volumes {
            row.removed = true;
            self.volumes.insert(&id, &row)?;
            self.retired.push(id);
        }
        self.finish_drops()
    }

    /// Forgets dropped shards whose volumes are gone: they may be kept again.
    fn finish_drops(&mut self) -> Result<(), IndexError> {
        for (shard, state) in self.shards.page(None, usize::MAX, |_| true)? {
            let first = VolumeId { shard, number: 0 };
            let volumes = self.volumes.page(Some(&first), 1, |id| id.shard == shard)?;
            if state == ShardState::Dropped && volumes.is_empty() {
                self.shards.remove(&shard)?;
            }
        }
        Ok(())
    }
}
