//! Any k1 primary or k2 secondary slivers give the blob back; everything else fails with its reason.

use floe_codec::{Axis, DecodeBuffers, DecodeError};

use crate::support::{CODEC, OneSegment, SHARD_COUNTS, area, shards};

#[test]
fn the_last_slivers_of_either_axis_decode() {
    for n in SHARD_COUNTS {
        let blob = OneSegment::new(n, area(n) * 6 - 5);
        for axis in Axis::BOTH {
            let k = *shards(n).source_slivers().get(axis);
            let slivers: Vec<_> = (n - k..n).map(|i| blob.sliver(axis, i)).collect();
            let mut buffers = DecodeBuffers::default();
            let decoded = CODEC
                .decode_segment(&blob.metadata, &slivers, &mut buffers)
                .unwrap();
            assert!(decoded == blob.bytes);
            let error = CODEC.decode_segment(&blob.metadata, &slivers[1..], &mut buffers);
            assert!(
                matches!(error, Err(DecodeError::TooFew { .. })),
                "{error:?}"
            );
        }
    }
}
