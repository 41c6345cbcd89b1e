//! What a light client accepts and refuses, on a synthetic chain and on real Sui checkpoints.

use floe_chain::id::ObjectId;
use floe_chain::light::{LightError, Ratchet, TrustAnchor, TrustLimits, VerifiedCheckpoint};
use sui_sdk_types::{CheckpointData, SignedCheckpointSummary, ValidatorCommittee};

use crate::support::{SyntheticChain, Validators, done, event, thing, thing_type};

fn ratchet(salt: u8) -> Ratchet {
    Ratchet::new(
        TrustAnchor(SyntheticChain::anchor(salt)),
        TrustLimits::default(),
    )
    .expect("a committee")
}

#[test]
fn objects_and_events_follow_from_the_anchor_across_epochs() {
    let mut chain = SyntheticChain::new(1);
    let first = chain
        .add(vec![done(1, vec![event("A", b"one")], vec![])])
        .clone();
    let end = chain.end_epoch().clone();
    let object = thing(5, b"contents");
    let second = chain
        .add(vec![done(2, vec![], vec![object.clone()])])
        .clone();

    let mut ratchet = ratchet(1);
    ratchet.advance(end.summary.clone()).unwrap();
    assert_eq!(ratchet.epoch(), 1);
    assert_eq!(ratchet.since().unwrap().as_ms(), 1_000);

    let certified = ratchet.verify(second.summary.clone()).unwrap();
    let whole = VerifiedCheckpoint::verify(certified, second.contents.clone(), second.executed());
    let proven = whole.unwrap().transactions()[0].wrote(object).unwrap();
    let id = ObjectId::from_bytes([5; 32]);
    assert_eq!(
        proven.immutable(id, &thing_type()).unwrap()[32..],
        *b"contents"
    );
    assert!(
        proven
            .immutable(ObjectId::from_bytes([6; 32]), &thing_type())
            .is_err()
    );
    assert!(
        proven
            .immutable(id, &"0x9::thing::Other".parse().unwrap())
            .is_err()
    );

    // A checkpoint of the epoch before still verifies: its committee is remembered.
    let earlier = ratchet.verify(first.summary.clone()).unwrap();
    let whole = VerifiedCheckpoint::verify(earlier, first.contents.clone(), first.executed());
    assert_eq!(
        whole.unwrap().transactions()[0].events()[0].contents,
        b"one"
    );

    // The newest committee is an anchor of its own, also as text.
    let anchor = TrustAnchor::from_hex(&ratchet.to_anchor().to_hex()).unwrap();
    let fresh = Ratchet::new(anchor, TrustLimits::default()).unwrap();
    assert!(fresh.verify(second.summary).is_ok());
    assert!(matches!(
        fresh.verify(first.summary),
        Err(LightError::Epoch {
            found: 0,
            first: 1,
            last: 1
        })
    ));
}

#[test]
fn epochs_cannot_be_skipped_forged_or_followed_for_ever() {
    let mut chain = SyntheticChain::new(1);
    let middle = chain.add(vec![]).clone();
    let ends: Vec<_> = (0..3).map(|_| chain.end_epoch().summary.clone()).collect();

    let mut skipping = ratchet(1);
    assert!(matches!(
        skipping.advance(ends[1].clone()),
        Err(LightError::Epoch { found: 1, .. })
    ));
    let error = skipping.advance(middle.summary).unwrap_err();
    assert!(matches!(error, LightError::NotEndOfEpoch { checkpoint: 0 }));
    assert_eq!(skipping.epoch(), 0);

    // Another network's validators, and an end of epoch that names the forger's committee.
    let mut foreign = ratchet(2);
    let error = foreign.advance(ends[0].clone()).unwrap_err();
    assert!(matches!(error, LightError::Signature { checkpoint: 1, .. }));
    let mut forged = ends[0].clone();
    forged
        .checkpoint
        .end_of_epoch_data
        .as_mut()
        .unwrap()
        .next_epoch_committee = Validators::new(1, 9).committee.members;
    assert!(matches!(
        skipping.advance(forged),
        Err(LightError::Signature { .. })
    ));

    let limits = TrustLimits {
        max_steps: 2,
        ..TrustLimits::default()
    };
    let anchor = TrustAnchor(SyntheticChain::anchor(1));
    let mut bounded = Ratchet::new(anchor, limits).unwrap();
    bounded.advance(ends[0].clone()).unwrap();
    bounded.advance(ends[1].clone()).unwrap();
    let error = bounded.advance(ends[2].clone()).unwrap_err();
    assert!(matches!(error, LightError::AnchorTooOld { max_steps: 2 }));
}

#[test]
fn two_thirds_of_the_stake_must_sign() {
    let mut chain = SyntheticChain::new(1);
    let made = chain.add(vec![]).clone();
    let mut fewer = made.summary.clone();
    let single = chain.validators.keys[0].sign_checkpoint_summary(&fewer.checkpoint);
    fewer.signature.signature = single.signature;
    fewer.signature.bitmap = [0u32].into_iter().collect();
    assert!(matches!(
        ratchet(1).verify(fewer),
        Err(LightError::Signature { .. })
    ));
    let mut stranger = made.summary;
    stranger.signature.bitmap = [0u32, 1, 77].into_iter().collect();
    assert!(matches!(
        ratchet(1).verify(stranger),
        Err(LightError::Signature { .. })
    ));
}

#[test]
fn nothing_below_a_summary_can_be_changed_or_left_out() {
    let mut chain = SyntheticChain::new(1);
    let objects = vec![thing(5, b"contents")];
    let transactions = vec![
        done(1, vec![event("A", b"one"), event("B", b"two")], objects),
        done(2, vec![], vec![]),
    ];
    let made = chain.add(transactions).clone();
    let certified = || ratchet(1).verify(made.summary.clone()).unwrap();
    let check = |executed| VerifiedCheckpoint::verify(certified(), made.contents.clone(), executed);
    assert!(check(made.executed()).is_ok());

    let mut tampered = made.summary.clone();
    tampered.checkpoint.timestamp_ms += 1;
    assert!(matches!(
        ratchet(1).verify(tampered),
        Err(LightError::Signature { .. })
    ));

    // An event dropped, changed, all events withheld, events invented.
    let mut executed = made.executed();
    executed[0].1.as_mut().unwrap().0.pop();
    assert!(matches!(
        check(executed),
        Err(LightError::Digest { what: "events", .. })
    ));
    let mut executed = made.executed();
    executed[0].1.as_mut().unwrap().0[1].contents = b"three".to_vec();
    assert!(matches!(
        check(executed),
        Err(LightError::Digest { what: "events", .. })
    ));
    let mut executed = made.executed();
    executed[0].1 = None;
    assert!(matches!(
        check(executed),
        Err(LightError::Count { what: "events", .. })
    ));
    let mut executed = made.executed();
    executed[1].1 = executed[0].1.clone();
    assert!(matches!(
        check(executed),
        Err(LightError::Count { what: "events", .. })
    ));

    // A transaction left out, repeated, reordered, or with other effects.
    let mut executed = made.executed();
    executed.pop();
    assert!(matches!(
        check(executed),
        Err(LightError::Count {
            found: 1,
            certified: 2,
            ..
        })
    ));
    let mut executed = made.executed();
    executed.swap(0, 1);
    assert!(matches!(
        check(executed),
        Err(LightError::Digest {
            what: "effects",
            ..
        })
    ));
    let mut executed = made.executed();
    executed[1].0 = done(3, vec![], vec![]).effects;
    assert!(matches!(
        check(executed),
        Err(LightError::Digest {
            what: "effects",
            ..
        })
    ));

    // Contents of another checkpoint; another object in place of the one written.
    let other = chain.add(vec![]).contents.clone();
    let error = VerifiedCheckpoint::verify(certified(), other, vec![]).unwrap_err();
    assert!(matches!(
        error,
        LightError::Digest {
            what: "contents",
            ..
        }
    ));
    let whole = check(made.executed()).unwrap();
    for object in [thing(5, b"Contents"), thing(6, b"contents")] {
        let error = whole.transactions()[0].wrote(object).unwrap_err();
        assert!(matches!(error, LightError::NotWritten { .. }));
    }
    assert!(
        whole.transactions()[1]
            .wrote(thing(5, b"contents"))
            .is_err()
    );
}

#[test]
fn impossible_committees_are_refused_without_arithmetic_accidents() {
    let with_stakes = |stakes: &[u64]| {
        let mut committee = SyntheticChain::anchor(1);
        for (member, stake) in committee.members.iter_mut().zip(stakes) {
            member.stake = *stake;
        }
        Ratchet::new(TrustAnchor(committee), TrustLimits::default())
    };
    assert!(with_stakes(&[0, 0, 0, 0]).is_err());
    assert!(with_stakes(&[u64::MAX, 1, 0, 0]).is_err());
    let empty = ValidatorCommittee {
        epoch: 0,
        members: vec![],
    };
    assert!(Ratchet::new(TrustAnchor(empty), TrustLimits::default()).is_err());
    let limits = TrustLimits {
        max_validators: 3,
        ..TrustLimits::default()
    };
    assert!(Ratchet::new(TrustAnchor(SyntheticChain::anchor(1)), limits).is_err());
    assert!(TrustAnchor::from_hex("zz").is_err());
}

/// Real checkpoints of Sui's main network, read from the folder that `FLOE_SUI_CHECKPOINTS` names:
/// pairs of the last checkpoint of an epoch and one of the next, as BCS of `(u8, CheckpointData)`,
/// or of a signed summary alone.
#[test]
fn real_checkpoints_verify_down_to_their_objects() {
    let Some(folder) = std::env::var_os("FLOE_SUI_CHECKPOINTS") else {
        println!("skipped: FLOE_SUI_CHECKPOINTS is not set");
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    let data = |name: &str| -> (Vec<u8>, Option<CheckpointData>) {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let data = bcs::from_bytes::<(u8, CheckpointData)>(&bytes)
            .ok()
            .map(|d| d.1);
        (bytes, data)
    };
    let pairs = [
        ("15918264.chk", "16005062.chk", 215),
        ("20873329.yaml", "20958462.chk", 326),
    ];
    for (end, checkpoint, expected) in pairs {
        let (bytes, end) = data(end);
        let end: SignedCheckpointSummary = match end {
            Some(data) => data.checkpoint_summary,
            None => bcs::from_bytes(&bytes).unwrap(),
        };
        let members = end
            .checkpoint
            .end_of_epoch_data
            .unwrap()
            .next_epoch_committee;
        let committee = ValidatorCommittee {
            epoch: end.checkpoint.epoch + 1,
            members,
        };
        let ratchet = Ratchet::new(TrustAnchor(committee), TrustLimits::default()).unwrap();

        let data = data(checkpoint).1.unwrap();
        let certified = ratchet.verify(data.checkpoint_summary.clone()).unwrap();
        let executed = data
            .transactions
            .iter()
            .map(|t| (t.effects.clone(), t.events.clone()))
            .collect();
        let whole = VerifiedCheckpoint::verify(
            certified.clone(),
            data.checkpoint_contents.clone(),
            executed,
        )
        .unwrap();
        let mut objects = 0;
        for (transaction, verified) in data.transactions.iter().zip(whole.transactions()) {
            for object in &transaction.output_objects {
                verified.wrote(object.clone()).unwrap();
                objects += 1;
            }
        }
        assert_eq!(objects, expected, "{checkpoint}");

        let mut tampered = data.checkpoint_summary.clone();
        tampered.checkpoint.content_digest = sui_sdk_types::Digest::new([0; 32]);
        assert!(matches!(
            ratchet.verify(tampered),
            Err(LightError::Signature { .. })
        ));
        let (first, second) = (&data.transactions[0], &data.transactions[1]);
        let swapped = certified
            .contents(data.checkpoint_contents)
            .unwrap()
            .executed(0, second.effects.clone(), second.events.clone());
        assert!(matches!(swapped, Err(LightError::Digest { .. })));
        for object in &first.output_objects {
            assert!(whole.transactions()[1].wrote(object.clone()).is_err());
        }
    }
}
