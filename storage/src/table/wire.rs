//! Bytes in and out of rows: bounded reads, no panics.

use floe_chain::{epoch::Epoch, event::EventCursor, id::ObjectId};
use floe_codec::{Axis, BlobId, SegmentIndex, ShardIndex};

use crate::key::{axis_code, axis_of};

/// Bytes being written.
#[derive(Debug, Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    pub(crate) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn blob(&mut self, blob: &BlobId) -> &mut Self {
        self.put(blob.as_bytes())
    }

    pub(crate) fn object(&mut self, object: &ObjectId) -> &mut Self {
        self.put(object.as_bytes())
    }

    pub(crate) fn axis(&mut self, axis: Axis) -> &mut Self {
        self.put(&[axis_code(axis)])
    }

    /// Checkpoint u64, transaction u32, event u32, little-endian.
    pub(crate) fn cursor(&mut self, cursor: &EventCursor) -> &mut Self {
        self.u64_le(cursor.checkpoint)
            .u32_le(cursor.transaction)
            .u32_le(cursor.event)
    }

    pub(crate) fn flag(&mut self, flag: bool) -> &mut Self {
        self.put(&[u8::from(flag)])
    }
}

/// Bytes being read.
#[derive(Debug)]
pub(crate) struct Take<'a>(&'a [u8]);

macro_rules! integers {
    ($($name:ident $int:ident $to:ident $from:ident),*) => {
        impl Bytes {
            $(
                pub(crate) fn $name(&mut self, value: $int) -> &mut Self {
                    self.put(&value.$to())
                }
            )*
        }
        impl Take<'_> {
            $(
                pub(crate) fn $name(&mut self) -> Option<$int> {
                    self.array().map($int::$from)
                }
            )*
        }
    };
}
integers!(
    u16_be u16 to_be_bytes from_be_bytes,
    u32_be u32 to_be_bytes from_be_bytes,
    u64_be u64 to_be_bytes from_be_bytes,
    u32_le u32 to_le_bytes from_le_bytes,
    u64_le u64 to_le_bytes from_le_bytes
);

impl<'a> Take<'a> {
    /// Reads with `read`, which must leave nothing over.
    pub(crate) fn whole<T>(
        bytes: &'a [u8],
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let mut take = Self(bytes);
        read(&mut take).filter(|_| take.0.is_empty())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn blob(&mut self) -> Option<BlobId> {
        self.array().map(BlobId::from_bytes)
    }

    pub(crate) fn object(&mut self) -> Option<ObjectId> {
        self.array().map(ObjectId::from_bytes)
    }

    pub(crate) fn axis(&mut self) -> Option<Axis> {
        axis_of(self.byte()?)
    }

    pub(crate) fn shard(&mut self) -> Option<ShardIndex> {
        self.u16_be().map(ShardIndex)
    }

    pub(crate) fn segment(&mut self) -> Option<SegmentIndex> {
        self.u32_be().map(SegmentIndex)
    }

    pub(crate) fn cursor(&mut self) -> Option<EventCursor> {
        Some(EventCursor {
            checkpoint: self.u64_le()?,
            transaction: self.u32_le()?,
            event: self.u32_le()?,
        })
    }

    pub(crate) fn epoch_le(&mut self) -> Option<Epoch> {
        self.u32_le().map(Epoch::new)
    }

    pub(crate) fn epoch_be(&mut self) -> Option<Epoch> {
        self.u32_be().map(Epoch::new)
    }
}
