//! The numbers of the requests and how large each may be.

use std::fmt;

/// What a request asks for. `docs/protocol.md` has the same table; numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

/// The sizes a kind of request may have, in bytes; larger ones are refused before allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindLimits {
    /// The BCS body in the head.
    pub body: u32,
    /// All items of the request together.
    pub payload: u32,
    /// One item, in the request or its response.
    pub item: u32,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Every kind that has a number, served or not.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The kind's name in the protocol document; `None` for a number without meaning.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// Hand over segment metadata of a registered blob.
    PUT_METADATA = 1, "PutMetadata";
    /// Hand over slivers of one segment.
    PUT_SLIVER = 2, "PutSliver";
    /// Ask for segment metadata.
    GET_METADATA = 3, "GetMetadata";
    /// Ask for slivers.
    GET_SLIVER = 4, "GetSliver";
    /// Ask for single symbols to rebuild a sliver from.
    GET_SYMBOLS = 5, "GetSymbols";
    /// Ask what the node knows of a blob and still lacks.
    GET_BLOB_STATUS = 6, "GetBlobStatus";
    /// Ask for the signature that the node's slivers are on disk.
    CONFIRM = 7, "Confirm";
    /// Stream a shard's slivers at an epoch change.
    SYNC_SHARD = 8, "SyncShard";
    /// Ask which slivers a peer holds.
    GET_INVENTORY = 9, "GetInventory";
    /// Follow changes of a peer's inventory.
    OBSERVE_INVENTORY = 10, "ObserveInventory";
    /// Hand over a proof that a blob is inconsistently encoded.
    PUT_INCONSISTENCY = 11, "PutInconsistency";
    /// Ask for such a proof.
    GET_INCONSISTENCY = 12, "GetInconsistency";
    /// Ask for a signature on a statement.
    ATTEST = 13, "Attest";
    /// Commit to challenge tokens.
    TOKEN_COMMIT = 14, "TokenCommit";
    /// Hand over challenge tokens.
    TOKENS = 15, "Tokens";
    /// Dispute a challenge token.
    DISPUTE = 16, "Dispute";
    /// Hand over a challenge receipt.
    RECEIPT = 17, "Receipt";
    /// Ask for a committee and the certificate of its predecessor.
    GET_COMMITTEE = 18, "GetCommittee";
    /// Ask for a signed node record.
    GET_NODE_RECORD = 19, "GetNodeRecord";
    /// Ask who the node is and which network it serves.
    GET_NODE_INFO = 20, "GetNodeInfo";
    /// Ask whether the node serves, and why not.
    HEALTH = 21, "Health";
}

impl Kind {
    const KIB: u32 = 1 << 10;
    const MIB: u32 = 1 << 20;

    /// The largest sizes of this kind of request.
    #[must_use]
    pub const fn limits(self) -> KindLimits {
        let (body, payload, item) = match self {
            Self::PUT_METADATA => (Self::KIB, 8 * Self::MIB, 128 * Self::KIB),
            Self::PUT_SLIVER => (16 * Self::KIB, 64 * Self::MIB, 4 * Self::MIB),
            Self::GET_METADATA => (Self::KIB, 0, 128 * Self::KIB),
            Self::GET_SLIVER => (8 * Self::KIB, 0, 4 * Self::MIB),
            Self::GET_SYMBOLS => (32 * Self::KIB, 0, 8 * Self::MIB),
            Self::PUT_INCONSISTENCY => (Self::KIB, 8 * Self::MIB, 8 * Self::MIB),
            Self::GET_INCONSISTENCY => (Self::KIB, 0, 8 * Self::MIB),
            Self::GET_NODE_RECORD => (16 * Self::KIB, 0, 0),
            Self::GET_COMMITTEE => (Self::KIB, 0, 256 * Self::KIB),
            _ => (Self::KIB, 0, 0),
        };
        KindLimits {
            body,
            payload,
            item,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "request kind {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_numbered_without_gaps_from_one() {
        for (position, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(usize::from(kind.0), position + 1);
            assert!(kind.name().is_some());
        }
        assert_eq!(Kind(0).name(), None);
        assert_eq!(Kind(22).to_string(), "request kind 22");
    }
}
