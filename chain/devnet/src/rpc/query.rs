//! Scans over the ledger between two positions, in either direction, with cursors and progress. Pure: knows neither gRPC nor rendering.

use std::{collections::VecDeque, sync::Arc};

use crate::ledger::{Checkpoint, History};

/// Items returned if a request does not say how many.
const DEFAULT_LIMIT: u32 = 100;
/// Most items one request returns.
const MAXIMUM_LIMIT: u32 = 1_000;
/// Checkpoints one request looks through before it reports its frontier.
const SCAN_LIMIT: u64 = 10_000;

/// A position in the ledger. Positions order as the ledger does; [`Position::end_of`] comes after everything in its checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) checkpoint: u64,
    pub(super) transaction: u64,
    pub(super) event: u32,
}

impl Position {
    pub(super) fn end_of(checkpoint: u64) -> Self {
        Self {
            checkpoint,
            transaction: u64::MAX,
            event: u32::MAX,
        }
    }

    fn start_of(checkpoint: u64) -> Self {
        Self {
            checkpoint,
            transaction: 0,
            event: 0,
        }
    }

    /// The cursor for this position.
    ///
    /// # Layout
    ///
    /// `checkpoint u64 BE | transaction u64 BE | event u32 BE`
    pub(super) fn encode(self) -> Vec<u8> {
        [
            &self.checkpoint.to_be_bytes()[..],
            &self.transaction.to_be_bytes(),
            &self.event.to_be_bytes(),
        ]
        .concat()
    }

    pub(super) fn decode(cursor: &[u8]) -> Option<Self> {
        let (checkpoint, rest) = cursor.split_first_chunk()?;
        let (transaction, event) = rest.split_first_chunk()?;
        Some(Self {
            checkpoint: u64::from_be_bytes(*checkpoint),
            transaction: u64::from_be_bytes(*transaction),
            event: u32::from_be_bytes(event.try_into().ok()?),
        })
    }
}

/// What to scan.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Range {
    /// First checkpoint.
    pub(super) start: Option<u64>,
    /// Checkpoint before which to stop.
    pub(super) end: Option<u64>,
    /// Only what comes after this position.
    pub(super) after: Option<Position>,
    /// Only what comes before this position.
    pub(super) before: Option<Position>,
    /// Newest first.
    pub(super) descending: bool,
    /// Most items to return.
    pub(super) limit: Option<u32>,
}

/// Why a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    ItemLimit,
    ScanLimit,
    CheckpointBound,
    CursorBound,
    LedgerTip,
}

/// One step of a scan.
#[derive(Debug)]
pub(super) struct Frame {
    /// The matching item, as the checkpoint it is in and its position.
    pub(super) item: Option<(Arc<Checkpoint>, Position)>,
    /// From where to resume.
    pub(super) cursor: Position,
    /// The last checkpoint that is fully covered, in scan direction.
    pub(super) covered: Option<u64>,
    /// Set on the last frame.
    pub(super) end: Option<End>,
}

/// Positions of the matching items of a checkpoint, in order.
pub(super) type Matcher = Box<dyn Fn(&Checkpoint) -> Vec<Position> + Send + Sync>;

/// A scan in progress.
pub(super) struct Scan {
    matcher: Matcher,
    range: Range,
    /// Next checkpoint to look at, and how many are left.
    next: u64,
    left: u64,
    /// Whether the range ended at the tip when the scan began.
    at_tip: bool,
    height: u64,
    scanned: u64,
    remaining: u32,
    covered: Option<u64>,
    cursor: Option<Position>,
    pending: VecDeque<Position>,
    current: Option<Arc<Checkpoint>>,
    done: bool,
}

impl Scan {
    /// A scan of a ledger with `height` checkpoints.
    pub(super) fn new(range: Range, height: u64, matcher: Matcher) -> Self {
        let first = range
            .start
            .unwrap_or(0)
            .max(range.after.map_or(0, |position| position.checkpoint));
        let bound = range.end.unwrap_or(u64::MAX).min(
            range
                .before
                .map_or(u64::MAX, |position| position.checkpoint.saturating_add(1)),
        );
        let stop = bound.min(height);
        let left = stop.saturating_sub(first);
        Self {
            matcher,
            next: if range.descending {
                stop.saturating_sub(1)
            } else {
                first
            },
            left,
            at_tip: bound > height,
            height,
            scanned: 0,
            remaining: range.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAXIMUM_LIMIT),
            covered: None,
            cursor: None,
            pending: VecDeque::new(),
            current: None,
            done: false,
            range,
        }
    }

    /// The next frame; `None` after the one with an end.
    pub(super) fn step(&mut self, history: &History) -> Option<Frame> {
        if self.done {
            return None;
        }
        loop {
            if let Some(position) = self.pending.pop_front() {
                return Some(self.item(position));
            }
            self.leave_checkpoint();
            if self.left == 0 {
                return Some(self.finish(None));
            }
            if self.scanned == SCAN_LIMIT {
                return Some(self.finish(Some(End::ScanLimit)));
            }
            self.enter_checkpoint(history);
        }
    }

    fn enter_checkpoint(&mut self, history: &History) {
        let Some(checkpoint) = history.checkpoint(self.next) else {
            self.left = 0;
            return;
        };
        self.scanned += 1;
        self.left -= 1;
        self.next = if self.range.descending {
            self.next.saturating_sub(1)
        } else {
            self.next + 1
        };
        let inside = |position: &Position| {
            self.range.after.is_none_or(|after| *position > after)
                && self.range.before.is_none_or(|before| *position < before)
        };
        let mut found: Vec<_> = (self.matcher)(checkpoint)
            .into_iter()
            .filter(inside)
            .collect();
        if self.range.descending {
            found.reverse();
        }
        self.pending = found.into();
        self.current = Some(checkpoint.clone());
    }

    fn leave_checkpoint(&mut self) {
        let Some(checkpoint) = self.current.take() else {
            return;
        };
        let sequence = checkpoint.summary.sequence_number;
        let cut =
            |bound: Option<Position>| bound.is_some_and(|position| position.checkpoint == sequence);
        let whole = if self.range.descending {
            !cut(self.range.after)
        } else {
            !cut(self.range.before)
        };
        if whole {
            self.covered = Some(sequence);
            self.cursor = Some(if self.range.descending {
                Position::start_of(sequence)
            } else {
                Position::end_of(sequence)
            });
        }
    }

    fn item(&mut self, position: Position) -> Frame {
        self.remaining -= 1;
        let end = (self.remaining == 0).then_some(End::ItemLimit);
        self.done = end.is_some();
        self.cursor = Some(position);
        // A checkpoint is an item of its own and covered as soon as it is delivered.
        if position == Position::end_of(position.checkpoint) {
            self.covered = Some(position.checkpoint);
        }
        let item = self
            .current
            .clone()
            .map(|checkpoint| (checkpoint, position));
        Frame {
            item,
            cursor: position,
            covered: self.covered,
            end,
        }
    }

    fn finish(&mut self, end: Option<End>) -> Frame {
        self.done = true;
        let (cursor, end) = match end {
            Some(end) => (None, end),
            None => self.bound(),
        };
        let start = Position::end_of(
            self.range
                .start
                .and_then(|start| start.checked_sub(1))
                .unwrap_or(0),
        );
        let cursor = cursor.or(self.cursor).or(self.range.after).unwrap_or(start);
        Frame {
            item: None,
            cursor,
            covered: self.covered,
            end: Some(end),
        }
    }

    /// Which bound ended the scan, and the position that stands for it if it is not where the scan stands.
    fn bound(&self) -> (Option<Position>, End) {
        let Range {
            start,
            end,
            after,
            before,
            descending,
            ..
        } = self.range;
        if descending {
            let beyond_tip = start
                .unwrap_or(0)
                .max(after.map_or(0, |position| position.checkpoint))
                >= self.height;
            match after {
                _ if beyond_tip && self.scanned == 0 => (None, End::LedgerTip),
                Some(after) if after.checkpoint >= start.unwrap_or(0) => {
                    (Some(after), End::CursorBound)
                }
                _ => (None, End::CheckpointBound),
            }
        } else if self.at_tip {
            (None, End::LedgerTip)
        } else {
            match before {
                Some(before) if end.is_none_or(|end| before.checkpoint < end) => {
                    (Some(before), End::CursorBound)
                }
                _ => (None, End::CheckpointBound),
            }
        }
    }
}
