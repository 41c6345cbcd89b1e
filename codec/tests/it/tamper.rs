//! Whatever a hostile writer commits to, every reader gets the same outcome, with a proof of it.

use floe_codec::{Axis, DecodeBuffers, DecodeError, InconsistencyProof};

use crate::{
    hostile::{Hostile, WAYS},
    support::{CODEC, Choices, area, bytes, shards},
};

/// Decodes from `subsets` random choices of slivers and returns how many found an inconsistency.
fn inconsistent(blob: &Hostile, n: u16, subsets: usize, choices: &mut Choices) -> usize {
    let mut buffers = DecodeBuffers::default();
    let available = Axis::BOTH.map(|axis| blob.available(axis));
    let mut found = 0;
    for _ in 0..subsets {
        let axis = choices.axis();
        let k = usize::from(*shards(n).source_slivers().get(axis));
        let chosen = choices.pick(&available[usize::from(axis == Axis::Secondary)], k);
        match CODEC.decode_segment(&blob.metadata, &chosen, &mut buffers) {
            Ok(decoded) => assert!(decoded == bytes(decoded.len())),
            Err(DecodeError::Inconsistent { proof, .. }) => {
                let sent = bcs::to_bytes(&proof).unwrap();
                let received: InconsistencyProof = bcs::from_bytes(&sent).unwrap();
                received.verify(&CODEC, &blob.metadata).unwrap();
                found += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    found
}

#[test]
fn every_reader_of_a_tampered_blob_finds_it_inconsistent() {
    const SUBSETS: usize = 50;
    let mut choices = Choices::new(1);
    for n in [4, 10, 31, 65, 100] {
        for way in WAYS {
            // Two bytes of every symbol and five of padding.
            let blob = Hostile::new(n, area(n) * 2 - 5, way, &mut choices);
            assert_eq!(
                inconsistent(&blob, n, SUBSETS, &mut choices),
                SUBSETS,
                "{n}: {way}"
            );
        }
        let blob = Hostile::new(n, area(n) * 2 - 5, "honestly", &mut choices);
        assert_eq!(inconsistent(&blob, n, SUBSETS, &mut choices), 0);
    }
}

#[test]
fn a_reader_of_a_tampered_blob_of_1000_shards_finds_it_inconsistent() {
    let mut choices = Choices::new(2);
    for way in ["one symbol of a row", "dirty padding"] {
        let blob = Hostile::new(1000, area(1000) * 2 - 5, way, &mut choices);
        assert_eq!(inconsistent(&blob, 1000, 1, &mut choices), 1, "{way}");
    }
}

#[test]
fn a_dirty_systematic_sliver_is_seen_and_proves_itself() {
    let blob = Hostile::new(10, area(10) * 2 - 5, "dirty padding", &mut Choices::new(3));
    let mut seen = 0;
    for sliver in Axis::BOTH.iter().flat_map(|&axis| blob.available(axis)) {
        if let Some(at) = sliver.dirty_padding() {
            let crossing = at.sliver(sliver.axis().orthogonal());
            let symbol = CODEC.extend_sliver(&sliver).prove(crossing).unwrap();
            InconsistencyProof::padding(&CODEC, &blob.metadata, symbol).unwrap();
            seen += 1;
        }
    }
    assert_eq!(seen, 2, "the dirty symbol lies on one row and one column");
}
