//! Kind 4: a node misbehaved, shown by evidence that stands on its own.

use super::{Assertion, Body, Fields, Kind, sealed};
use crate::id::NodeId;
use crate::quorum::Threshold;

/// An accusation. Members sign only what they checked themselves, never somebody's silence.
///
/// # Layout
/// `node 32 | digest of the evidence 32`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The accused.
    pub node: NodeId,
    /// What the evidence hashes to.
    pub evidence: [u8; 32],
}

impl sealed::Sealed for Fault {}

impl Body for Fault {
    const KIND: Kind = Kind::Fault;
    const LEN: usize = 64;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(&self.evidence);
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            node: NodeId::from_bytes(fields.take()?),
            evidence: fields.take()?,
        })
    }
}

impl Assertion for Fault {
    const THRESHOLD: Threshold = Threshold::Validity;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let body = Fault {
            node: NodeId::from_bytes([0xa0; 32]),
            evidence: [0xe0; 32],
        };
        super::super::tests::golden(body, &("a0".repeat(32) + &"e0".repeat(32)));
    }
}
