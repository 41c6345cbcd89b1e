//! Garbage collection: a plan that is pure and can be printed, and its execution in small commits.
//!
//! Only a positive cause collects: every registration of the blob was seen to end, or the blob was
//! found invalid. A blob nobody ever heard of is left alone.

use std::fmt;

use floe_chain::epoch::Epoch;
use floe_codec::{BlobId, SegmentIndex};

use crate::{
    engine::StoreFailed,
    holdings::first_of,
    index::Writing,
    store::Storage,
    table::{IndexError, blob::BlobRow},
    writer::{Busy, Pending},
};

/// Whole epochs that must lie between the end of a blob and its collection.
pub const TOMBSTONE_EPOCHS: u32 = 1;

/// What is to be collected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcPlan {
    /// Blobs whose slivers, metadata and proofs are to go, with the epoch in which they ended.
    pub collect: Vec<(Epoch, BlobId)>,
    /// Blobs that are kept again: they only leave the queue.
    pub spare: Vec<(Epoch, BlobId)>,
}

/// What one step of a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Slivers removed from the index; compaction gives their space back.
    pub slivers: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// Whether the whole plan is done.
    pub finished: bool,
}

impl GcPlan {
    /// Decides about blobs that lost their last registration, or were found invalid, in an epoch.
    fn new(now: Epoch, candidates: &[(Epoch, BlobId, Option<BlobRow>)]) -> Self {
        let mut plan = Self::default();
        for (since, blob, row) in candidates {
            let over = since.after(TOMBSTONE_EPOCHS).is_some_and(|last| last < now);
            if row.is_some_and(|row| row.is_kept()) {
                plan.spare.push((*since, *blob));
            } else if over {
                plan.collect.push((*since, *blob));
            }
        }
        plan
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.collect.is_empty() && self.spare.is_empty()
    }
}

impl fmt::Display for GcPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (since, blob) in &self.collect {
            writeln!(f, "collect {blob}: ended in epoch {since}")?;
        }
        for (since, blob) in &self.spare {
            writeln!(
                f,
                "spare {blob}: ended in epoch {since}, but is registered again"
            )?;
        }
        Ok(())
    }
}

impl Storage {
    /// Plans the collection of at most `limit` blobs, as of the ledger's position.
    pub fn plan_collection(&self, limit: usize) -> Result<GcPlan, IndexError> {
        let snapshot = self.snapshot()?;
        let now = snapshot.ledger()?.get(&())?.unwrap_or_default().epoch;
        let blobs = snapshot.blobs()?;
        let mut candidates = Vec::new();
        for ((since, blob), ()) in snapshot.garbage()?.page(None, limit, |_| true)? {
            candidates.push((since, blob, blobs.get(&blob)?));
        }
        Ok(GcPlan::new(now, &candidates))
    }

    /// Executes a plan: one commit that removes at most `max_slivers`. To be repeated with the same
    /// plan until it says that it is finished.
    pub fn collect(
        &self,
        plan: GcPlan,
        max_slivers: usize,
    ) -> Result<Pending<Collected, StoreFailed>, Busy> {
        self.0.writer.change(0, move |tables| {
            let mut done = Collected::default();
            let mut left = max_slivers;
            for candidate in &plan.spare {
                tables.garbage.remove(candidate)?;
            }
            for candidate in &plan.collect {
                let blob = candidate.1;
                let row = tables.blobs.get(&blob)?;
                // The plan may be older than the last events.
                if row.is_some_and(|row| row.is_kept()) {
                    continue;
                }
                let removed = tables.remove_blob(&blob, left)?;
                left -= removed.0;
                done.slivers += removed.0 as u64;
                done.bytes += removed.1;
                if left == 0 {
                    return Ok(Ok(done));
                }
                tables.garbage.remove(candidate)?;
                if row.is_some_and(|row| row.registered == 0 && !row.invalid) {
                    tables.blobs.remove(&blob)?;
                }
            }
            done.finished = true;
            Ok(Ok(done))
        })
    }
}

impl Writing<'_> {
    /// Removes up to `limit` rows of a blob; how many slivers that was, and their bytes. Fewer
    /// than `limit` means that nothing is left.
    fn remove_blob(&mut self, blob: &BlobId, limit: usize) -> Result<(usize, u64), IndexError> {
        let first = first_of(blob);
        let slivers = self
            .slivers
            .lenient_page(Some(&first), limit, |key| key.blob == *blob)?;
        let mut bytes = 0;
        for (key, location) in &slivers {
            self.remove_sliver(key, location.as_ref())?;
            bytes += location.map_or(0, |location| location.record_size());
        }
        if slivers.len() < limit {
            let first = (*blob, SegmentIndex(0));
            let of_blob = |key: &(BlobId, SegmentIndex)| key.0 == *blob;
            loop {
                let page = self.metadata.lenient_page(Some(&first), 256, of_blob)?;
                for (key, _) in &page {
                    self.metadata.remove(key)?;
                }
                if page.is_empty() {
                    break;
                }
            }
            self.inconsistencies.remove(blob)?;
            let first = first_of(blob);
            let tasks = self
                .recovery
                .lenient_page(Some(&first), usize::MAX, |key| key.blob == *blob)?;
            for (key, _) in &tasks {
                self.recovery.remove(key)?;
            }
        }
        Ok((slivers.len(), bytes))
    }
}

#[cfg(test)]
mod tests {
    use floe_codec::Encoding;

    use super::*;

    #[test]
    fn only_what_ended_a_whole_epoch_ago_and_stayed_ended_is_collected() {
        let ended = BlobRow::new(1, Encoding::RedStuff8);
        let again = BlobRow {
            registered: 1,
            ..ended
        };
        let invalid = BlobRow {
            invalid: true,
            ..again
        };
        let blob = |byte| BlobId::from_bytes([byte; 32]);
        let at = |since, byte, row| (Epoch::new(since), blob(byte), row);
        let plan = GcPlan::new(
            Epoch::new(5),
            &[
                at(3, 1, Some(ended)),
                at(4, 2, Some(ended)),
                at(5, 3, Some(ended)),
                at(2, 4, Some(again)),
                at(3, 5, Some(invalid)),
                at(4, 6, Some(invalid)),
                at(1, 7, None),
            ],
        );
        let collected: Vec<BlobId> = plan.collect.iter().map(|(_, blob)| *blob).collect();
        assert_eq!(collected, [blob(1), blob(5), blob(7)]);
        assert_eq!(plan.spare, [(Epoch::new(2), blob(4))]);
        assert_eq!(plan.to_string().lines().count(), 4);
    }
}
