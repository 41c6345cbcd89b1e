//! Gossip topics: their names and how large a message of each may be.

use floe_chain::id::NetworkId;

use super::{inventory::InventorySummary, record::NodeRecord, signed::Signable};

/// What an Ed25519 signature and the length in front of what it signs add to a value.
const SIGNATURE: usize = 64 + 3;

/// What a gossip message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Signed node records.
    Record,
    /// Signatures under the next committee, and their certificate.
    Committee,
    /// Signed inventory summaries.
    Inventory,
    /// Blobs found to be inconsistent.
    Inconsistency,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 4] = [
        Self::Record,
        Self::Committee,
        Self::Inventory,
        Self::Inconsistency,
    ];

    /// The longest message of any topic, in bytes.
    pub const MAX_SIZE: usize = 37 << 10;

    /// The longest message of this topic, in bytes: no honest one is longer.
    #[must_use]
    pub const fn max_size(self) -> usize {
        match self {
            // A signed record.
            Self::Record => NodeRecord::MAX_SIZE + SIGNATURE,
            // A statement, the bitmap of 1,024 members, a signature.
            Self::Committee => 1 << 10,
            Self::Inventory => InventorySummary::MAX_SIZE + SIGNATURE,
            Self::Inconsistency => 128,
        }
    }

    /// A word for metrics and names.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Committee => "committee",
            Self::Inventory => "inventory",
            Self::Inconsistency => "inconsistency",
        }
    }

    /// The name in one deployment: `/floe/1/<word>/<first 16 hexadecimal digits of the system id>`.
    /// Epochs are in the messages: a name that changed with the epoch would take the mesh apart at
    /// the very moment it is needed.
    #[must_use]
    pub fn name(self, network: NetworkId) -> String {
        let system = data_encoding::HEXLOWER.encode(network.system.as_bytes());
        format!("/floe/1/{}/{}", self.word(), &system[..16])
    }
}
