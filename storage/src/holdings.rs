//! What is held: sliver rows, and everything counted from them, changed together.
//!
//! Every change of a sliver row goes through here, so that the segment counts, the volumes' live
//! bytes, the inventory and the recovery queue never disagree with the rows.

use floe_codec::{Axis, BlobId, BlobLayout, SegmentIndex, ShardCount, ShardIndex};
use redb::ReadableTable;

use crate::{
    index::Writing,
    inventory::{Bitmap, BlobSeq, InventorySummary},
    key::SliverKey,
    log::Location,
    table::{
        IndexError, Rows, blob::BlobRow, held::HeldTable, inventory::InventoryTable,
        live::LiveTable, recovery::RecoveryTask, shard::ShardState, sliver::SliverTable,
        watermark::WatermarkTable,
    },
};

/// Any table, read from a snapshot or within a transaction.
pub(crate) trait Raw: ReadableTable<&'static [u8], &'static [u8]> {}
impl<R: ReadableTable<&'static [u8], &'static [u8]>> Raw for R {}

/// How many segments of `blob` are held for `shard` on `axis`.
pub(crate) fn segments_held(
    held: &Rows<HeldTable, impl Raw>,
    slivers: &Rows<SliverTable, impl Raw>,
    blob: &BlobId,
    shard: ShardIndex,
    axis: Axis,
) -> Result<u32, IndexError> {
    if let Some(count) = held.get(&(*blob, shard, axis))? {
        return Ok(count);
    }
    let first = first_sliver(blob, shard, axis);
    Ok(u32::from(slivers.contains(&first)?))
}

/// The inventory of one shard and axis, from the watermark up to `next`.
pub(crate) fn summarize(
    watermarks: &Rows<WatermarkTable, impl Raw>,
    live: &Rows<LiveTable, impl Raw>,
    inventory: &Rows<InventoryTable, impl Raw>,
    (shard, axis): (ShardIndex, Axis),
    next: BlobSeq,
) -> Result<InventorySummary, IndexError> {
    let from = watermarks.get(&(shard, axis))?.unwrap_or_default();
    let mut first = None;
    let mut missing = 0;
    for page in from.page()..=next.page() {
        let gaps = missing_of_page(live, inventory, page, (shard, axis))?;
        first = first.or(gaps
            .ones()
            .next()
            .map(|bit| BlobSeq::first_of(page).plus(bit)));
        missing += gaps.count();
    }
    Ok(InventorySummary {
        complete_up_to: first.unwrap_or(next),
        missing,
    })
}

/// The live sequence numbers of a page that are not held completely.
pub(crate) fn missing_of_page(
    live: &Rows<LiveTable, impl Raw>,
    inventory: &Rows<InventoryTable, impl Raw>,
    page: u32,
    (shard, axis): (ShardIndex, Axis),
) -> Result<Bitmap, IndexError> {
    let Some(live) = live.get(&page)? else {
        return Ok(Bitmap::default());
    };
    let held = inventory.get(&(page, shard, axis))?.unwrap_or_default();
    Ok(live.without(&held))
}

/// The key before every other of a blob.
pub(crate) const fn first_of(blob: &BlobId) -> SliverKey {
    first_sliver(blob, ShardIndex(0), Axis::Primary)
}

const fn first_sliver(blob: &BlobId, shard: ShardIndex, axis: Axis) -> SliverKey {
    SliverKey {
        blob: *blob,
        segment: SegmentIndex(0),
        shard,
        axis,
    }
}

/// Segments of a blob; `None` if the chain registered something that cannot be.
pub(crate) fn segment_count(row: &BlobRow, shards: ShardCount) -> Option<u32> {
    let layout = BlobLayout::new(row.encoding, shards, row.size).ok()?;
    Some(layout.segment_count())
}

impl Writing<'_> {
    /// Indexes a sliver that is durable in the log. There must be no row for it.
    pub(crate) fn add_sliver(
        &mut self,
        key: &SliverKey,
        location: &Location,
    ) -> Result<(), IndexError> {
        let (blob, shard, axis) = (key.blob, key.shard, key.axis);
        let held = segments_held(&self.held, &self.slivers, &blob, shard, axis)? + 1;
        self.slivers.insert(key, location)?;
        self.set_segments_held(key, held)?;
        self.recovery.remove(key)?;
        self.count_in(shard, location)?;
        if let Some(row) = self.blobs.get(&blob)?
            && let Some(seq) = row.live
            && segment_count(&row, self.shard_count) == Some(held)
        {
            self.set_inventory(seq, shard, axis)?;
        }
        Ok(())
    }

    /// Points a sliver's row to its new place, unless it does not lie at the old one any more.
    pub(crate) fn move_sliver(
        &mut self,
        key: &SliverKey,
        from: &Location,
        to: &Location,
    ) -> Result<(), IndexError> {
        if self.slivers.get(key)? == Some(*from) {
            self.slivers.insert(key, to)?;
            self.count_in(key.shard, to)?;
            self.count_out(key.shard, from)?;
        }
        Ok(())
    }

    /// A record is live in its volume from now on.
    fn count_in(&mut self, shard: ShardIndex, location: &Location) -> Result<(), IndexError> {
        let id = location.volume_of(shard);
        let mut volume = self.volumes.get(&id)?.unwrap_or_default();
        volume.len = volume.len.max(location.offset + location.record_size());
        volume.live += location.record_size();
        self.volumes.insert(&id, &volume)
    }

    /// A record is not live in its volume any more.
    fn count_out(&mut self, shard: ShardIndex, location: &Location) -> Result<(), IndexError> {
        let id = location.volume_of(shard);
        if let Some(mut volume) = self.volumes.get(&id)? {
            volume.live = volume.live.saturating_sub(location.record_size());
            self.volumes.insert(&id, &volume)?;
        }
        Ok(())
    }

    /// Removes a sliver's row, whatever the reason. Says whether there was one.
    pub(crate) fn remove_sliver(
        &mut self,
        key: &SliverKey,
        location: Option<&Location>,
    ) -> Result<bool, IndexError> {
        let (blob, shard, axis) = (key.blob, key.shard, key.axis);
        let held = segments_held(&self.held, &self.slivers, &blob, shard, axis)?;
        if !self.slivers.remove(key)? {
            return Ok(false);
        }
        self.set_segments_held(key, held.saturating_sub(1))?;
        if let Some(location) = location {
            self.count_out(shard, location)?;
        }
        if let Some(seq) = self.blobs.get(&blob)?.and_then(|row| row.live) {
            self.clear_inventory(seq, shard, axis)?;
        }
        Ok(true)
    }

    /// Takes a damaged sliver out of everything counted and puts it up for recovery.
    pub(crate) fn condemn_sliver(
        &mut self,
        key: &SliverKey,
        location: Option<&Location>,
    ) -> Result<(), IndexError> {
        if self.remove_sliver(key, location)? && !self.recovery.contains(key)? {
            self.recovery.insert(key, &RecoveryTask::default())?;
        }
        Ok(())
    }

    /// `key`'s row exists already, or does not any more.
    fn set_segments_held(&mut self, key: &SliverKey, count: u32) -> Result<(), IndexError> {
        let row = (key.blob, key.shard, key.axis);
        let first = first_sliver(&key.blob, key.shard, key.axis);
        if count == 0 || count == 1 && self.slivers.contains(&first)? {
            self.held.remove(&row)?;
        } else {
            self.held.insert(&row, &count)?;
        }
        Ok(())
    }

    /// A blob becomes live: what is held of it already enters the inventory.
    pub(crate) fn begin_life(
        &mut self,
        blob: &BlobId,
        seq: BlobSeq,
        row: &BlobRow,
    ) -> Result<(), IndexError> {
        self.sequences.insert(&seq, blob)?;
        self.set_live(seq, true)?;
        let segments = segment_count(row, self.shard_count);
        for (shard, state) in self.shards.page(None, usize::MAX, |_| true)? {
            for axis in Axis::BOTH {
                let held = segments_held(&self.held, &self.slivers, blob, shard, axis)?;
                if state != ShardState::Dropped && segments == Some(held) {
                    self.set_inventory(seq, shard, axis)?;
                }
            }
        }
        Ok(())
    }

    /// A blob ends: its number stands for nothing any more.
    pub(crate) fn end_life(&mut self, seq: BlobSeq) -> Result<(), IndexError> {
        self.sequences.remove(&seq)?;
        self.set_live(seq, false)
    }

    fn set_live(&mut self, seq: BlobSeq, value: bool) -> Result<(), IndexError> {
        let mut bitmap = self.live.get(&seq.page())?.unwrap_or_default();
        bitmap.set(seq.bit(), value);
        self.live.insert(&seq.page(), &bitmap)
    }

    fn set_inventory(
        &mut self,
        seq: BlobSeq,
        shard: ShardIndex,
        axis: Axis,
    ) -> Result<(), IndexError> {
        let key = (seq.page(), shard, axis);
        let mut bitmap = self.inventory.get(&key)?.unwrap_or_default();
        bitmap.set(seq.bit(), true);
        self.inventory.insert(&key, &bitmap)
    }

    fn clear_inventory(
        &mut self,
        seq: BlobSeq,
        shard: ShardIndex,
        axis: Axis,
    ) -> Result<(), IndexError> {
        let key = (seq.page(), shard, axis);
        if let Some(mut bitmap) = self.inventory.get(&key)? {
            bitmap.set(seq.bit(), false);
            self.inventory.insert(&key, &bitmap)?;
        }
        let watermark = self.watermarks.get(&(shard, axis))?;
        if watermark.is_some_and(|watermark| watermark > seq) {
            self.watermarks.insert(&(shard, axis), &seq)?;
        }
        Ok(())
    }

    /// Moves the watermarks of all shards to where they may be.
    pub(crate) fn advance_watermarks(&mut self, next: BlobSeq) -> Result<(), IndexError> {
        for (shard, _) in self.shards.page(None, usize::MAX, |_| true)? {
            for axis in Axis::BOTH {
                let of = (shard, axis);
                let summary = summarize(&self.watermarks, &self.live, &self.inventory, of, next)?;
                self.watermarks.insert(&of, &summary.complete_up_to)?;
            }
        }
        Ok(())
    }
}
