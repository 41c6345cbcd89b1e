//! The messages, one file per subject. A message names the items that travel after it; their sizes
//! follow from the blob's layout and are never taken from the peer.

mod blob;
mod inconsistency;
mod network;
mod sliver;
mod symbols;

use serde::{Serialize, de::DeserializeOwned};

use super::{Kind, WireError};

pub use blob::{
    BlobStatus, Confirm, ConfirmReply, GetBlobStatus, GetMetadata, MissingSlivers, PutMetadata,
};
pub use inconsistency::{GetInconsistency, PutInconsistency};
pub use network::{
    CommitteeReply, GetCommittee, GetNodeInfo, GetNodeRecord, Health, HealthReply, NodeInfo,
    NodeRecordsReply, NotReady,
};
pub use sliver::{GetSliver, PutSliver, PutSliverReply, SliverKey};
pub use symbols::{GetSymbols, SymbolRange};

/// A message that asks for something.
pub trait Request: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// Its number.
    const KIND: Kind;

    /// What comes back with status `Ok`, before any items.
    type Reply: Serialize + DeserializeOwned + Send + 'static;

    /// Checks what the types of the fields do not; called after decoding and before sending.
    ///
    /// # Errors
    /// Naming the field that is out of bounds.
    fn check(&self) -> Result<(), WireError> {
        Ok(())
    }

    /// Reads the body of a request head.
    ///
    /// # Errors
    /// The bytes are not exactly one such message within its bounds.
    fn from_body(body: &[u8]) -> Result<Self, WireError> {
        let request: Self = bcs::from_bytes(body).map_err(WireError::decode)?;
        request.check()?;
        Ok(request)
    }

    /// The body for a request head.
    ///
    /// # Errors
    /// The message is out of its bounds.
    fn to_body(&self) -> Result<Vec<u8>, WireError> {
        self.check()?;
        bcs::to_bytes(self).map_err(WireError::encode)
    }
}

fn check_max(what: &'static str, length: u64, max: u64) -> Result<(), WireError> {
    if length > max {
        Err(WireError::TooLong { what, length, max })
    } else {
        Ok(())
    }
}

/// A run of segments.
///
/// # Layout
/// BCS: `first u32 | count u32`, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SegmentRange {
    /// The first segment.
    pub first: floe_codec::SegmentIndex,
    /// How many follow each other, the first included.
    pub count: u32,
}

impl SegmentRange {
    /// The most segments one message may name.
    pub const MAX: u32 = 1024;

    /// One segment.
    #[must_use]
    pub const fn one(segment: floe_codec::SegmentIndex) -> Self {
        Self {
            first: segment,
            count: 1,
        }
    }

    /// The segments, in order.
    pub fn iter(self) -> impl Iterator<Item = floe_codec::SegmentIndex> + Clone {
        let first = self.first.get();
        (first..first.saturating_add(self.count)).map(floe_codec::SegmentIndex)
    }

    /// The segment at `position`; `None` past the end.
    #[must_use]
    pub const fn get(self, position: u32) -> Option<floe_codec::SegmentIndex> {
        if position >= self.count {
            return None;
        }
        match self.first.get().checked_add(position) {
            Some(index) => Some(floe_codec::SegmentIndex(index)),
            None => None,
        }
    }

    fn check(self) -> Result<(), WireError> {
        check_max("segment range", self.count.into(), Self::MAX.into())
    }
}
