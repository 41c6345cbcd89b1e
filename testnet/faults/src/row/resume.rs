//! The client is killed, or interrupted, in every phase of a store. `floe resume` goes on: it pays
//! nothing a second time and sends nothing a node has confirmed to have.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use floe_client::{Client, owned::OwnedBlob};
use floe_codec::BlobId;
use floe_p2p::wire::{Kind, message::GetBlobStatus};
use rustix::process::{Pid, Signal, kill_process};

use super::{Stage, trial_seed};
use crate::{
    Attempt, Settings, audit,
    process::run,
    report::Findings,
    world::{NODES, options},
};

/// Several segments, so that an upload can be interrupted within.
const SIZE: usize = 24 << 20;
/// Phases as they are told with `--progress json`, with how long after the beginning to strike.
const PHASES: &[(&str, u64)] = &[
    ("encode", 0),
    ("encode", 40),
    ("reserve", 0),
    ("reserve", 60),
    ("upload", 0),
    ("upload", 100),
    ("upload", 300),
    ("confirm", 0),
    ("certify", 0),
    ("certify", 60),
    ("tail", 0),
];

pub(super) async fn resume(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let stage = Stage::new(settings, false).await?;
    let owner = stage.world.owner().await?;
    // The quick form strikes in every third phase, and which ones they are follows from the seed.
    let (skip, step) = settings.either((usize::try_from(settings.seed % 3)?, 3), (0, 1));
    for round in 0..settings.either(1, 4) {
        let phases = PHASES.iter().enumerate().skip(skip).step_by(step);
        for (at, &(phase, after_ms)) in phases {
            let number = round * PHASES.len() + at;
            let seed = trial_seed(settings, number as u64);
            let signal = if number.is_multiple_of(2) {
                Signal::KILL
            } else {
                Signal::INT
            };
            let begun = Instant::now();
            let strike = Strike {
                phase,
                after_ms,
                signal,
            };
            let told = one(&stage, &owner, seed, strike, findings).await;
            let wrong = told.unwrap_or_else(|error| vec![error.to_string()]);
            let named = |what| format!("{signal:?} {after_ms} ms into {phase}: {what}");
            findings.trial(
                seed,
                begun.elapsed(),
                wrong.into_iter().map(named).collect(),
            );
        }
    }
    findings.broken.extend(stage.world.panics());
    Ok(())
}

struct Strike {
    phase: &'static str,
    after_ms: u64,
    signal: Signal,
}

async fn one(
    stage: &Stage,
    owner: &Client,
    seed: u64,
    strike: Strike,
    findings: &mut Findings,
) -> Attempt<Vec<String>> {
    let world = &stage.world;
    let content = stage.book.content(seed, SIZE);
    let blob = *audit::commitment(world, &content)
        .ok_or("the blob cannot be encoded")?
        .id();
    let file = world.dir.join(format!("resume-{seed}"));
    std::fs::write(&file, &content)?;
    let floe = |verb: &[&str]| {
        let mut command = Command::new(&world.floe);
        command
            .args(verb)
            .env("FLOE_CONFIG", world.dir.join("client.toml"));
        command
    };
    let path = file.display().to_string();
    let mut wrong = Vec::new();

    let begin = floe(&["store", "--json", "--progress", "json", &path]);
    let Strike {
        phase,
        after_ms,
        signal,
    } = strike;
    tokio::task::spawn_blocking(move || interrupt(begin, phase, after_ms, signal)).await??;
    let paid_before = registrations(owner, blob).await?;
    // What had been on its way when the client died may still arrive.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let held = complete(stage, blob, paid_before.first()).await;
    let sent_before = puts(stage).await;

    let id = blob.to_string();
    let resume = floe(&["resume", "--progress", "off", &id]);
    let again = floe(&["store", "--progress", "off", &path]);
    let resumed = tokio::task::spawn_blocking(move || {
        let (mut resume, mut again) = (resume, again);
        // Before the blob id was known, or after the end, there is nothing to resume.
        run(&mut resume).or_else(|_| run(&mut again))
    });
    let said = resumed.await??;
    if said.trim() != id {
        wrong.push(format!("it printed '{}' and not the id", said.trim()));
    }
    let sent_after = puts(stage).await;
    let paid_after = registrations(owner, blob).await?;
    if paid_after.len() != 1
        || (paid_before.len() == 1 && paid_before[0].object != paid_after[0].object)
    {
        wrong.push(format!(
            "{} registrations before, {} after",
            paid_before.len(),
            paid_after.len()
        ));
    }
    if sent_after.iter().sum::<u64>() == 0 {
        wrong.push("the nodes count no requests: nothing is shown by them".to_owned());
    }
    let mut again_to = 0;
    for (node, (before, after)) in sent_before.iter().zip(&sent_after).enumerate() {
        if held[node] && after > before {
            wrong.push(format!(
                "node {node} had everything and was sent {} more",
                after - before
            ));
        }
        again_to += usize::from(held[node]);
    }
    findings.notes.push(format!(
        "{signal:?} {after_ms} ms into {phase}: paid {} times before, {again_to} of {NODES} nodes had \
         everything, {} requests with slivers sent by resume",
        paid_before.len(),
        sent_after.iter().sum::<u64>() - sent_before.iter().sum::<u64>()
    ));
    let copy = world.dir.join("copy");
    let read = floe(&[
        "read",
        "--progress",
        "off",
        &id,
        "-o",
        &copy.display().to_string(),
    ]);
    tokio::task::spawn_blocking(move || run(&mut { read })).await??;
    if std::fs::read(&copy)? != content {
        wrong.push("other bytes came back".to_owned());
    }
    std::fs::remove_file(&copy)?;
    std::fs::remove_file(&file)?;
    Ok(wrong)
}

/// Runs a store until it tells that a phase begins, and ends it then.
fn interrupt(mut store: Command, phase: &str, after_ms: u64, signal: Signal) -> Attempt<()> {
    let mut child = store.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let told = child.stderr.take().ok_or("no stderr")?;
    let sign = format!(r#""phase":"{phase}""#);
    for line in BufReader::new(told).lines() {
        let line = line?;
        if line.contains(&sign) {
            std::thread::sleep(Duration::from_millis(after_ms));
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, signal);
            }
            break;
        }
    }
    child.wait()?;
    Ok(())
}

/// The wallet's registrations of a blob.
async fn registrations(owner: &Client, blob: BlobId) -> Attempt<Vec<OwnedBlob>> {
    let owned = owner.owned().await?;
    Ok(owned.into_iter().filter(|it| it.blob == blob).collect())
}

/// Which nodes have every sliver of the blob.
async fn complete(stage: &Stage, blob: BlobId, registered: Option<&OwnedBlob>) -> Vec<bool> {
    let world = &stage.world;
    let mut held = vec![false; NODES];
    let Some(registered) = registered else {
        return held;
    };
    let request = GetBlobStatus {
        blob,
        object: Some(registered.object),
    };
    let options = options(&world.network, Duration::from_secs(5));
    for (node, held) in held.iter_mut().enumerate() {
        let status = world
            .peers
            .get_blob_status(world.address(node), &request, &options)
            .await;
        *held = status.is_ok_and(|status| {
            status.missing.slivers.is_empty() && status.missing.metadata.is_empty()
        });
    }
    held
}

/// Requests with slivers that each node has answered.
async fn puts(stage: &Stage) -> Vec<u64> {
    let mut counts = Vec::new();
    for node in 0..NODES {
        counts.push(stage.world.answered(node, Kind::PUT_SLIVER).await);
    }
    counts
}

/// The folder's own client, as the command uses it.
pub(super) fn client_file(dir: &Path) -> std::path::PathBuf {
    dir.join("client.toml")
}
