//! Shards: which ones are kept, what is held of them, and dropping one.

use std::collections::BTreeMap;

use floe_chain::epoch::Epoch;
use floe_codec::{Axis, BlobId, ShardIndex};

use crate::{
    engine::StoreFailed,
    holdings::{missing_of_page, summarize},
    inventory::{Bitmap, BlobSeq, InventorySummary},
    store::Storage,
    table::{IndexError, shard::ShardState, sync::SyncProgress},
    writer::{Busy, Pending},
};

/// Why a shard's state was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// What was held before is still being deleted.
    #[error("shard {0} is still being dropped")]
    BeingDropped(ShardIndex),
    /// Only a shard that was left can be dropped.
    #[error("shard {0} is kept")]
    Kept(ShardIndex),
    /// See [`StoreFailed`].
    #[error(transparent)]
    Failed(#[from] StoreFailed),
}

impl Storage {
    /// What is done with each shard.
    pub fn shards(&self) -> Result<BTreeMap<ShardIndex, ShardState>, IndexError> {
        let rows = self
            .snapshot()?
            .shards()?
            .page(None, usize::MAX, |_| true)?;
        Ok(rows.into_iter().collect())
    }

    /// Keeps a shard from now on.
    pub fn keep_shard(
        &self,
        shard: ShardIndex,
        since: Epoch,
    ) -> Result<Pending<(), ShardError>, Busy> {
        self.set_shard(shard, ShardState::Kept { since })
    }

    /// Stops accepting slivers of a shard; what is there is still served.
    pub fn leave_shard(
        &self,
        shard: ShardIndex,
        since: Epoch,
    ) -> Result<Pending<(), ShardError>, Busy> {
        self.set_shard(shard, ShardState::Left { since })
    }

    fn set_shard(
        &self,
        shard: ShardIndex,
        state: ShardState,
    ) -> Result<Pending<(), ShardError>, Busy> {
        self.0.writer.change(0, move |tables| {
            if tables.shards.get(&shard)? == Some(ShardState::Dropped) {
                return Ok(Err(ShardError::BeingDropped(shard)));
            }
            Ok(Ok(tables.shards.insert(&shard, &state)?))
        })
    }

    /// What is held of a shard on one axis, as of the ledger's position.
    pub fn inventory(&self, shard: ShardIndex, axis: Axis) -> Result<InventorySummary, IndexError> {
        let snapshot = self.snapshot()?;
        let next = snapshot.ledger()?.get(&())?.unwrap_or_default().next_seq;
        let (watermarks, live) = (snapshot.watermarks()?, snapshot.live()?);
        summarize(
            &watermarks,
            &live,
            &snapshot.inventory()?,
            (shard, axis),
            next,
        )
    }

    /// One page of the inventory: the live sequence numbers, and those of them held completely.
    pub fn inventory_page(
        &self,
        (shard, axis): (ShardIndex, Axis),
        page: u32,
    ) -> Result<(Bitmap, Bitmap), IndexError> {
        let snapshot = self.snapshot()?;
        let live = snapshot.live()?.get(&page)?.unwrap_or_default();
        let missing = missing_of_page(
            &snapshot.live()?,
            &snapshot.inventory()?,
            page,
            (shard, axis),
        )?;
        Ok((live, live.without(&missing)))
    }

    /// Live blobs from `from` on that are not held completely, at most `limit`.
    pub fn missing(
        &self,
        (shard, axis): (ShardIndex, Axis),
        from: BlobSeq,
        limit: usize,
    ) -> Result<Vec<(BlobSeq, BlobId)>, IndexError> {
        let snapshot = self.snapshot()?;
        let (live, inventory) = (snapshot.live()?, snapshot.inventory()?);
        let sequences = snapshot.sequences()?;
        let next = snapshot.ledger()?.get(&())?.unwrap_or_default().next_seq;
        let watermark = snapshot.watermarks()?.get(&(shard, axis))?;
        let from = from.max(watermark.unwrap_or_default());
        let mut missing = Vec::new();
        for page in from.page()..=next.page() {
            let gaps = missing_of_page(&live, &inventory, page, (shard, axis))?;
            for seq in gaps.ones().map(|bit| BlobSeq::first_of(page).plus(bit)) {
                if missing.len() == limit {
                    return Ok(missing);
                }
                if seq >= from
                    && let Some(blob) = sequences.get(&seq)?
                {
                    missing.push((seq, blob));
                }
            }
        }
        Ok(missing)
    }

    /// How far a shard was received from its previous owner.
    pub fn sync_progress(
        &self,
        shard: ShardIndex,
        axis: Axis,
    ) -> Result<Option<SyncProgress>, IndexError> {
        self.snapshot()?.sync()?.get(&(shard, axis))
    }

    /// Remembers how far a shard was received; `None` when the transfer is over.
    pub fn set_sync_progress(
        &self,
        shard: ShardIndex,
        axis: Axis,
        progress: Option<SyncProgress>,
    ) -> Result<Pending<(), StoreFailed>, Busy> {
        self.0.writer.change(0, move |tables| {
            match progress {
                Some(progress) => tables.sync.insert(&(shard, axis), &progress)?,
                None => drop(tables.sync.remove(&(shard, axis))?),
            }
            Ok(Ok(()))
        })
    }
}
