//! Kind 1: the signer holds its slivers of a blob on disk and will keep them.

use floe_codec::{BlobId, Encoding};
use serde::{Deserialize, Serialize};

use super::{Assertion, Body, Fields, Kind, sealed};
use crate::id::ObjectId;
use crate::quorum::Threshold;

/// Whether the owner may delete a blob before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Persistence {
    /// Kept until its end, whoever registered it.
    Permanent,
    /// The holder of this `Blob` object may delete it.
    Deletable(ObjectId),
}

/// A blob is available. It binds everything that was paid for: without the size, a certificate
/// could be used again for a second registration of the same id that paid for one byte.
///
/// # Layout
/// ```text
/// blob id 32 | size u64 | encoding u8 | persistence u8 | object id 32       74 bytes
/// persistence: 0 permanent (object id all zero), 1 deletable
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Available {
    /// The blob.
    pub blob: BlobId,
    /// Its length in bytes, before encoding.
    pub size: u64,
    /// How it is coded.
    pub encoding: Encoding,
    /// Which registration is confirmed.
    pub persistence: Persistence,
}

impl sealed::Sealed for Available {}

impl Body for Available {
    const KIND: Kind = Kind::Available;
    const LEN: usize = 74;

    fn write(&self, out: &mut Vec<u8>) {
        let (persistence, object) = match self.persistence {
            Persistence::Permanent => (0, [0; 32]),
            Persistence::Deletable(object) => (1, *object.as_bytes()),
        };
        out.extend_from_slice(self.blob.as_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&[self.encoding.code(), persistence]);
        out.extend_from_slice(&object);
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let blob = BlobId::from_bytes(fields.take()?);
        let size = u64::from_le_bytes(fields.take()?);
        let [encoding, persistence] = fields.take()?;
        let encoding = Encoding::from_code(encoding).ok()?;
        let object: [u8; 32] = fields.take()?;
        let persistence = match persistence {
            0 if object == [0; 32] => Persistence::Permanent,
            1 => Persistence::Deletable(ObjectId::from_bytes(object)),
            _ => return None,
        };
        Some(Self {
            blob,
            size,
            encoding,
            persistence,
        })
    }
}

impl Assertion for Available {
    const THRESHOLD: Threshold = Threshold::Quorum;
}

#[cfg(test)]
mod tests {
    use super::super::{HEADER_LEN, Statement, StatementError, tests::golden};
    use super::*;
    use crate::epoch::Epoch;
    use crate::testing;

    fn available(persistence: Persistence) -> Available {
        let blob = BlobId::from_bytes([0xb1; 32]);
        Available {
            blob,
            size: 0x0102_0304,
            encoding: Encoding::RedStuff8,
            persistence,
        }
    }

    #[test]
    fn golden_vectors() {
        let fields = format!("{}04030201000000000", "b1".repeat(32));
        golden(
            available(Persistence::Permanent),
            &format!("{fields}100{}", "00".repeat(32)),
        );
        let object = ObjectId::from_bytes([0x0b; 32]);
        golden(
            available(Persistence::Deletable(object)),
            &format!("{fields}101{}", "0b".repeat(32)),
        );
    }

    #[test]
    fn second_spellings_are_refused() {
        let body = available(Persistence::Permanent);
        let bytes = Statement {
            network: testing::NETWORK,
            epoch: Epoch::new(7),
            body,
        }
        .to_bytes();
        // Unknown encoding, unknown persistence, an object named by a permanent registration.
        for (at, value) in [(40, 9), (41, 2), (73, 1)] {
            let mut other = bytes.clone();
            other[HEADER_LEN + at] = value;
            let error = Statement::<Available>::from_bytes(&other).unwrap_err();
            assert_eq!(
                error,
                StatementError::Body {
                    kind: Kind::Available
                }
            );
        }
    }
}
