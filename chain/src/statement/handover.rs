//! Kind 6: the committee of one epoch names the committee of the next.

use super::{Assertion, Body, Fields, Kind, sealed};
use crate::committee::{Committee, CommitteeDigest};
use crate::epoch::Epoch;
use crate::quorum::Threshold;

/// Lets a client that trusts one committee follow the chain of committees without Sui.
///
/// # Layout
/// `next epoch u32 | digest of the next committee's contents 32`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handover {
    /// The epoch the next committee serves: one more than the header's.
    pub next: Epoch,
    /// See [`Committee::digest`].
    pub digest: CommitteeDigest,
}

impl Handover {
    /// What the members of the epoch before `next` sign.
    #[must_use]
    pub fn to(next: &Committee) -> Self {
        Self {
            next: next.epoch(),
            digest: next.digest(),
        }
    }
}

impl sealed::Sealed for Handover {}

impl Body for Handover {
    const KIND: Kind = Kind::Committee;
    const LEN: usize = 36;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.next.get().to_le_bytes());
        out.extend_from_slice(self.digest.as_bytes());
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let next = Epoch::new(u32::from_le_bytes(fields.take()?));
        Some(Self {
            next,
            digest: CommitteeDigest::from_bytes(fields.take()?),
        })
    }
}

impl Assertion for Handover {
    const THRESHOLD: Threshold = Threshold::Quorum;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let digest = CommitteeDigest::from_bytes([0xdd; 32]);
        let body = Handover {
            next: Epoch::new(8),
            digest,
        };
        super::super::tests::golden(body, &format!("08000000{}", "dd".repeat(32)));
    }
}
