//! Every tier of the kernels makes the same blobs, reads them and repairs them.

use std::sync::Arc;

use floe_codec::{Axis, BlobId, Codec, DecodeBuffers, HelperSymbols, SliverIndex, Tier};

use crate::support::{OneSegment, SHARD_COUNTS, area, shards};

/// Whole blocks of 64 bytes, tails, and both.
const SIZES: [usize; 5] = [2, 66, 6, 62, 130];

fn codec(tier: Tier) -> Codec {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    Codec::with(Arc::new(pool), tier)
}

/// Commits to the blob on one tier, reads it from its last slivers and recovers its first ones.
fn journey(codec: &Codec, blob: &OneSegment) -> BlobId {
    let layout = blob.commitment.layout();
    let shards = layout.shards();
    let commitment = codec.commit(layout, &blob.bytes[..]).unwrap();
    for axis in Axis::BOTH {
        let k = *shards.source_slivers().get(axis);
        let last = SliverIndex::all(shards).skip((shards.get() - k).into());
        let slivers: Vec<_> = last
            .map(|index| {
                let bytes = blob.encoded.sliver(axis, index).unwrap();
                codec
                    .verify_sliver(&blob.metadata, axis, index, bytes)
                    .unwrap()
            })
            .collect();
        let mut buffers = DecodeBuffers::default();
        let decoded = codec
            .decode_segment(&blob.metadata, &slivers, &mut buffers)
            .unwrap();
        assert!(decoded == blob.bytes);

        // These slivers rebuild one of the other axis.
        let (other, target) = (axis.orthogonal(), SliverIndex(0));
        let symbols = slivers.iter().map(|sliver| {
            let extended = codec.extend_sliver(sliver);
            (sliver.index(), extended.symbol(target).unwrap().to_vec())
        });
        let symbols: Vec<_> = symbols.collect();
        let helpers: Vec<_> = symbols
            .iter()
            .map(|(sliver, symbols)| HelperSymbols {
                sliver: *sliver,
                symbols,
            })
            .collect();
        let recovered = codec.recover_slivers(&blob.metadata, other, &[target], &helpers);
        let recovered = recovered.unwrap().remove(0).unwrap();
        assert_eq!(
            recovered.bytes(),
            blob.encoded.sliver(other, target).unwrap()
        );
    }
    *commitment.id()
}

#[test]
fn every_tier_makes_reads_and_repairs_the_same_blobs() {
    for tier in Tier::ALL.into_iter().filter(|tier| tier.is_available()) {
        let codec = codec(tier);
        assert_eq!(codec.tier(), tier);
        for n in SHARD_COUNTS.into_iter().filter(|&n| n < 1000) {
            let few = n == 256 || tier == Tier::Scalar;
            for &size in if few { &SIZES[..2] } else { &SIZES[..] } {
                let blob = OneSegment::new(n, area(n) * size - 1);
                assert_eq!(
                    journey(&codec, &blob),
                    *blob.commitment.id(),
                    "{tier}, n = {n}"
                );
            }
        }
    }
}

#[test]
fn every_tier_makes_the_same_blob_of_1000_shards() {
    let blob = OneSegment::new(1000, area(1000) * 2);
    assert_eq!(blob.commitment.layout().shards(), shards(1000));
    for tier in Tier::ALL.into_iter().filter(|tier| tier.is_available()) {
        let commitment = codec(tier)
            .commit(blob.commitment.layout(), &blob.bytes[..])
            .unwrap();
        assert_eq!(commitment.id(), blob.commitment.id(), "{tier}");
    }
}
