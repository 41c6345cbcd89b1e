//! The sliver log: append-only volume files, one active volume per shard.
//!
//! Owns where slivers lie. Knows neither blobs' lives nor the index's rows; what was appended is
//! durable with the commit of the index that follows [`Appender::sync`], and exists from then on.

mod appender;
mod reader;
pub(crate) mod record;
pub(crate) mod volume;

use floe_codec::ShardIndex;
use volume::VolumeId;

pub(crate) use appender::{AppendError, Appender};
pub(crate) use reader::{RecordError, VolumeReader};

/// Where the record of a sliver lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    /// The number of the volume, of the sliver's shard.
    pub(crate) volume: u64,
    /// Where the record begins in the file.
    pub(crate) offset: u64,
    /// Bytes of the sliver, without the record's header.
    pub(crate) length: u32,
}

impl Location {
    /// The volume it lies in, of the sliver's shard.
    pub(crate) const fn volume_of(&self, shard: ShardIndex) -> VolumeId {
        VolumeId {
            shard,
            number: self.volume,
        }
    }

    /// Bytes of the whole record.
    pub(crate) fn record_size(&self) -> u64 {
        record::HEADER_SIZE as u64 + u64::from(self.length)
    }
}
