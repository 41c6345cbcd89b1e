//! What happened on the chain, in order: the contract's events and their positions.
//!
//! Pure values. Reading them from checkpoints, and proving that none is missing, is the client's.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use floe_codec::{BlobId, Encoding};
use serde::{Deserialize, Serialize};

use crate::epoch::{ChainTime, Epoch};
use crate::id::{NodeId, ObjectId};
use crate::statement::BasisPoints;

/// The position of an event: portable between endpoints and totally ordered.
///
/// # Layout
/// BCS: `checkpoint u64 | transaction u32 | event u32`. As text `checkpoint.transaction.event`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct EventCursor {
    /// Checkpoint sequence number.
    pub checkpoint: u64,
    /// Position of the transaction in its checkpoint.
    pub transaction: u32,
    /// Position of the event in its transaction.
    pub event: u32,
}

impl EventCursor {
    /// Bytes of the fixed-width form.
    pub const LEN: usize = 16;

    /// Before everything.
    pub const START: Self = Self {
        checkpoint: 0,
        transaction: 0,
        event: 0,
    };

    /// Big-endian bytes: their order is the order of events, as keys in a table need.
    #[must_use]
    pub fn to_key(self) -> [u8; Self::LEN] {
        let mut key = [0; Self::LEN];
        key[..8].copy_from_slice(&self.checkpoint.to_be_bytes());
        key[8..12].copy_from_slice(&self.transaction.to_be_bytes());
        key[12..].copy_from_slice(&self.event.to_be_bytes());
        key
    }

    /// The cursor of a table key.
    #[must_use]
    pub fn from_key(key: [u8; Self::LEN]) -> Self {
        let [
            c0,
            c1,
            c2,
            c3,
            c4,
            c5,
            c6,
            c7,
            t0,
            t1,
            t2,
            t3,
            e0,
            e1,
            e2,
            e3,
        ] = key;
        Self {
            checkpoint: u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
            transaction: u32::from_be_bytes([t0, t1, t2, t3]),
            event: u32::from_be_bytes([e0, e1, e2, e3]),
        }
    }
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!(
            "{}.{}.{}",
            self.checkpoint, self.transaction, self.event
        ))
    }
}

/// Text that is not an event cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event cursor is written as checkpoint.transaction.event")]
pub struct ParseCursorError;

impl FromStr for EventCursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, ParseCursorError> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(ParseCursorError);
        let (checkpoint, transaction, event) = (part()?, part()?, part()?);
        let cursor = Self {
            checkpoint: checkpoint.parse().map_err(|_| ParseCursorError)?,
            transaction: transaction.parse().map_err(|_| ParseCursorError)?,
            event: event.parse().map_err(|_| ParseCursorError)?,
        };
        parts
            .next()
            .is_none()
            .then_some(cursor)
            .ok_or(ParseCursorError)
    }
}

/// An event of the contract: what nodes and tools act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChainEvent {
    /// Storage was paid for and a blob named; nodes accept its slivers from now on.
    BlobRegistered {
        /// When.
        epoch: Epoch,
        /// The `Blob` object.
        object: ObjectId,
        /// The blob.
        blob: BlobId,
        /// Its length in bytes, before encoding.
        size: u64,
        /// How it is coded.
        encoding: Encoding,
        /// Whether the owner may delete it.
        deletable: bool,
        /// The epochs paid for.
        period: Range<Epoch>,
    },
    /// A quorum confirmed a registration.
    BlobCertified {
        /// When.
        epoch: Epoch,
        /// The `Blob` object.
        object: ObjectId,
        /// The blob.
        blob: BlobId,
        /// First epoch no longer paid for.
        end: Epoch,
        /// Whether the owner may delete it.
        deletable: bool,
    },
    /// A certified registration was paid for further.
    BlobExtended {
        /// When.
        epoch: Epoch,
        /// The `Blob` object.
        object: ObjectId,
        /// The blob.
        blob: BlobId,
        /// First epoch no longer paid for.
        end: Epoch,
    },
    /// The owner gave a registration up.
    BlobDeleted {
        /// When.
        epoch: Epoch,
        /// The `Blob` object, now gone.
        object: ObjectId,
        /// The blob.
        blob: BlobId,
        /// Whether it had been certified.
        certified: bool,
    },
    /// No blob has this id; it is refused for ever.
    BlobInconsistent {
        /// When.
        epoch: Epoch,
        /// The id.
        blob: BlobId,
    },
    /// The committee of the next epoch is known.
    CommitteeSelected {
        /// The epoch in which it was selected.
        epoch: Epoch,
        /// The epoch it will serve.
        next: Epoch,
        /// The `EpochCommittee` object.
        committee: ObjectId,
    },
    /// An epoch began; expiries of blobs take effect here.
    EpochStarted {
        /// The new epoch.
        epoch: Epoch,
        /// When, by the chain's clock.
        at: ChainTime,
    },
    /// A node holds all shards it owns in the epoch.
    NodeSynced {
        /// The epoch.
        epoch: Epoch,
        /// The node.
        node: NodeId,
    },
    /// A quorum synced; the epoch is in normal service.
    EpochOpened {
        /// The epoch.
        epoch: Epoch,
        /// When, by the chain's clock.
        at: ChainTime,
    },
    /// A round of storage challenges was drawn.
    ChallengeDrawn {
        /// When.
        epoch: Epoch,
        /// The round within the epoch.
        round: u16,
        /// Its seed.
        seed: [u8; 32],
        /// When, by the chain's clock.
        at: ChainTime,
    },
    /// A node's score was certified.
    NodeProven {
        /// When.
        epoch: Epoch,
        /// The node.
        node: NodeId,
        /// Its score.
        score: BasisPoints,
    },
    /// The package was upgraded.
    Upgraded {
        /// When.
        epoch: Epoch,
        /// Where its code is now.
        package: ObjectId,
    },
    /// An event of the contract that storing and reading do not depend on (stake, votes, prices).
    Other {
        /// Name of the Move struct.
        name: String,
        /// Its BCS contents.
        contents: Vec<u8>,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_keep_the_order_and_text_round_trips(
            a: (u64, u32, u32),
            b: (u64, u32, u32),
        ) {
            let cursor = |(checkpoint, transaction, event)| {
                EventCursor { checkpoint, transaction, event }
            };
            let (a, b) = (cursor(a), cursor(b));
            prop_assert_eq!(a.cmp(&b), a.to_key().cmp(&b.to_key()));
            prop_assert_eq!(EventCursor::from_key(a.to_key()), a);
            prop_assert_eq!(a.to_string().parse(), Ok(a));
        }
    }

    #[test]
    fn wrong_text_is_refused() {
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.2.-3",
            "1.2.4294967296",
            "a.b.c",
        ] {
            assert_eq!(text.parse::<EventCursor>(), Err(ParseCursorError), "{text}");
        }
    }
}
