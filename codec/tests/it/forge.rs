//! Bad input of every kind is refused with its reason: forged proofs, flipped bits, wrong sizes.

use floe_codec::{
    Axis, InconsistencyProof, SegmentMetadata, SliverError, SliverIndex, SymbolProof, Unverified,
};
use proptest::prelude::*;

use crate::support::{CODEC, Choices, OneSegment, area, shards};

/// The BCS forms of the two kinds, which a forger fills as he likes.
fn mismatch(segment: u32, axis: Axis, sliver: u16, symbols: &[SymbolProof]) -> Vec<u8> {
    bcs::to_bytes(&(segment, 0u8, axis, sliver, symbols)).unwrap()
}

fn padding(segment: u32, symbol: &SymbolProof) -> Vec<u8> {
    bcs::to_bytes(&(segment, 1u8, symbol)).unwrap()
}

#[test]
fn no_forged_proof_is_accepted() {
    const FORGERIES: usize = 10_000;
    let mut choices = Choices::new(5);
    let blobs: Vec<_> = [(4, 5), (10, 123), (31, 777), (65, 4000)]
        .map(|(n, extra)| OneSegment::new(n, area(n) * 2 + extra))
        .into();
    // The same shape and other bytes: its proofs are good ones of another blob.
    let twins: Vec<_> = [(4, 6), (10, 124), (31, 778), (65, 4001)]
        .map(|(n, extra)| OneSegment::new(n, area(n) * 2 + extra))
        .into();
    for forgery in 0..FORGERIES {
        let which = choices.below(blobs.len());
        let blob = &blobs[which];
        let n = blob.metadata.layout().shards().get();
        let axis = choices.axis();
        let prove = |blob: &OneSegment, axis: Axis, helper: u16, target: u16| {
            CODEC
                .extend_sliver(&blob.sliver(axis, helper))
                .prove(SliverIndex(target))
                .unwrap()
        };
        let index = |choices: &mut Choices| u16::try_from(choices.below(n.into())).unwrap();
        let target = index(&mut choices);
        let needed = usize::from(shards(n).source_symbols(axis));
        let mut from = choices.pick(&(0..n).collect::<Vec<_>>(), needed);
        from.sort_unstable();
        let mut symbols: Vec<_> = from
            .iter()
            .map(|&helper| prove(blob, axis.orthogonal(), helper, target))
            .collect();
        let at = choices.below(needed);
        let mut sent = match forgery % 8 {
            // All true, and no contradiction.
            0 => mismatch(0, axis, target, &symbols),
            // About a sliver next to the one that the symbols are on.
            1 => mismatch(0, axis, (target + 1) % n, &symbols),
            // With one symbol on another sliver, twice, or proved against its own axis.
            2 => {
                symbols[at] = prove(blob, axis.orthogonal(), from[at], (target + 1) % n);
                mismatch(0, axis, target, &symbols)
            }
            3 => {
                symbols[at] = symbols[(at + 1) % needed].clone();
                mismatch(0, axis, target, &symbols)
            }
            4 => {
                symbols[at] = prove(blob, axis, target, from[at]);
                mismatch(0, axis, target, &symbols)
            }
            // With a symbol of another blob.
            5 => {
                symbols[at] = prove(&twins[which], axis.orthogonal(), from[at], target);
                mismatch(0, axis, target, &symbols)
            }
            // Any symbol as padding, or too few.
            6 => padding(0, &symbols[at]),
            _ => mismatch(0, axis, target, &symbols[1..]),
        };
        if choices.below(2) == 0 {
            let bit = choices.below(8 * sent.len());
            sent[bit / 8] ^= 1 << (bit % 8);
        }
        if let Ok(proof) = bcs::from_bytes::<InconsistencyProof>(&sent) {
            let verdict = proof.verify(&CODEC, &blob.metadata);
            assert!(verdict.is_err(), "forgery {forgery} was accepted");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_flipped_bit_is_caught_anywhere(
        n in prop::sample::select(vec![4u16, 10, 33, 65, 100]), length in 0usize..20_000, seed: u64,
    ) {
        let mut choices = Choices::new(seed);
        let blob = OneSegment::new(n, length);
        let mut flip = |bytes: &mut Vec<u8>| {
            let bit = choices.below(8 * bytes.len());
            bytes[bit / 8] ^= 1 << (bit % 8);
        };

        let mut sent = bcs::to_bytes(&blob.metadata).unwrap();
        flip(&mut sent);
        if let Ok(metadata) = bcs::from_bytes::<SegmentMetadata<Unverified>>(&sent) {
            prop_assert!(metadata.verify(blob.commitment.id()).is_err());
        }

        let index = SliverIndex(n - 1);
        for axis in Axis::BOTH {
            let mut sliver = blob.encoded.sliver(axis, index).unwrap().to_vec();
            flip(&mut sliver);
            let verdict = CODEC.verify_sliver(&blob.metadata, axis, index, &sliver);
            let caught = matches!(verdict, Err(SliverError::Hash { .. }));
            prop_assert!(caught);
            sliver.push(0);
            let verdict = CODEC.verify_sliver(&blob.metadata, axis, index, &sliver);
            let caught = matches!(verdict, Err(SliverError::Size { .. }));
            prop_assert!(caught);

            let proof = CODEC.extend_sliver(&blob.sliver(axis, index.get())).prove(SliverIndex(1));
            let proof = proof.unwrap();
            prop_assert_eq!(proof.verify(&blob.metadata).unwrap().at, proof.at());
            let mut sent = bcs::to_bytes(&proof).unwrap();
            flip(&mut sent);
            if let Ok(proof) = bcs::from_bytes::<SymbolProof>(&sent) {
                prop_assert!(proof.verify(&blob.metadata).is_err());
            }
        }
    }
}
