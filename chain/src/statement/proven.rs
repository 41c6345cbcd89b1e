//! Kind 3: how much of its storage a node proved in the challenges of one epoch.

use serde::{Deserialize, Serialize};

use super::{Assertion, Body, Fields, Kind, sealed};
use crate::id::NodeId;
use crate::quorum::Threshold;

/// A share in hundredths of a percent: 0 to 10,000.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u16", into = "u16")]
pub struct BasisPoints(u16);

/// A share above the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} basis points are more than the whole (10,000)")]
pub struct BasisPointsError(pub u16);

impl BasisPoints {
    /// The whole.
    pub const WHOLE: Self = Self(10_000);

    /// A share of at most the whole.
    ///
    /// # Errors
    /// It is above 10,000.
    pub const fn new(points: u16) -> Result<Self, BasisPointsError> {
        if points > Self::WHOLE.0 {
            Err(BasisPointsError(points))
        } else {
            Ok(Self(points))
        }
    }

    /// The number of points.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for BasisPoints {
    type Error = BasisPointsError;

    fn try_from(points: u16) -> Result<Self, BasisPointsError> {
        Self::new(points)
    }
}

impl From<BasisPoints> for u16 {
    fn from(points: BasisPoints) -> u16 {
        points.0
    }
}

/// A node's score. A member signs any score up to its own tally of the node, so the best score that
/// a majority supports is the one submitted.
///
/// # Layout
/// ```text
/// node 32 | rounds u16 | chain of the rounds' seeds 32 | score u16 (basis points)     68 bytes
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// The node that was challenged.
    pub node: NodeId,
    /// Rounds drawn in the epoch.
    pub rounds: u16,
    /// The hash chain over their seeds, as the contract keeps it.
    pub chain: [u8; 32],
    /// The share of its shards that passed.
    pub score: BasisPoints,
}

impl sealed::Sealed for Proven {}

impl Body for Proven {
    const KIND: Kind = Kind::Proven;
    const LEN: usize = 68;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(&self.rounds.to_le_bytes());
        out.extend_from_slice(&self.chain);
        out.extend_from_slice(&self.score.get().to_le_bytes());
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            node: NodeId::from_bytes(fields.take()?),
            rounds: u16::from_le_bytes(fields.take()?),
            chain: fields.take()?,
            score: BasisPoints::new(u16::from_le_bytes(fields.take()?)).ok()?,
        })
    }
}

impl Assertion for Proven {
    const THRESHOLD: Threshold = Threshold::Majority;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let score = BasisPoints::new(0x1234).unwrap();
        let node = NodeId::from_bytes([0xa0; 32]);
        let body = Proven {
            node,
            rounds: 0x0102,
            chain: [0xc0; 32],
            score,
        };
        let hex = format!("{}0201{}3412", "a0".repeat(32), "c0".repeat(32));
        super::super::tests::golden(body, &hex);
    }

    #[test]
    fn more_than_the_whole_is_refused() {
        assert_eq!(BasisPoints::new(10_001), Err(BasisPointsError(10_001)));
        let bytes = [[0; 66].as_slice(), &10_001u16.to_le_bytes()].concat();
        assert_eq!(Proven::read(&mut Fields(&bytes)), None);
    }
}
