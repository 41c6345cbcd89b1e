//! What to recover next, and when. Reads the index, decides, touches no network.

use std::{collections::VecDeque, time::Duration};

use floe_codec::{Axis, BlobId, BlobLayout, SegmentIndex, ShardIndex};
use floe_p2p::wire::message::{SegmentRange, SymbolRange};
use floe_storage::{BlobSeq, RecoveryTask, SliverKey};
use tokio::time::Instant;

use crate::node::{Failed, Node};

/// Slivers recovered together, at most: so many blobs fit one request.
const MAX_LOST: usize = 256;
/// Bytes of slivers recovered together, unless a single one is larger.
const MAX_BYTES: usize = 8 << 20;
/// Rows of the index looked at together.
const PAGE: usize = 1024;
/// How long a blob is left to its writer, who may still be sending.
const GRACE: Duration = Duration::from_secs(20);
/// After the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// One segment's sliver that is to be recovered.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub(super) blob: BlobId,
    pub(super) layout: BlobLayout,
    pub(super) segment: SegmentIndex,
}

/// Slivers of one shard and axis, recovered together: in the order of blobs, then of segments.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) shard: ShardIndex,
    pub(super) axis: Axis,
    pub(super) lost: Vec<Lost>,
}

impl Batch {
    pub(super) fn key(&self, lost: &Lost) -> SliverKey {
        SliverKey {
            blob: lost.blob,
            segment: lost.segment,
            shard: self.shard,
            axis: self.axis,
        }
    }

    /// The same with one of its slivers only.
    pub(super) fn only(&self, lost: &Lost) -> Self {
        Self {
            lost: vec![lost.clone()],
            ..*self
        }
    }
}

/// Blobs and segments as requests name them; the order stays.
pub(super) fn ranges<'a>(lost: impl IntoIterator<Item = &'a Lost>) -> Vec<SymbolRange> {
    let mut ranges: Vec<SymbolRange> = Vec::new();
    for Lost { blob, segment, .. } in lost {
        match ranges.last_mut() {
            Some(SymbolRange { blob: of, segments })
                if of == blob
                    && segments.count < SegmentRange::MAX
                    && segments.first.get() + segments.count == segment.get() =>
            {
                segments.count += 1;
            }
            _ => ranges.push(SymbolRange {
                blob: *blob,
                segments: SegmentRange::one(*segment),
            }),
        }
    }
    ranges
}

/// What may be recovered now.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    /// Blobs from here on are still their writers'. What was held once is recovered all the same.
    pub(super) settled: BlobSeq,
    /// Wall clock.
    pub(super) now_ms: u64,
}

impl When {
    fn is_due(&self, seq: BlobSeq, task: Option<RecoveryTask>) -> bool {
        match task {
            // A clock that was set back must not park anything for longer than a pause.
            Some(task) => {
                task.not_before_ms <= self.now_ms
                    || task.not_before_ms > self.now_ms + millis(LONGEST_PAUSE)
            }
            None => seq < self.settled,
        }
    }

    /// The task of a sliver whose recovery failed now.
    pub(super) fn parked(&self, task: Option<RecoveryTask>) -> RecoveryTask {
        let attempts = task.unwrap_or_default().attempts;
        let pause = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(attempts.min(16)));
        RecoveryTask {
            attempts: attempts.saturating_add(1),
            not_before_ms: self.now_ms + millis(pause.min(LONGEST_PAUSE)),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Which blobs have been live for [`GRACE`], as far as this process saw.
#[derive(Debug, Default)]
pub(super) struct Settled {
    seen: VecDeque<(Instant, BlobSeq)>,
    before: BlobSeq,
}

impl Settled {
    /// The next number was `next` at `now`: all blobs below the answer have settled.
    pub(super) fn look(&mut self, now: Instant, next: BlobSeq) -> BlobSeq {
        self.seen.push_back((now, next));
        while let Some(&(at, next)) = self.seen.front()
            && now.duration_since(at) >= GRACE
        {
            self.before = next;
            self.seen.pop_front();
        }
        self.before
    }
}

/// The next slivers to recover: secondary ones first, which need fewer sources and let this node
/// help others.
pub(super) fn next_batch(node: &Node, when: &When) -> Result<Option<Batch>, Failed> {
    for axis in [Axis::Secondary, Axis::Primary] {
        for shard in node.shards() {
            let mut batch = Batch {
                shard,
                axis,
                lost: Vec::new(),
            };
            fill(node, when, &mut batch)?;
            if !batch.lost.is_empty() {
                return Ok(Some(batch));
            }
        }
    }
    Ok(None)
}

fn fill(node: &Node, when: &When, batch: &mut Batch) -> Result<(), Failed> {
    let of = (batch.shard, batch.axis);
    let mut from = BlobSeq::default();
    loop {
        let page = node.storage().missing(of, from, PAGE)?;
        for &(seq, blob) in &page {
            if node.storage().has_inconsistency(&blob)? {
                continue;
            }
            if let Some((_, layout)) = node.blob(&blob)?
                && !fill_from(node, when, batch, (seq, blob, layout))?
            {
                return Ok(());
            }
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => from = last.next(),
            _ => return Ok(()),
        }
    }
}

/// Whether there is room for more after this blob.
fn fill_from(
    node: &Node,
    when: &When,
    batch: &mut Batch,
    (seq, blob, layout): (BlobSeq, BlobId, BlobLayout),
) -> Result<bool, Failed> {
    let of = (batch.shard, batch.axis);
    let mut bytes: usize = batch.lost.iter().map(|lost| size(lost, batch.axis)).sum();
    let mut from = SegmentIndex(0);
    loop {
        let page = node.storage().missing_segments(&blob, of, from, PAGE)?;
        for &segment in &page {
            let lost = Lost {
                blob,
                layout,
                segment,
            };
            let task = node.storage().recovery_task(&batch.key(&lost))?;
            if !when.is_due(seq, task) {
                continue;
            }
            bytes += size(&lost, batch.axis);
            if batch.lost.len() == MAX_LOST || !batch.lost.is_empty() && bytes > MAX_BYTES {
                return Ok(false);
            }
            batch.lost.push(lost);
        }
        match page.last() {
            Some(last) if page.len() == PAGE => from = SegmentIndex(last.get() + 1),
            _ => return Ok(true),
        }
    }
}

fn size(lost: &Lost, axis: Axis) -> usize {
    let segment = lost.layout.segment(lost.segment);
    segment.map_or(0, |segment| segment.sliver_size(axis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_left_to_its_writer_for_a_while() {
        let mut settled = Settled::default();
        let start = Instant::now();
        assert_eq!(settled.look(start, BlobSeq(5)), BlobSeq(0));
        assert_eq!(settled.look(start + GRACE / 2, BlobSeq(7)), BlobSeq(0));
        assert_eq!(settled.look(start + GRACE, BlobSeq(9)), BlobSeq(5));
        assert_eq!(settled.look(start + 2 * GRACE, BlobSeq(9)), BlobSeq(9));
    }

    #[test]
    fn failures_are_tried_again_less_and_less_often() {
        let at = |now_ms| When {
            settled: BlobSeq(1),
            now_ms,
        };
        assert!(at(0).is_due(BlobSeq(0), None));
        assert!(!at(0).is_due(BlobSeq(1), None));
        assert!(at(0).is_due(BlobSeq(1), Some(RecoveryTask::default())));
        let once = at(1_000).parked(None);
        assert_eq!((once.attempts, once.not_before_ms), (1, 6_000));
        assert!(!at(5_999).is_due(BlobSeq(0), Some(once)));
        assert!(at(6_000).is_due(BlobSeq(0), Some(once)));
        assert_eq!(at(6_000).parked(Some(once)).not_before_ms, 16_000);
        let often = RecoveryTask {
            attempts: u32::MAX,
            not_before_ms: 0,
        };
        assert_eq!(at(0).parked(Some(often)).not_before_ms, 600_000);
        // Parked by a clock that was a day ahead.
        let ahead = at(86_400_000).parked(None);
        assert!(at(0).is_due(BlobSeq(0), Some(ahead)));
    }
}
