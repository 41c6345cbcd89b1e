//! F15: bytes on `f` disks change behind their nodes' backs. F16: the disks are gone. Either way the
//! nodes heal, and then do without others.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use floe_p2p::wire::message::GetBlobStatus;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{Stage, any_f, crash::again, trial_seed};
use crate::{
    Attempt, Settings,
    load::{Acked, Load, fill},
    report::Findings,
    world::{F, NODES, options},
};

/// One pass over everything, and what it found must be healed in two.
const SCRUBBED: Duration = Duration::from_secs(30);
pub(super) const HEALED: Duration = Duration::from_secs(60);

/// How files with slivers are named.
const VOLUME: &str = ".slivers";

/// F15.
pub(super) async fn damage(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, false).await?;
    fill(&stage.world, &stage.book, settings.either(40, 200)).await?;
    let victims = any_f(&mut stage.rng);
    let others: Vec<usize> = (0..NODES).filter(|node| !victims.contains(node)).collect();
    stage.world.kill(&victims);
    let seed = trial_seed(settings, 0);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let flips = settings.either(300, 1_000);
    for (at, &node) in victims.iter().enumerate() {
        let dir = stage.world.nodes[node].dir.clone();
        scrub_at_once(&dir)?;
        let done = spoil(&dir.join("data"), &mut rng, flips / F, at)?;
        findings.notes.push(format!("node {node}: {done}"));
    }
    let (took, mut wrong) = again(&mut stage, &victims, Duration::from_secs(15)).await?;

    // Reads go on beside it, and nobody gets a wrong byte.
    let (reads, writes) = Load::run_for(&stage.world, &stage.book, Duration::from_secs(3)).await;
    if let Some(first) = reads.failures.first() {
        wrong.push(format!("{} reads failed: {first}", reads.failures.len()));
    }
    (findings.reads, findings.writes) = (reads, writes);

    for &node in &victims {
        match scrubbed(&stage, node).await {
            Ok(damaged) => findings
                .notes
                .push(format!("node {node}: {damaged} damaged slivers found")),
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        }
        wrong.extend(unnoticed(&stage, node).await);
    }
    let (missing, _) = healed(&stage, &victims, HEALED).await;
    findings.bar(
        missing == 0,
        format!(
            "{missing} slivers are not healed after {} s",
            HEALED.as_secs()
        ),
    );
    wrong.extend(without(&mut stage, others, &mut rng).await?);
    findings.trial(seed, took, wrong);
    stage.close(findings).await;
    Ok(())
}

/// F16.
pub(super) async fn wiped(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, false).await?;
    fill(&stage.world, &stage.book, settings.either(40, 200)).await?;
    let victims = any_f(&mut stage.rng);
    let others: Vec<usize> = (0..NODES).filter(|node| !victims.contains(node)).collect();
    let begun = Instant::now();
    let mut wrong = stage.book.read_all(&stage.world.reader).await;
    let limit = Duration::from_secs(30) + 3 * begun.elapsed();
    stage.world.kill(&victims);
    for &node in &victims {
        fs::remove_dir_all(stage.world.nodes[node].dir.join("data"))?;
    }
    let (_, late) = again(&mut stage, &victims, Duration::from_secs(15)).await?;
    wrong.extend(late);
    let (missing, took) = healed(&stage, &victims, limit).await;
    findings.bar(
        missing == 0,
        format!(
            "{missing} slivers are not there again after {} s",
            limit.as_secs()
        ),
    );
    let (mut bytes, mut received) = (0, 0);
    for &node in &victims {
        let heal = stage.world.status(node).await.unwrap_or_default().heal;
        bytes += heal.bytes;
        received += heal.received;
    }
    findings.bar(
        received * 5 <= bytes * 6,
        format!("{received} bytes received for {bytes} lost, 1.2 times as many allowed"),
    );
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    wrong.extend(without(&mut stage, others, &mut rng).await?);
    findings.trial(trial_seed(settings, 0), took, wrong);
    stage.close(findings).await;
    Ok(())
}

/// Waits until nodes lack nothing; what they lack when the time is over, and how long it took.
pub(super) async fn healed(stage: &Stage, nodes: &[usize], limit: Duration) -> (u64, Duration) {
    let begun = Instant::now();
    loop {
        let missing = lacking(stage, nodes).await;
        if missing == 0 || begun.elapsed() >= limit {
            return (missing, begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Whoever was whole goes away, as many as may: what cannot be read now?
async fn without(
    stage: &mut Stage,
    mut others: Vec<usize>,
    rng: &mut ChaCha8Rng,
) -> Attempt<Vec<String>> {
    others.shuffle(rng);
    others.truncate(F);
    stage.world.kill(&others);
    let lost = stage.book.read_all(&stage.world.reader).await;
    for &node in &others {
        stage.world.start(node)?;
    }
    stage
        .world
        .serving(&others, Duration::from_secs(15))
        .await?;
    Ok(lost)
}

/// The node re-reads its disk without a pause.
fn scrub_at_once(node: &Path) -> Attempt<()> {
    let path = node.join("node.toml");
    let mut text = fs::read_to_string(&path)?;
    if let Some(start) = text.find("[upkeep]") {
        text.truncate(start);
    }
    text.push_str("\n[upkeep]\nscrub_hours = 0\n");
    Ok(fs::write(&path, text)?)
}

/// Flips bits in every kind of file; the first node also loses ends of volumes, the second has two of
/// them swapped, the third loses its index.
fn spoil(data: &Path, rng: &mut ChaCha8Rng, flips: usize, victim: usize) -> Attempt<String> {
    let mut volumes: Vec<PathBuf> = Vec::new();
    let mut index = Vec::new();
    for entry in fs::read_dir(data)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        match () {
            () if name == "index.redb" => index.push(path),
            () if name.ends_with(VOLUME) => volumes.push(path),
            () => {}
        }
    }
    volumes.sort();
    let mut flipped = 0;
    for _ in 0..flips {
        let file = &volumes[rng.random_range(0..volumes.len())];
        flipped += usize::from(flip(file, rng)?);
    }
    let extra = match victim {
        0 => {
            let file = &volumes[rng.random_range(0..volumes.len())];
            let length = fs::metadata(file)?.len();
            OpenOptions::new()
                .write(true)
                .open(file)?
                .set_len(length * 2 / 3)?;
            "a volume cut to two thirds"
        }
        1 if volumes.len() > 1 => {
            let aside = data.join("aside");
            fs::rename(&volumes[0], &aside)?;
            fs::rename(&volumes[1], &volumes[0])?;
            fs::rename(&aside, &volumes[1])?;
            "two volumes swapped"
        }
        1 => {
            for file in &index {
                flip(file, rng)?;
            }
            "one bit of the index flipped"
        }
        _ => {
            for file in &index {
                for _ in 0..200 {
                    flip(file, rng)?;
                }
            }
            "200 bits of the index flipped"
        }
    };
    Ok(format!(
        "{flipped} bits of {} volumes flipped, {extra}",
        volumes.len()
    ))
}

fn flip(file: &Path, rng: &mut ChaCha8Rng) -> Attempt<bool> {
    let open = OpenOptions::new().read(true).write(true).open(file)?;
    let length = open.metadata()?.len();
    if length == 0 {
        return Ok(false);
    }
    let at = rng.random_range(0..length);
    let mut byte = [0];
    open.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1 << rng.random_range(0..8);
    open.write_all_at(&byte, at)?;
    Ok(true)
}

/// Waits until a node has re-read all its slivers once since it was started; returns how many it
/// found damaged.
async fn scrubbed(stage: &Stage, node: usize) -> Attempt<u64> {
    let begun = Instant::now();
    loop {
        let status = stage.world.status(node).await;
        match status.and_then(|status| status.scrub) {
            Some(scrub) if scrub.passes > 0 => return Ok(scrub.damaged),
            _ if begun.elapsed() > SCRUBBED => {
                return Err(format!("node {node} is not scrubbed").into());
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Slivers that the node still believes to have and cannot give.
async fn unnoticed(stage: &Stage, node: usize) -> Vec<String> {
    let member = stage.world.member(node).as_usize();
    let mut wrong = Vec::new();
    for blob in stage.book.signed_by(member) {
        let known = missing_of(stage, node, &blob).await;
        let found = crate::audit::check(&stage.world, &stage.book, node, &blob).await;
        if known == Some(0) {
            wrong.extend(found.map(|what| format!("not found by the scrub: {what}")));
        }
    }
    wrong
}

/// How many slivers of a blob the node knows to lack; `None` if it does not say.
async fn missing_of(stage: &Stage, node: usize, blob: &Acked) -> Option<u64> {
    let request = GetBlobStatus {
        blob: blob.blob,
        object: Some(blob.object),
    };
    let options = options(&stage.world.network, Duration::from_secs(5));
    let address = stage.world.address(node);
    let status = stage
        .world
        .peers
        .get_blob_status(address, &request, &options)
        .await
        .ok()?;
    Some(
        status
            .missing
            .slivers
            .iter()
            .map(|(_, _, range)| u64::from(range.count))
            .sum(),
    )
}

/// Slivers that nodes lack, all together.
async fn lacking(stage: &Stage, nodes: &[usize]) -> u64 {
    let mut missing = 0;
    for &node in nodes {
        let member = stage.world.member(node).as_usize();
        for blob in stage.book.signed_by(member) {
            missing += missing_of(stage, node, &blob).await.unwrap_or(1);
        }
    }
    missing
}
