//! A blob as the chain knows it: what was registered, until when, and in which state.

use std::ops::Range;

use floe_codec::{BlobId, Encoding};
use serde::{Deserialize, Serialize};

use crate::epoch::Epoch;
use crate::id::ObjectId;
use crate::statement::{Available, Persistence};

/// One registration of a blob: the contents of a `Blob` object. Several may name the same blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The `Blob` object.
    pub object: ObjectId,
    /// The blob.
    pub blob: BlobId,
    /// Its length in bytes, before encoding.
    pub size: u64,
    /// How it is coded.
    pub encoding: Encoding,
    /// Whether the object's owner may delete it.
    pub deletable: bool,
    /// When it was registered.
    pub registered: Epoch,
    /// When it was certified, if it was.
    pub certified: Option<Epoch>,
    /// From which epoch and up to which (exclusive) storage is paid for.
    pub period: Range<Epoch>,
    /// Encoded bytes paid for: at least the blob's encoded size.
    pub bytes: u64,
}

impl Registration {
    /// What nodes confirm for this registration.
    #[must_use]
    pub fn available(&self) -> Available {
        let persistence = if self.deletable {
            Persistence::Deletable(self.object)
        } else {
            Persistence::Permanent
        };
        Available {
            blob: self.blob,
            size: self.size,
            encoding: self.encoding,
            persistence,
        }
    }

    /// Its state in `epoch`, as far as the object itself tells. Deletion destroys the object, and
    /// inconsistency is recorded for the blob id.
    #[must_use]
    pub fn state(&self, epoch: Epoch) -> BlobState {
        match self.certified {
            _ if epoch >= self.period.end => BlobState::Expired,
            Some(_) => BlobState::Certified,
            None => BlobState::Registered,
        }
    }
}

/// Where a blob stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobState {
    /// Paid for; nodes accept its slivers.
    Registered,
    /// A quorum confirmed it is stored.
    Certified,
    /// Its paid period is over.
    Expired,
    /// Its owner deleted it.
    Deleted,
    /// No blob has this id: it was proved inconsistent.
    Invalid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_follows_the_epoch() {
        let mut registration = Registration {
            object: ObjectId::from_bytes([1; 32]),
            blob: BlobId::from_bytes([2; 32]),
            size: 3,
            encoding: Encoding::RedStuff8,
            deletable: true,
            registered: Epoch::new(1),
            certified: None,
            period: Epoch::new(1)..Epoch::new(3),
            bytes: 6_620,
        };
        assert_eq!(registration.state(Epoch::new(2)), BlobState::Registered);
        registration.certified = Some(Epoch::new(1));
        assert_eq!(registration.state(Epoch::new(2)), BlobState::Certified);
        assert_eq!(registration.state(Epoch::new(3)), BlobState::Expired);
        let deletable = Persistence::Deletable(registration.object);
        assert_eq!(registration.available().persistence, deletable);
        registration.deletable = false;
        assert_eq!(registration.available().persistence, Persistence::Permanent);
    }
}
