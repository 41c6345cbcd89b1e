//! What happened on the chain, in order: the contract's events and their positions.
//!
//! Pure values. Reading them from checkpoints, and proving that none is missing, is the client's.
//! Each struct mirrors the Move struct of the same name in module `events`, in BCS field order; all
//! begin with the epoch in which they happened.

use floe_codec::{BlobId, Encoding};
use serde::{Deserialize, Serialize};

use crate::amount::Wal;
use crate::cost::Prices;
use crate::epoch::{ChainTime, Epoch};
use crate::id::{NodeId, ObjectId};

mod cursor;

pub use cursor::{EventCursor, ParseCursorError};

/// Move keeps a blob id as a byte vector, which has a length in BCS.
pub(crate) mod blob_id {
    use floe_codec::BlobId;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(id: &BlobId, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            id.serialize(serializer)
        } else {
            id.as_bytes().as_slice().serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BlobId, D::Error> {
        if d.is_human_readable() {
            return BlobId::deserialize(d);
        }
        let bytes = Vec::<u8>::deserialize(d)?;
        let length = bytes.len();
        let bytes = bytes
            .try_into()
            .map_err(|_| D::Error::invalid_length(length, &"32 bytes"))?;
        Ok(BlobId::from_bytes(bytes))
    }
}

/// A blob was registered: its storage is paid for, nodes accept its slivers from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRegistered {
    /// When.
    pub epoch: Epoch,
    /// The blob.
    #[serde(with = "blob_id")]
    pub blob: BlobId,
    /// Its length in bytes, before encoding.
    pub size: u64,
    /// How it is coded.
    pub encoding: Encoding,
    /// First epoch that is not paid for.
    pub end: Epoch,
    /// Whether the owner of the object may delete it.
    pub deletable: bool,
    /// The `Blob` object.
    pub object: ObjectId,
}

/// A quorum confirmed that a blob is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobCertified {
    /// When.
    pub epoch: Epoch,
    /// The blob.
    #[serde(with = "blob_id")]
    pub blob: BlobId,
    /// Its length in bytes, before encoding.
    pub size: u64,
    /// How it is coded.
    pub encoding: Encoding,
    /// First epoch that is not paid for.
    pub end: Epoch,
    /// Whether the owner of the object may delete it.
    pub deletable: bool,
    /// The `Blob` object.
    pub object: ObjectId,
}

/// More epochs were bought for a certified blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobExtended {
    /// When.
    pub epoch: Epoch,
    /// The blob.
    #[serde(with = "blob_id")]
    pub blob: BlobId,
    /// First epoch that is not paid for.
    pub end: Epoch,
    /// Whether the owner of the object may delete it.
    pub deletable: bool,
    /// The `Blob` object.
    pub object: ObjectId,
}

/// The owner of a registration gave it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobDeleted {
    /// When.
    pub epoch: Epoch,
    /// The blob.
    #[serde(with = "blob_id")]
    pub blob: BlobId,
    /// Whether it had been certified.
    pub certified: bool,
    /// The `Blob` object, now gone.
    pub object: ObjectId,
}

/// No blob has this id; it is refused for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobInconsistent {
    /// When.
    pub epoch: Epoch,
    /// The id.
    #[serde(with = "blob_id")]
    pub blob: BlobId,
}

/// The committee of the next epoch is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitteeSelected {
    /// When.
    pub epoch: Epoch,
    /// The epoch it will serve.
    pub next: Epoch,
    /// Its immutable `EpochCommittee` object.
    pub committee: ObjectId,
}

/// An epoch began: expiries take effect, shards move to their new owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochStarted {
    /// The new epoch.
    pub epoch: Epoch,
    /// When, by the chain's clock.
    pub at: ChainTime,
    /// What storage costs in it.
    pub prices: Prices,
    /// Encoded bytes that all nodes together can hold in it.
    pub capacity: u64,
    /// What was burned of the last epoch's income.
    pub burned: Wal,
}

/// A node holds all shards it owns in the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSynced {
    /// The epoch.
    pub epoch: Epoch,
    /// The node.
    pub node: NodeId,
    /// Its shards.
    pub weight: u16,
}

/// A quorum synced; the epoch is in normal service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochOpened {
    /// The epoch.
    pub epoch: Epoch,
    /// When, by the chain's clock.
    pub at: ChainTime,
}

/// A node exists now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRegistered {
    /// When.
    pub epoch: Epoch,
    /// The node.
    pub node: NodeId,
}

/// A node's name, addresses, keys, votes or commission changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeUpdated {
    /// When.
    pub epoch: Epoch,
    /// The node.
    pub node: NodeId,
}

/// Somebody staked with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staked {
    /// When.
    pub epoch: Epoch,
    /// The node.
    pub node: NodeId,
    /// The `Stake` object.
    pub stake: ObjectId,
    /// How much.
    pub amount: Wal,
    /// First epoch in which it counts.
    pub from: Epoch,
}

/// Stake was asked back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRequested {
    /// When.
    pub epoch: Epoch,
    /// The node.
    pub node: NodeId,
    /// The `Stake` object.
    pub stake: ObjectId,
    /// Shares of the node's pool.
    pub shares: u128,
    /// The epoch from which it can be withdrawn.
    pub at: Epoch,
}

/// Stake was paid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// When.
    pub epoch: Epoch,
    /// The node.
    pub node: NodeId,
    /// The `Stake` object, now gone.
    pub stake: ObjectId,
    /// How much.
    pub amount: Wal,
}

/// A node's pool received its pay for the epoch before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSettled {
    /// When.
    pub epoch: Epoch,
    /// The node.
    pub node: NodeId,
    /// All of it.
    pub pay: Wal,
    /// The operator's part.
    pub commission: Wal,
}

/// Contents of an event that do not match the Move struct it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("contents of event {name} are malformed: {reason}")]
pub struct EventError {
    /// Name of the Move struct.
    pub name: String,
    /// Why.
    pub reason: String,
}

macro_rules! events {
    ($($name:ident),* $(,)?) => {
        /// An event of the contract.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum ChainEvent {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
            /// An event that this version does not know: later packages may add some.
            Unknown {
                /// Name of the Move struct.
                name: String,
                /// Its BCS contents.
                contents: Vec<u8>,
            },
        }

        impl ChainEvent {
            /// Reads an event from the name of its Move struct and its BCS contents.
            ///
            /// # Errors
            /// A known name with other contents.
            pub fn decode(name: &str, contents: &[u8]) -> Result<Self, EventError> {
                match name {
                    $(stringify!($name) => bcs::from_bytes(contents).map(Self::$name).map_err(
                        |error| EventError { name: name.to_owned(), reason: error.to_string() },
                    ),)*
                    _ => Ok(Self::Unknown { name: name.to_owned(), contents: contents.to_vec() }),
                }
            }

            /// Name of the Move struct.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                    Self::Unknown { name, .. } => name,
                }
            }

            /// The epoch in which it happened; unknown events do not tell.
            #[must_use]
            pub fn epoch(&self) -> Option<Epoch> {
                match self {
                    $(Self::$name(event) => Some(event.epoch),)*
                    Self::Unknown { .. } => None,
                }
            }
        }

        $(
            impl From<$name> for ChainEvent {
                fn from(event: $name) -> Self {
                    Self::$name(event)
                }
            }
        )*
    };
}

events! {
    BlobRegistered,
    BlobCertified,
    BlobExtended,
    BlobDeleted,
    BlobInconsistent,
    CommitteeSelected,
    EpochStarted,
    NodeSynced,
    EpochOpened,
    NodeRegistered,
    NodeUpdated,
    Staked,
    ExitRequested,
    Withdrawn,
    PoolSettled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_contents() {
        let hex = format!(
            "0300000020{}e80300000000000001090000000{}{}",
            "b1".repeat(32),
            1,
            "0b".repeat(32)
        );
        let bytes = hex::decode(hex).unwrap();
        let event = ChainEvent::decode("BlobRegistered", &bytes).unwrap();
        let expected = BlobRegistered {
            epoch: Epoch::new(3),
            blob: BlobId::from_bytes([0xb1; 32]),
            size: 1000,
            encoding: Encoding::RedStuff8,
            end: Epoch::new(9),
            deletable: true,
            object: ObjectId::from_bytes([0x0b; 32]),
        };
        assert_eq!(event, ChainEvent::from(expected));
        assert_eq!(
            (event.name(), event.epoch()),
            ("BlobRegistered", Some(Epoch::new(3)))
        );
        assert_eq!(bcs::to_bytes(&expected).unwrap(), bytes);

        for wrong in [
            &bytes[..bytes.len() - 1],
            &[bytes.as_slice(), &[0]].concat(),
            &[],
        ] {
            assert!(ChainEvent::decode("BlobRegistered", wrong).is_err());
        }
        let mut short_id = bytes.clone();
        short_id[4] = 31;
        assert!(ChainEvent::decode("BlobRegistered", &short_id).is_err());
    }

    #[test]
    fn later_events_pass_through() {
        let event = ChainEvent::decode("ChallengeDrawn", &[1, 2]).unwrap();
        assert_eq!((event.name(), event.epoch()), ("ChallengeDrawn", None));
    }
}
