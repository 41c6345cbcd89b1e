//! Fetching any k of n pieces from peers of unequal speed and honesty: a state machine without
//! input or output.
//!
//! The caller lists where each piece can be had, does what [`Fetch::poll_output`] says, reports what
//! happened through [`Fetch::handle`], and calls again when [`Fetch::poll_timeout`] is reached. It
//! never asks for more than the measured reliability of the peers suggests: a first wave of k plus
//! [`over_subscription`], replacements for failures, and hedges out of a small budget.

mod hedge;
mod k_of_n;
mod over_subscription;
mod pick;

use std::time::Duration;

use tokio::time::Instant;

pub use hedge::HedgeBudget;
pub use k_of_n::Fetch;
pub use over_subscription::over_subscription;

use crate::peers::PeerStats;

/// A peer, by its position in the caller's list of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceIndex(pub u32);

/// One of the n pieces, by the caller's own numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceIndex(pub u32);

/// Where a piece can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The piece.
    pub piece: PieceIndex,
    /// Who has it.
    pub source: SourceIndex,
    /// Lower ranks are used up first: 0 for systematic slivers, which need no decoding.
    pub rank: u8,
}

/// What is expected of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Source {
    /// Time to the head of its answer.
    pub response: Duration,
    /// Time each piece adds.
    pub per_piece: Duration,
    /// When an answer without news counts as late.
    pub late_after: Duration,
    /// Share of its recent answers that were late or failed, 0 to 1.
    pub failing: f32,
    /// Used only when nobody else is left.
    pub quarantined: bool,
}

impl Source {
    /// What a peer's statistics let expect of it, for pieces of `piece_size` bytes.
    #[must_use]
    pub fn from_stats(stats: &PeerStats, piece_size: u32, now: Instant) -> Self {
        let response = stats.expected(0);
        let per_piece = stats.expected(piece_size.into()).saturating_sub(response);
        Self {
            response,
            per_piece,
            late_after: stats.late_after(),
            failing: stats.failing,
            quarantined: stats.is_quarantined(now),
        }
    }

    fn finish(&self, pieces: u32) -> Duration {
        self.response + self.per_piece * pieces
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A piece arrived and is good.
    Arrived(PieceIndex),
    /// Bytes of the source's answer keep coming: it is not late.
    Moving(SourceIndex),
    /// The source does not have this piece.
    NotHeld(SourceIndex, PieceIndex),
    /// The source failed, lied or was refused; nothing more will come from it.
    Failed(SourceIndex),
    /// The source is overloaded: it may be asked again after this time.
    Busy(SourceIndex, Duration),
    /// Nothing, but the time of [`Fetch::poll_timeout`] has come.
    Tick,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the source for these pieces, in one request.
    Ask {
        /// Whom.
        source: SourceIndex,
        /// For what, in order of preference.
        pieces: Vec<PieceIndex>,
    },
    /// What was asked of the source is not needed any more.
    Cancel(SourceIndex),
    /// Enough pieces arrived.
    Done,
    /// Enough pieces can not arrive any more.
    Impossible {
        /// Pieces that arrived.
        have: usize,
        /// Pieces that are needed.
        need: usize,
    },
}
