//! Kind 5: the table of certified blobs at the start of an epoch.

use floe_codec::BlobId;

use super::{Assertion, Body, Fields, Kind, sealed};
use crate::event::EventCursor;
use crate::quorum::Threshold;

/// A new node starts from this table and replays only the events after it.
///
/// # Layout
/// ```text
/// root 32 | checkpoint u64 | transaction u32 | event u32 | blob id 32       80 bytes
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Commitment to the table.
    pub root: [u8; 32],
    /// The event after which the table holds: the epoch's `EpochStarted`.
    pub position: EventCursor,
    /// The blob that stores the table.
    pub blob: BlobId,
}

impl sealed::Sealed for Snapshot {}

impl Body for Snapshot {
    const KIND: Kind = Kind::Snapshot;
    const LEN: usize = 80;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.root);
        out.extend_from_slice(&self.position.checkpoint.to_le_bytes());
        out.extend_from_slice(&self.position.transaction.to_le_bytes());
        out.extend_from_slice(&self.position.event.to_le_bytes());
        out.extend_from_slice(self.blob.as_bytes());
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            root: fields.take()?,
            position: EventCursor {
                checkpoint: u64::from_le_bytes(fields.take()?),
                transaction: u32::from_le_bytes(fields.take()?),
                event: u32::from_le_bytes(fields.take()?),
            },
            blob: BlobId::from_bytes(fields.take()?),
        })
    }
}

impl Assertion for Snapshot {
    const THRESHOLD: Threshold = Threshold::Quorum;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let position = EventCursor {
            checkpoint: 1,
            transaction: 2,
            event: 3,
        };
        let blob = BlobId::from_bytes([0xb1; 32]);
        let hex = format!(
            "{}01000000000000000200000003000000{}",
            "d0".repeat(32),
            "b1".repeat(32)
        );
        super::super::tests::golden(
            Snapshot {
                root: [0xd0; 32],
                position,
                blob,
            },
            &hex,
        );
    }
}
