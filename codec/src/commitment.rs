//! What a blob is committed to: its segment roots and the id they lead to.

use crate::{
    BlobId, BlobLayout, BlobRoot, EncodedSegment, IndexError, SegmentIndex, SegmentMetadata,
    SegmentRoot,
    commit::{ChunkTree, Level},
};

/// The roots of all segments of a blob, from which its id and each segment's metadata follow.
///
/// About 33 bytes in memory per segment.
#[derive(Clone, Debug)]
pub struct BlobCommitment {
    layout: BlobLayout,
    id: BlobId,
    roots: ChunkTree,
}

/// There are not as many roots as segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the blob has {expected} segments, got {got} roots")]
pub struct RootCountError {
    /// The segments of the blob.
    pub expected: u32,
    /// The roots given.
    pub got: usize,
}

/// A segment that is not the one that was committed to: the input changed between two passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the input changed: segment {segment} had root {expected}, now {got}")]
pub struct InputChanged {
    /// Which segment.
    pub segment: SegmentIndex,
    /// The root committed to.
    pub expected: SegmentRoot,
    /// The root of the bytes read now.
    pub got: SegmentRoot,
}

impl BlobCommitment {
    /// The commitment to a blob whose segments have these roots.
    pub fn new(layout: BlobLayout, roots: &[SegmentRoot]) -> Result<Self, RootCountError> {
        if u32::try_from(roots.len()) != Ok(layout.segment_count()) {
            return Err(RootCountError {
                expected: layout.segment_count(),
                got: roots.len(),
            });
        }
        let roots = ChunkTree::new(
            Level::root(),
            roots.iter().map(|root| *root.as_bytes()).collect(),
        );
        let id = BlobId::derive(&layout, &BlobRoot::from_bytes(roots.root()));
        Ok(Self { layout, id, roots })
    }

    /// The id of the blob.
    #[must_use]
    pub const fn id(&self) -> &BlobId {
        &self.id
    }

    /// The shape of the blob.
    #[must_use]
    pub const fn layout(&self) -> &BlobLayout {
        &self.layout
    }

    /// The root of the blob, from which a contract derives the id.
    #[must_use]
    pub fn root(&self) -> BlobRoot {
        BlobRoot::from_bytes(self.roots.root())
    }

    /// The roots of the segments, in order.
    pub fn segment_roots(&self) -> impl ExactSizeIterator<Item = SegmentRoot> + '_ {
        self.roots
            .entries()
            .iter()
            .map(|root| SegmentRoot::from_bytes(*root))
    }

    /// The root of one segment.
    pub fn segment_root(&self, segment: SegmentIndex) -> Result<SegmentRoot, IndexError> {
        let position = self.position(segment)?;
        Ok(SegmentRoot::from_bytes(self.roots.entries()[position]))
    }

    /// The metadata of an encoded segment of this blob.
    pub fn metadata<B: AsRef<[u8]>>(
        &self,
        encoded: &EncodedSegment<B>,
    ) -> Result<SegmentMetadata, InputChanged> {
        let layout = *encoded.layout();
        let (segment, got) = (layout.index(), encoded.root());
        let unknown = SegmentRoot::from_bytes([0; 32]);
        let expected = self.segment_root(segment).unwrap_or(unknown);
        let position = self.position(segment).ok().filter(|_| expected == got);
        let position = position.ok_or(InputChanged {
            segment,
            expected,
            got,
        })?;
        let opening = self.roots.open(position);
        let hashes = encoded.hashes().to_vec();
        Ok(SegmentMetadata::computed(
            self.layout,
            self.id,
            layout,
            got,
            hashes,
            opening,
        ))
    }

    fn position(&self, segment: SegmentIndex) -> Result<usize, IndexError> {
        self.layout.segment(segment)?;
        Ok(usize::try_from(segment.get()).expect("there are at most 2^20 segments"))
    }
}
