//! Blobs to test with, and the codec they are tested on.

use std::sync::LazyLock;

use floe_codec::{
    Axis, BlobCommitment, BlobLayout, Codec, EncodedSegment, SegmentIndex, SegmentMetadata,
    ShardCount, SliverIndex, VerifiedSliver,
};

/// Shard counts on both sides of every boundary that matters.
pub(crate) const SHARD_COUNTS: [u16; 9] = [4, 7, 10, 31, 64, 65, 100, 256, 1000];

pub(crate) static CODEC: LazyLock<Codec> = LazyLock::new(crate::new_codec);

pub(crate) fn shards(n: u16) -> ShardCount {
    ShardCount::new(n).unwrap()
}

pub(crate) fn layout(n: u16, length: usize) -> BlobLayout {
    BlobLayout::for_shards(shards(n), length.try_into().unwrap()).unwrap()
}

/// The source symbols of a segment, k1 k2.
pub(crate) fn area(n: u16) -> usize {
    let k = shards(n).source_slivers();
    usize::from(k.primary) * usize::from(k.secondary)
}

/// Bytes that look random and depend on the length: the keystream of BLAKE3.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new()
        .update(&length.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// A blob of one segment with everything about it.
pub(crate) struct OneSegment {
    pub(crate) bytes: Vec<u8>,
    pub(crate) commitment: BlobCommitment,
    pub(crate) metadata: SegmentMetadata,
    pub(crate) encoded: EncodedSegment<Vec<u8>>,
}

impl OneSegment {
    pub(crate) fn new(n: u16, length: usize) -> Self {
        let (bytes, blob) = (bytes(length), layout(n, length));
        let segment = blob.segment(SegmentIndex(0)).unwrap();
        assert_eq!(blob.segment_count(), 1);
        let encoded = CODEC
            .encode_segment(&segment, bytes.clone(), Default::default())
            .unwrap();
        let commitment = BlobCommitment::new(blob, &[encoded.root()]).unwrap();
        let metadata = commitment.metadata(&encoded).unwrap();
        Self {
            bytes,
            commitment,
            metadata,
            encoded,
        }
    }

    pub(crate) fn sliver(&self, axis: Axis, index: u16) -> VerifiedSliver<&[u8]> {
        let index = SliverIndex(index);
        let bytes = self.encoded.sliver(axis, index).unwrap();
        CODEC
            .verify_sliver(&self.metadata, axis, index, bytes)
            .unwrap()
    }
}

/// Reproducible choices: the keystream of BLAKE3 over a seed.
pub(crate) struct Choices(blake3::OutputReader);

impl Choices {
    pub(crate) fn new(seed: u64) -> Self {
        Self(
            blake3::Hasher::new()
                .update(&seed.to_le_bytes())
                .finalize_xof(),
        )
    }

    /// A number below `end`; the bias is irrelevant here.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::from_le_bytes(bytes) % end
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.fill(&mut bytes);
        bytes
    }

    pub(crate) fn axis(&mut self) -> Axis {
        Axis::BOTH[self.below(2)]
    }

    /// `count` different items, in random order.
    pub(crate) fn pick<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut items = items.to_vec();
        for i in 0..count {
            let j = i + self.below(items.len() - i);
            items.swap(i, j);
        }
        items.truncate(count);
        items
    }
}
