//! Lost slivers come back from symbols of the other axis; wrong symbols name a liar or the writer.

use floe_codec::{
    Axis, HelperSymbols, InconsistencyError, InconsistencyProof, RecoverError, SliverError,
    SliverIndex,
};
use proptest::prelude::*;

use crate::{
    hostile::Hostile,
    support::{CODEC, Choices, OneSegment, area, shards},
};

/// What helpers of the other axis send for the targets.
fn lines(blob: &OneSegment, axis: Axis, helpers: &[u16], targets: &[u16]) -> Vec<Vec<u8>> {
    let line = |&helper: &u16| {
        let extended = CODEC.extend_sliver(&blob.sliver(axis.orthogonal(), helper));
        let symbols = targets
            .iter()
            .map(|&target| extended.symbol(SliverIndex(target)).unwrap());
        symbols.collect::<Vec<_>>().concat()
    };
    helpers.iter().map(line).collect()
}

fn helpers<'a>(indexes: &[u16], lines: &'a [Vec<u8>]) -> Vec<HelperSymbols<'a>> {
    let pairs = indexes.iter().zip(lines);
    pairs
        .map(|(&i, symbols)| HelperSymbols {
            sliver: SliverIndex(i),
            symbols,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn recovery_equals_encoding(n in 4u16..=130, symbols in 0.0f64..3.0, seed: u64) {
        let mut choices = Choices::new(seed);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a rough length")]
        let blob = OneSegment::new(n, (area(n) as f64 * 2.0 * symbols) as usize);
        let all: Vec<u16> = (0..n).collect();
        let axis = choices.axis();
        let count = 1 + choices.below(5.min(n.into()));
        let targets = choices.pick(&all, count);
        let needed = usize::from(shards(n).source_symbols(axis));
        let from = choices.pick(&all, needed);
        let lines = lines(&blob, axis, &from, &targets);
        let indexes: Vec<_> = targets.iter().map(|&i| SliverIndex(i)).collect();
        let sent = helpers(&from, &lines);
        let recovered =
            CODEC.recover_slivers(&blob.metadata, axis, &indexes, &sent).unwrap();
        for (target, sliver) in indexes.iter().zip(recovered) {
            let sliver = sliver.unwrap();
            prop_assert_eq!(sliver.bytes(), blob.encoded.sliver(axis, *target).unwrap());
        }
        let error = CODEC.recover_slivers(&blob.metadata, axis, &indexes, &sent[1..]);
        prop_assert_eq!(error.unwrap_err(), RecoverError::TooFew { axis, needed, got: needed - 1 });
    }
}

#[test]
fn a_lying_helper_is_named_by_its_proof() {
    let blob = OneSegment::new(10, 1000);
    let (axis, target) = (Axis::Primary, SliverIndex(9));
    let from: Vec<u16> = (0..7).collect();
    let mut lines = lines(&blob, axis, &from, &[9]);
    lines[3][0] ^= 1;
    let sent = helpers(&from, &lines);
    let recovered = CODEC
        .recover_slivers(&blob.metadata, axis, &[target], &sent)
        .unwrap();
    assert!(matches!(recovered[0], Err(SliverError::Hash { .. })));
    // Asked for proofs, the honest helpers have good ones, which prove nothing against the writer.
    let proofs = from.iter().map(|&helper| {
        CODEC
            .extend_sliver(&blob.sliver(Axis::Secondary, helper))
            .prove(target)
            .unwrap()
    });
    let error =
        InconsistencyProof::mismatch(&CODEC, &blob.metadata, axis, target, proofs.collect());
    assert!(matches!(error, Err(InconsistencyError::Consistent { .. })));
}

#[test]
fn a_failed_recovery_of_a_tampered_sliver_proves_it() {
    let blob = Hostile::new(10, 1000, "a hash without preimage", &mut Choices::new(7));
    let lost = blob
        .slivers
        .primary
        .iter()
        .position(Option::is_none)
        .unwrap();
    let target = SliverIndex(lost.try_into().unwrap());
    let helpers = blob.available(Axis::Secondary);
    let proofs = helpers[2..9]
        .iter()
        .map(|helper| CODEC.extend_sliver(helper).prove(target).unwrap());
    let proof = InconsistencyProof::mismatch(
        &CODEC,
        &blob.metadata,
        Axis::Primary,
        target,
        proofs.collect(),
    );
    proof.unwrap().verify(&CODEC, &blob.metadata).unwrap();
}

#[test]
fn helpers_are_checked_before_anything_is_allocated() {
    let blob = OneSegment::new(10, 1000);
    let recover = |targets: &[SliverIndex], helper| {
        CODEC
            .recover_slivers(&blob.metadata, Axis::Primary, targets, &[helper])
            .unwrap_err()
    };
    let helper = HelperSymbols {
        sliver: SliverIndex(0),
        symbols: &[1, 2, 3],
    };
    assert_eq!(
        recover(&[SliverIndex(1)], helper),
        RecoverError::Size {
            sliver: SliverIndex(0),
            expected: 36,
            got: 3
        }
    );
    assert!(matches!(
        recover(&[SliverIndex(10)], helper),
        RecoverError::Index(_)
    ));
    let helper = HelperSymbols {
        sliver: SliverIndex(10),
        symbols: &[],
    };
    assert!(matches!(recover(&[], helper), RecoverError::Index(_)));
}
