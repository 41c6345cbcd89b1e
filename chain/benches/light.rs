//! How long a light client needs for a real checkpoint of Sui's main network, beside the SDK's bare
//! check of the validators' signature on it.
//!
//! `FLOE_SUI_CHECKPOINTS=DIR cargo bench -p floe-chain --features light --bench light`; the folder is
//! the one of the test `real_checkpoints_verify_down_to_their_objects`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program for people"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use floe_chain::light::{Ratchet, TrustAnchor, TrustLimits, VerifiedCheckpoint};
use sui_crypto::bls12381::ValidatorCommitteeSignatureVerifier;
use sui_sdk_types::{CheckpointData, SignedCheckpointSummary, ValidatorCommittee};

const ROUNDS: usize = 25;

/// The last checkpoint of an epoch, and one of the next.
const PAIRS: [(&str, &str); 2] = [
    ("15918264.chk", "16005062.chk"),
    ("20873329.yaml", "20958462.chk"),
];

fn main() {
    let Some(folder) = std::env::var_os("FLOE_SUI_CHECKPOINTS") else {
        println!("FLOE_SUI_CHECKPOINTS names no folder: nothing to measure");
        return;
    };
    println!(
        "| checkpoint | validators | transactions | objects | step | ours | SDK, signature only | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (end, checkpoint) in PAIRS {
        let committee = next_committee(&std::fs::read(Path::new(&folder).join(end)).unwrap());
        let bytes = std::fs::read(Path::new(&folder).join(checkpoint)).unwrap();
        let (_, data): (u8, CheckpointData) = bcs::from_bytes(&bytes).unwrap();
        measure(checkpoint, &committee, &data);
    }
}

fn next_committee(end: &[u8]) -> ValidatorCommittee {
    let whole = bcs::from_bytes::<(u8, CheckpointData)>(end);
    let summary: SignedCheckpointSummary = match whole {
        Ok((_, data)) => data.checkpoint_summary,
        Err(_) => bcs::from_bytes(end).unwrap(),
    };
    let data = summary.checkpoint.end_of_epoch_data.unwrap();
    ValidatorCommittee {
        epoch: summary.checkpoint.epoch + 1,
        members: data.next_epoch_committee,
    }
}

fn measure(name: &str, committee: &ValidatorCommittee, data: &CheckpointData) {
    let objects: usize = data
        .transactions
        .iter()
        .map(|t| t.output_objects.len())
        .sum();
    let (mut bare, mut one, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(timed(|| {
            let verifier = ValidatorCommitteeSignatureVerifier::new(committee.clone()).unwrap();
            let signed = &data.checkpoint_summary;
            verifier
                .verify_checkpoint_summary(&signed.checkpoint, &signed.signature)
                .unwrap();
        }));
        one.push(timed(|| prove_one(committee, data)));
        all.push(timed(|| prove_all(committee, data)));
    }
    let bare = median(bare);
    let transactions = data.transactions.len();
    let validators = committee.members.len();
    for (step, took) in [
        ("anchor to one object", median(one)),
        ("anchor to every object", median(all)),
    ] {
        println!(
            "| {name} | {validators} | {transactions} | {objects} | {step} | {:.2} ms | {:.2} ms | {:.2} |",
            took.as_secs_f64() * 1e3,
            bare.as_secs_f64() * 1e3,
            took.as_secs_f64() / bare.as_secs_f64()
        );
    }
}

/// From the anchor to the first object that the checkpoint's last transaction wrote.
fn prove_one(committee: &ValidatorCommittee, data: &CheckpointData) {
    let ratchet = Ratchet::new(TrustAnchor(committee.clone()), TrustLimits::default()).unwrap();
    let certified = ratchet.verify(data.checkpoint_summary.clone()).unwrap();
    let contents = certified
        .contents(data.checkpoint_contents.clone())
        .unwrap();
    let last = data.transactions.last().unwrap();
    let position = u32::try_from(data.transactions.len() - 1).unwrap();
    let executed = contents.executed(position, last.effects.clone(), last.events.clone());
    let object = last.output_objects.first().unwrap().clone();
    black_box(executed.unwrap().wrote(object).unwrap());
}

/// From the anchor to everything that the checkpoint wrote.
fn prove_all(committee: &ValidatorCommittee, data: &CheckpointData) {
    let ratchet = Ratchet::new(TrustAnchor(committee.clone()), TrustLimits::default()).unwrap();
    let certified = ratchet.verify(data.checkpoint_summary.clone()).unwrap();
    let executed = data.transactions.iter();
    let executed = executed
        .map(|t| (t.effects.clone(), t.events.clone()))
        .collect();
    let contents = data.checkpoint_contents.clone();
    let whole = VerifiedCheckpoint::verify(certified, contents, executed).unwrap();
    for (transaction, verified) in data.transactions.iter().zip(whole.transactions()) {
        for object in &transaction.output_objects {
            black_box(verified.wrote(object.clone()).unwrap());
        }
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
