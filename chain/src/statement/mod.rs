//! Signed statements: exactly the bytes that are signed, one file for each kind.
//!
//! # Layout
//! ```text
//! statement = header body                               no trailing bytes
//! header    = kind u8 | version u8 (1) | chain id 32 | system id 32 | epoch u32      70 bytes
//! ```
//! Integers are little-endian. Every kind has a body of fixed length. Kinds are never renumbered.
//! The header binds a statement to one deployment, epoch and purpose: it replays nowhere else.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::epoch::Epoch;
use crate::id::{ChainId, NetworkId, SystemId};
use crate::quorum::Threshold;

mod available;
mod fault;
mod handover;
mod inconsistent;
mod possession;
mod proven;
mod snapshot;

pub use available::{Available, Persistence};
pub use fault::Fault;
pub use handover::Handover;
pub use inconsistent::Inconsistent;
pub use possession::{Possession, PossessionProof};
pub use proven::{BasisPoints, Proven};
pub use snapshot::Snapshot;

/// What a statement is about: its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The sender holds the keys it registers.
    Possession = 0,
    /// The signer's slivers of a blob are on its disk.
    Available = 1,
    /// No blob has this id: the commitments in it contradict each other.
    Inconsistent = 2,
    /// A node proved this much of its storage in the epoch's challenges.
    Proven = 3,
    /// A node misbehaved; the evidence stands on its own.
    Fault = 4,
    /// The table of certified blobs at a position has this root and is stored as this blob.
    Snapshot = 5,
    /// The committee of the next epoch.
    Committee = 6,
}

/// The body of a statement. Implemented by the kinds of this module only.
pub trait Body:
    Sized + Clone + PartialEq + Eq + fmt::Debug + Send + Sync + 'static + sealed::Sealed
{
    /// First byte of the header.
    const KIND: Kind;
    /// Exact length in bytes.
    const LEN: usize;

    /// Appends exactly [`LEN`](Self::LEN) bytes.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the body; `fields` holds exactly [`LEN`](Self::LEN) bytes. `None` when a field has a
    /// value that no honest writer produces.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;
}

/// A statement that a share of the committee can certify.
pub trait Assertion: Body {
    /// The weight that certifies it.
    const THRESHOLD: Threshold;
}

mod sealed {
    pub trait Sealed {}
}

/// A body and what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<B> {
    /// The deployment it speaks of.
    pub network: NetworkId,
    /// The epoch whose committee signs it.
    pub epoch: Epoch,
    /// What it says.
    pub body: B,
}

/// Bytes that are not a statement of the kind expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Too short or too long.
    #[error("a {kind:?} statement has {expected} bytes, not {found}")]
    Length {
        /// The kind expected.
        kind: Kind,
        /// Its length.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// Another kind or version.
    #[error("kind {kind} version {version} is not a {expected:?} statement of version {VERSION}")]
    Kind {
        /// The kind expected.
        expected: Kind,
        /// The kind found.
        kind: u8,
        /// The version found.
        version: u8,
    },
    /// A field has a value that no honest writer produces.
    #[error("the body of a {kind:?} statement is malformed")]
    Body {
        /// The kind expected.
        kind: Kind,
    },
}

/// Version of all statement layouts.
pub const VERSION: u8 = 1;
/// Bytes before the body.
pub const HEADER_LEN: usize = 70;

impl<B: Body> Statement<B> {
    /// Length of every statement of this kind.
    pub const LEN: usize = HEADER_LEN + B::LEN;

    /// The bytes to sign.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(&[B::KIND as u8, VERSION]);
        out.extend_from_slice(self.network.chain.as_bytes());
        out.extend_from_slice(self.network.system.as_bytes());
        out.extend_from_slice(&self.epoch.get().to_le_bytes());
        self.body.write(&mut out);
        debug_assert_eq!(out.len(), Self::LEN);
        out
    }

    /// Reads a statement of this kind.
    ///
    /// # Errors
    /// The bytes have another length, kind or version, or a malformed body.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        let kind = B::KIND;
        let malformed = StatementError::Body { kind };
        if bytes.len() != Self::LEN {
            return Err(StatementError::Length {
                kind,
                expected: Self::LEN,
                found: bytes.len(),
            });
        }
        let mut fields = Fields(bytes);
        let [found, version] = fields.take().ok_or(malformed)?;
        if found != kind as u8 || version != VERSION {
            return Err(StatementError::Kind {
                expected: kind,
                kind: found,
                version,
            });
        }
        let network = NetworkId {
            chain: ChainId::from_bytes(fields.take().ok_or(malformed)?),
            system: SystemId::from_bytes(fields.take().ok_or(malformed)?),
        };
        let epoch = Epoch::new(u32::from_le_bytes(fields.take().ok_or(malformed)?));
        let body = B::read(&mut fields)
            .filter(|_| fields.0.is_empty())
            .ok_or(malformed)?;
        Ok(Self {
            network,
            epoch,
            body,
        })
    }
}

/// Fixed-width fields of a body, consumed from the front.
#[derive(Debug)]
pub struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// The next `N` bytes, if there are as many.
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }
}

/// As a byte string: what travels is what was signed.
impl<B: Body> Serialize for Statement<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_bytes().serialize(serializer)
    }
}

impl<'de, B: Body> Deserialize<'de> for Statement<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// Header of epoch 7 on chain 0x11.., system 0x22.., in front of a golden body.
    pub(super) fn golden<B: Body>(body: B, hex_body: &str) {
        let statement = Statement {
            network: testing::NETWORK,
            epoch: Epoch::new(7),
            body,
        };
        let header = format!(
            "{:02x}01{}{}07000000",
            B::KIND as u8,
            "11".repeat(32),
            "22".repeat(32)
        );
        let bytes = statement.to_bytes();
        assert_eq!(hex::encode(&bytes), header + hex_body);
        assert_eq!(bytes.len(), HEADER_LEN + B::LEN);
        assert_eq!(Statement::from_bytes(&bytes), Ok(statement.clone()));
        assert_eq!(
            bcs::from_bytes(&bcs::to_bytes(&statement).unwrap()),
            Ok(statement)
        );

        for length in [0, 1, HEADER_LEN, bytes.len() - 1] {
            let error = Statement::<B>::from_bytes(&bytes[..length]).unwrap_err();
            assert!(matches!(error, StatementError::Length { .. }));
        }
        let padded = [bytes.as_slice(), &[0]].concat();
        assert!(matches!(
            Statement::<B>::from_bytes(&padded),
            Err(StatementError::Length { .. })
        ));
        for at in [0, 1] {
            let mut other = bytes.clone();
            other[at] += 1;
            assert!(matches!(
                Statement::<B>::from_bytes(&other),
                Err(StatementError::Kind { .. })
            ));
        }
    }
}
