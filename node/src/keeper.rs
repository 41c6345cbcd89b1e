//! Keeps the store in order: reads everything again before somebody needs it, collects what nobody
//! pays for any more, and gives the space back. Decides only when; what is done is the store's plan.

use std::{cell::RefCell, convert::Infallible, sync::Arc, time::Duration};

use floe_codec::{BlobId, SegmentIndex, SegmentMetadata};
use floe_storage::{IndexError, Scrubbed, SliverKey, SpaceError};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Upkeep,
    node::{Failed, Node},
    service::sliver_index,
    supervisor::with_causes,
};

/// Between two writes that only find out whether the disk still takes them.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// Between two slices of a scrub.
const SLICE_EVERY: Duration = Duration::from_secs(10);
/// Between two slices of a scrub that is to be as fast as it can.
const AT_ONCE: Duration = Duration::from_millis(20);
/// Bytes read in one slice, at least, so that a pass over little ends soon.
const LEAST_SLICE: u64 = 1 << 20;
/// Bytes read in one slice, at most, whatever is behind.
const MOST_SLICE: u64 = 256 << 20;
/// Between two looks at what can be collected.
const COLLECT_EVERY: Duration = Duration::from_secs(60);
/// Blobs planned and slivers removed in one commit.
const COLLECTED_AT_ONCE: usize = 1024;
/// Bytes moved by compaction between two looks: with [`COLLECT_EVERY`], its rate.
const COMPACTED_BYTES: u64 = 64 << 20;
/// Rows of metadata checked together.
const METADATA_PAGE: usize = 256;

/// How far the re-reading of the disk is, since the node was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScrubProgress {
    /// Passes over everything that were completed.
    pub passes: u64,
    /// Slivers read.
    pub slivers: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Slivers and rows of metadata that were damaged. They are out of the inventory.
    pub damaged: u64,
}

/// Re-reads everything, over and over, at the pace of [`Upkeep::scrub_hours`].
///
/// # Errors
///
/// None: what fails is logged and tried again.
pub(crate) async fn scrub(
    node: Arc<Node>,
    upkeep: Upkeep,
    token: CancellationToken,
) -> Result<(), Infallible> {
    let mut ticks = interval(if upkeep.scrub_hours == 0 {
        AT_ONCE
    } else {
        SLICE_EVERY
    });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut from = None;
    loop {
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let slice = node
            .blocking(move |node| scrub_slice(node, upkeep, from))
            .await;
        match slice.and_then(|done| done.map_err(Failed::from)) {
            Ok(next) => from = next,
            Err(error) => {
                tracing::error!(%error, "the scrub cannot read on; it begins anew");
                from = None;
            }
        }
    }
}

/// Reads one slice; returns where the next one begins.
fn scrub_slice(
    node: &Node,
    upkeep: Upkeep,
    from: Option<SliverKey>,
) -> Result<Option<SliverKey>, IndexError> {
    let budget = slice_bytes(node.storage().volume_bytes()?, upkeep);
    let known = RefCell::new(None);
    let verify = |key: &SliverKey, bytes: &[u8]| is_committed(node, &known, key, bytes);
    let Scrubbed {
        slivers,
        bytes,
        damaged,
        next,
    } = node.storage().scrub(from, budget, verify)?;
    for key in &damaged {
        tracing::warn!(?key, "a sliver is damaged; it is to be recovered");
    }
    let mut found = damaged.len() as u64;
    if next.is_none() {
        found += scrub_metadata(node)?;
    }
    node.update_scrub(|progress| {
        progress.passes += u64::from(next.is_none());
        progress.slivers += slivers;
        progress.bytes += bytes;
        progress.damaged += found;
    });
    Ok(next)
}

/// Bytes of a slice, so that a pass over `total` bytes takes as long as it may.
fn slice_bytes(total: u64, upkeep: Upkeep) -> u64 {
    let seconds = u64::from(upkeep.scrub_hours) * 3600;
    match (total.saturating_mul(SLICE_EVERY.as_secs())).checked_div(seconds) {
        // Half as much again: a slice that ends early at a large sliver is made up for.
        Some(share) => (share + share / 2).clamp(LEAST_SLICE, MOST_SLICE),
        None => MOST_SLICE,
    }
}

/// The metadata of the segment that was looked at last: slivers come in its order.
type Known = RefCell<Option<((BlobId, SegmentIndex), Option<SegmentMetadata>)>>;

/// Whether a sliver is the one its blob id commits to. Without the metadata, only the record's
/// checksum has spoken.
fn is_committed(node: &Node, known: &Known, key: &SliverKey, bytes: &[u8]) -> bool {
    let at = (key.blob, key.segment);
    let mut known = known.borrow_mut();
    if known.as_ref().is_none_or(|(of, _)| *of != at) {
        *known = Some((at, node.metadata(&key.blob, key.segment).ok().flatten()));
    }
    let Some((_, Some(metadata))) = &*known else {
        return true;
    };
    let index = sliver_index(&key.blob, metadata.blob_layout(), key.shard, key.axis);
    index.is_ok_and(|index| {
        let verified = node.codec().verify_sliver(metadata, key.axis, index, bytes);
        verified.is_ok()
    })
}

fn scrub_metadata(node: &Node) -> Result<u64, IndexError> {
    let mut damaged = 0;
    let mut from = None;
    loop {
        let (removed, next) = node.storage().scrub_metadata(from, METADATA_PAGE)?;
        damaged += removed.len() as u64;
        if next.is_none() {
            return Ok(damaged);
        }
        from = next;
    }
}

/// Collects blobs whose time is over and compacts volumes, at intervals.
///
/// # Errors
///
/// None: what fails is logged and tried again.
pub(crate) async fn collect(node: Arc<Node>, token: CancellationToken) -> Result<(), Infallible> {
    let mut ticks = interval(COLLECT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        // While the ledger is behind, a blob may look ended that was registered again since.
        if !node.view().caught_up {
            continue;
        }
        let round = node.blocking(|node| collect_round(node).map_err(|error| with_causes(&error)));
        match round.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error, "space cannot be given back now"),
            Err(error) => tracing::warn!(%error, "space cannot be given back now"),
        }
    }
}

fn collect_round(node: &Node) -> Result<(), SpaceError> {
    let storage = node.storage();
    let plan = storage.plan_collection(COLLECTED_AT_ONCE)?;
    let mut finished = plan.is_empty();
    while !finished {
        let done = storage.collect(plan.clone(), COLLECTED_AT_ONCE)?.wait()?;
        tracing::info!(slivers = done.slivers, bytes = done.bytes, "collected");
        finished = done.finished;
    }
    let compacted = storage.compact(COMPACTED_BYTES)?;
    if compacted.volumes > 0 {
        tracing::info!(
            moved = compacted.moved,
            volumes = compacted.volumes,
            "compacted"
        );
    }
    Ok(())
}

/// Finds out that the disk is gone or read-only before a client does.
///
/// # Errors
///
/// None: a store that has failed says so itself.
pub(crate) async fn probe(node: Arc<Node>, token: CancellationToken) -> Result<(), Infallible> {
    let mut ticks = interval(PROBE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        // A queue that is full is being written out: that tells as much.
        if let Ok(probed) = node.storage().probe() {
            let _ = probed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_ends_within_its_time_and_little_is_read_soon() {
        let upkeep = Upkeep { scrub_hours: 336 };
        let total = 40 << 40;
        let slices = 336 * 3600 / SLICE_EVERY.as_secs();
        assert!(
            slice_bytes(total, upkeep) == MOST_SLICE
                || slice_bytes(total, upkeep) * slices >= total
        );
        assert!(slice_bytes(10 << 40, upkeep) * slices >= 10 << 40);
        assert_eq!(slice_bytes(1000, upkeep), LEAST_SLICE);
        assert_eq!(slice_bytes(1000, Upkeep { scrub_hours: 0 }), MOST_SLICE);
    }
}
