//! The hashes of one segment, and the proof that they belong to a blob id.
//!
//! Each segment's metadata verifies on its own, so a range read needs only what it touches.

use serde::{Deserialize, Serialize};

use crate::{
    Axis, BlobId, BlobLayout, BlobRoot, IndexError, Opening, OpeningError, SegmentIndex,
    SegmentLayout, SegmentRoot, SliverHash, SliverIndex,
    commit::{Hash, Level, hash_position},
};

/// The 2n sliver hashes of a segment with a path to the blob id.
///
/// # Layout
/// encoding u8, shards u16 LE, blob length u64 LE, segment u32 LE; ULEB128 2n and the sliver hashes
/// primary 0, secondary 0, primary 1, ... of 32 bytes each; the [`Opening`] of the segment's root in
/// the list of segment roots. This is its BCS form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = "State: Default"))]
pub struct SegmentMetadata<State = Verified> {
    layout: BlobLayout,
    segment: SegmentIndex,
    hashes: Vec<Hash>,
    opening: Opening,
    #[serde(skip)]
    state: State,
}

/// Nothing is known about the metadata yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unverified;

/// The metadata belongs to this blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    blob: BlobId,
    root: SegmentRoot,
    segment: SegmentLayout,
}

/// Why metadata is not that of a segment of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The blob has no such segment.
    #[error(transparent)]
    Segment(#[from] IndexError),
    /// There are not 2n hashes.
    #[error("metadata of {expected} sliver hashes expected, got {got}")]
    HashCount {
        /// 2n.
        expected: usize,
        /// The hashes given.
        got: usize,
    },
    /// The opening has not the length its place implies.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The hashes, header and opening lead to another blob id.
    #[error("metadata of segment {segment} belongs to {got}, not to {expected}")]
    OtherBlob {
        /// The segment claimed.
        segment: SegmentIndex,
        /// The blob asked for.
        expected: BlobId,
        /// Where the metadata leads.
        got: BlobId,
    },
}

impl<State> SegmentMetadata<State> {
    /// The shape of the blob, as the metadata states it.
    pub const fn blob_layout(&self) -> &BlobLayout {
        &self.layout
    }

    /// Which segment this is, as the metadata states it.
    pub const fn segment(&self) -> SegmentIndex {
        self.segment
    }
}

impl SegmentMetadata<Unverified> {
    /// Checks that these are the hashes of this segment of `blob`.
    pub fn verify(self, blob: &BlobId) -> Result<SegmentMetadata, MetadataError> {
        let segment = self.layout.segment(self.segment)?;
        let expected = 2 * usize::from(self.layout.shards().get());
        if self.hashes.len() != expected {
            return Err(MetadataError::HashCount {
                expected,
                got: self.hashes.len(),
            });
        }
        let root = Level::segment().hash(&self.hashes);
        let position = segment_position(self.segment);
        let count = segment_position(SegmentIndex(self.layout.segment_count()));
        let blob_root = self.opening.root(Level::root(), root, position, count)?;
        let got = BlobId::derive(&self.layout, &BlobRoot::from_bytes(blob_root));
        if got != *blob {
            return Err(MetadataError::OtherBlob {
                segment: self.segment,
                expected: *blob,
                got,
            });
        }
        let state = Verified {
            blob: got,
            root: SegmentRoot::from_bytes(root),
            segment,
        };
        let Self {
            layout,
            segment,
            hashes,
            opening,
            ..
        } = self;
        Ok(SegmentMetadata {
            layout,
            segment,
            hashes,
            opening,
            state,
        })
    }
}

impl SegmentMetadata {
    /// Metadata that was computed here, not received.
    pub(crate) fn computed(
        layout: BlobLayout,
        blob: BlobId,
        segment: SegmentLayout,
        root: SegmentRoot,
        hashes: Vec<Hash>,
        opening: Opening,
    ) -> Self {
        let state = Verified {
            blob,
            root,
            segment,
        };
        Self {
            layout,
            segment: segment.index(),
            hashes,
            opening,
            state,
        }
    }

    /// The blob this segment belongs to.
    pub const fn blob(&self) -> &BlobId {
        &self.state.blob
    }

    /// The shape of the segment.
    pub const fn layout(&self) -> &SegmentLayout {
        &self.state.segment
    }

    /// The root of the segment.
    pub const fn root(&self) -> &SegmentRoot {
        &self.state.root
    }

    /// The hash that sliver `index` of `axis` must have.
    pub fn sliver_hash(&self, axis: Axis, index: SliverIndex) -> Result<SliverHash, IndexError> {
        let index = index.within(self.layout.shards())?;
        Ok(SliverHash::from_bytes(
            self.hashes[hash_position(axis, index)],
        ))
    }

    /// The sliver hashes in their order, primary 0, secondary 0, primary 1, and so on.
    pub(crate) fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Forgets that it was verified, as on its way to another machine.
    #[must_use]
    pub fn into_unverified(self) -> SegmentMetadata<Unverified> {
        let Self {
            layout,
            segment,
            hashes,
            opening,
            ..
        } = self;
        SegmentMetadata {
            layout,
            segment,
            hashes,
            opening,
            state: Unverified,
        }
    }
}

fn segment_position(segment: SegmentIndex) -> usize {
    usize::try_from(segment.get()).expect("there are at most 2^20 segments")
}
