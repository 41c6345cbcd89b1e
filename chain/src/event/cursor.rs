//! Positions in the chain's total order of events.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

    /// Before everything: the genesis checkpoint holds no event of ours.
    pub const START: Self = Self {
        checkpoint: 0,
        transaction: 0,
        event: 0,
    };

    /// After everything in a checkpoint.
    #[must_use]
    pub const fn end_of(checkpoint: u64) -> Self {
        Self {
            checkpoint,
            transaction: u32::MAX,
            event: u32::MAX,
        }
    }

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
