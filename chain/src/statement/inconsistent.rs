//! Kind 2: a blob id whose commitments contradict each other, so that no blob has it.

use floe_codec::BlobId;

use super::{Assertion, Body, Fields, Kind, sealed};
use crate::quorum::Threshold;

/// A blob id proved inconsistent. One honest member suffices: it signs only what it checked.
///
/// # Layout
/// `blob id 32`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inconsistent {
    /// The id.
    pub blob: BlobId,
}

impl sealed::Sealed for Inconsistent {}

impl Body for Inconsistent {
    const KIND: Kind = Kind::Inconsistent;
    const LEN: usize = 32;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.blob.as_bytes());
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            blob: BlobId::from_bytes(fields.take()?),
        })
    }
}

impl Assertion for Inconsistent {
    const THRESHOLD: Threshold = Threshold::Validity;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let blob = BlobId::from_bytes([0xb1; 32]);
        super::super::tests::golden(Inconsistent { blob }, &"b1".repeat(32));
    }
}
