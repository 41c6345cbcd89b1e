//! Any k1 primary or k2 secondary slivers give the blob back; everything else fails with its reason.

use floe_codec::{Axis, ByAxis, DecodeBuffers, DecodeError};
use proptest::prelude::*;

use crate::support::{CODEC, Choices, OneSegment, SHARD_COUNTS, area, shards};

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
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn enough_slivers_of_one_axis_decode_and_nothing_else(
        n in 4u16..=130, length in 0usize..30_000, seed: u64,
    ) {
        let mut choices = Choices::new(seed);
        let blob = OneSegment::new(n, length);
        let mut buffers = DecodeBuffers::default();
        let needed = shards(n).source_slivers();
        let all: Vec<u16> = (0..n).collect();
        let mut of = |axis: Axis, count: u16| -> Vec<_> {
            let chosen = choices.pick(&all, count.into());
            chosen.into_iter().map(|index| blob.sliver(axis, index)).collect()
        };
        for axis in Axis::BOTH {
            let mut slivers = of(axis, *needed.get(axis));
            let decoded = CODEC.decode_segment(&blob.metadata, &slivers, &mut buffers).unwrap();
            prop_assert_eq!(decoded, &blob.bytes[..]);
            // One fewer of this axis, one fewer of the other, and one of them twice.
            slivers.truncate(slivers.len() - 1);
            slivers.push(slivers[0].clone());
            slivers.extend(of(axis.orthogonal(), *needed.get(axis.orthogonal()) - 1));
            match CODEC.decode_segment(&blob.metadata, &slivers, &mut buffers) {
                Err(DecodeError::TooFew { got, .. }) => {
                    let fewer = ByAxis::from_fn(|axis| usize::from(*needed.get(axis)) - 1);
                    prop_assert_eq!(got, fewer);
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
