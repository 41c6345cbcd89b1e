//! F10 to F14: disks that lie, fail, fill up and are slow.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Stage, any_f,
    crash::{again, one},
    shares, trial_seed, within,
};
use crate::{
    Attempt, Settings,
    inject::Injection,
    load::{Load, confirm},
    process::run,
    report::Findings,
    world::{World, wait_for},
};

/// Calls that make bytes durable.
const SYNCS: &str = "fdatasync,fsync,syncfs";
/// A node whose disk failed says so within this time.
const TOLD: Duration = Duration::from_secs(2);
/// A node with room again takes slivers again within this time.
const RESUMED: Duration = Duration::from_secs(30);
/// What every sync takes longer.
const SLOWER: Duration = Duration::from_millis(200);

/// F10: the simulated disk of the store, a test of its own.
pub(super) async fn simulated(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let seeds = settings.either(100, 5_000);
    let mut command = Command::new("cargo");
    command
        // Built as a part of the workspace, it is there already where the workspace was tested.
        .args(["test", "--quiet", "--workspace", "--test", "simulated_disk"])
        .args(settings.either(&[][..], &["--release"][..]))
        .env("FLOE_SEEDS", seeds.to_string());
    let begun = Instant::now();
    let said = tokio::task::spawn_blocking(move || run(&mut command)).await?;
    let wrong = said.err().map(|error| error.to_string());
    findings.trial(settings.seed, begun.elapsed(), wrong.into_iter().collect());
    findings.trials = seeds;
    findings
        .notes
        .push("trials are seeds, 0 to N - 1".to_owned());
    Ok(())
}

/// F11: the Nth sync or write of one node fails. From then on it signs nothing, and says that its
/// disk failed; opened again, it has everything it ever signed for.
pub(super) async fn errors(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, false).await?;
    for trial in 0..settings.either(4, 30) {
        let seed = trial_seed(settings, trial);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let victim = one(&mut rng);
        let nth = rng.random_range(1..12);
        let rule = match trial % 3 {
            0 | 1 => format!("{SYNCS}:error=EIO:when={nth}"),
            _ => format!("pwrite64:error=EIO:when={nth}"),
        };
        let wrong = fail_once(&mut stage, findings, victim, &rule).await?;
        let wrong = wrong
            .into_iter()
            .map(|what| format!("{rule} on node {victim}: {what}"));
        let mut wrong: Vec<String> = wrong.collect();
        stage.world.kill(&[victim]);
        let (took, late) = again(&mut stage, &[victim], Duration::from_secs(5)).await?;
        wrong.extend(late);
        wrong.extend(stage.unbacked(&[victim]).await);
        findings.trial(seed, took, wrong);
    }
    shares(findings, 1000, 990);
    stage.close(findings).await;
    Ok(())
}

async fn fail_once(
    stage: &mut Stage,
    findings: &mut Findings,
    victim: usize,
    rule: &str,
) -> Attempt<Vec<String>> {
    let log = stage.world.dir.join("strace.log");
    let process = stage
        .world
        .node(victim)
        .process
        .as_ref()
        .ok_or("not running")?
        .id();
    let injection = Injection::attach(process, rule, &log).await?;
    let load = Load::start(&stage.world, &stage.book, false);
    let failed = wait_for("the failure", Duration::from_secs(20), || {
        std::future::ready(injection.injected() > 0)
    })
    .await;
    let mut wrong: Vec<String> = failed
        .err()
        .map(|error| error.to_string())
        .into_iter()
        .collect();
    wrong.extend(falls_silent(stage, findings, load, victim, TOLD).await);
    drop(injection);
    Ok(wrong)
}

/// After its disk failed, a node says so in time and signs nothing more. Ends the load.
pub(super) async fn falls_silent(
    stage: &Stage,
    findings: &mut Findings,
    load: Load,
    victim: usize,
    limit: Duration,
) -> Vec<String> {
    let begun = Instant::now();
    let mut wrong = Vec::new();
    while stage
        .world
        .status(victim)
        .await
        .is_some_and(|status| status.ready)
    {
        if begun.elapsed() > limit {
            wrong.push("it still says that it is ready".to_owned());
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Nothing that is stored from now on may be signed for by it.
    let before = stage.book.acked().len();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (reads, writes) = load.stop().await;
    findings.reads.add(reads);
    findings.writes.add(writes);
    let member = stage.world.member(victim).as_usize();
    let acked = stage.book.acked();
    // Writers overlap: the first ones may have begun before the failure.
    for blob in acked.iter().skip(before + stage.world.writers.len()) {
        confirm(&stage.world.peers, &stage.world.network, &stage.book, blob).await;
        if stage
            .book
            .signed_by(member)
            .iter()
            .any(|signed| signed.number == blob.number)
        {
            wrong.push(format!(
                "it signed for blob {} after its disk failed",
                blob.number
            ));
        }
    }
    wrong
}

/// F12: the disks of `f` nodes are full, first up to the reserve, then to the last byte. Writes go on
/// elsewhere; with room again, the nodes take part again.
pub(super) async fn full(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, true).await?;
    for (trial, left_mib) in (0..).zip(settings.either(&[100_u64, 0][..], &[200, 100, 10, 1, 0])) {
        let seed = trial_seed(settings, trial);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let victims = any_f(&mut rng);
        for &node in &victims {
            ballast(&stage.world, node, *left_mib)?;
        }
        let (reads, writes) = Load::run_for(
            &stage.world,
            &stage.book,
            settings.either(Duration::from_secs(3), Duration::from_secs(10)),
        )
        .await;
        let mut wrong = Vec::new();
        if !reads.failures.is_empty() {
            wrong.push(format!(
                "{} reads failed: {}",
                reads.failures.len(),
                reads.failures[0]
            ));
        }
        findings.reads.add(reads);
        findings.writes.add(writes);
        for &node in &victims {
            if stage
                .world
                .status(node)
                .await
                .is_none_or(|status| status.ready)
            {
                wrong.push(format!("node {node} does not say that its disk is full"));
            }
            fs::remove_file(ballast_path(&stage.world, node))?;
        }
        let begun = Instant::now();
        for &node in &victims {
            let mut restarted = false;
            loop {
                let writer = stage.world.writers.first().ok_or("no writer")?;
                // Others may refuse a while, too: what counts is whether this node signs.
                if let Ok(blob) = stage.book.write(writer).await {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    confirm(&stage.world.peers, &stage.world.network, &stage.book, &blob).await;
                    let member = stage.world.member(node).as_usize();
                    if stage
                        .book
                        .signed_by(member)
                        .iter()
                        .any(|it| it.number == blob.number)
                    {
                        break;
                    }
                }
                if begun.elapsed() > RESUMED {
                    wrong.push(format!("node {node} does not take part again"));
                    break;
                }
                // A store that failed for want of space must be opened again.
                let ready = stage
                    .world
                    .status(node)
                    .await
                    .is_some_and(|status| status.ready);
                if !ready && !restarted {
                    restarted = true;
                    findings.notes.push(format!(
                        "{left_mib} MiB left: node {node} had to be restarted"
                    ));
                    stage.world.kill(&[node]);
                    stage.world.start(node)?;
                    stage.world.serving(&[node], RESUMED).await?;
                }
            }
        }
        let took = begun.elapsed();
        wrong.extend(stage.unbacked(&victims).await);
        let named = |what| format!("{left_mib} MiB left: {what}");
        findings.trial(seed, took, wrong.into_iter().map(named).collect());
    }
    shares(findings, 1000, 990);
    stage.close(findings).await;
    Ok(())
}

fn ballast_path(world: &World, node: usize) -> std::path::PathBuf {
    world.nodes[node].dir.join("data").join("ballast")
}

/// Fills a node's disk until so many MiB are left.
fn ballast(world: &World, node: usize, left_mib: u64) -> Attempt<()> {
    let path = ballast_path(world, node);
    let free = free_bytes(path.parent().ok_or("no folder")?)?;
    let size = free.saturating_sub(left_mib << 20);
    // What the file system needs for itself is taken by the last bytes, one way or the other.
    run(Command::new("sh")
        .args([
            "-c",
            r#"fallocate -l "$1" "$0" || cat /dev/zero >"$0" || true"#,
        ])
        .arg(&path)
        .arg(size.to_string()))?;
    Ok(())
}

fn free_bytes(folder: &Path) -> Attempt<u64> {
    let said = run(Command::new("df")
        .args(["-B1", "--output=avail"])
        .arg(folder))?;
    let number = said.lines().last().ok_or("df says nothing")?;
    Ok(number.trim().parse()?)
}

/// F14: every sync of `f` nodes takes 200 ms longer.
pub(super) async fn slow(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, false).await?;
    let healthy = stage.healthy(settings, findings).await;
    let victims = any_f(&mut stage.rng);
    let rule = format!("{SYNCS}:delay_exit={}", SLOWER.as_micros());
    let mut injections = Vec::new();
    for &node in &victims {
        let process = stage
            .world
            .node(node)
            .process
            .as_ref()
            .ok_or("not running")?
            .id();
        let log = stage.world.dir.join(format!("strace-{node}.log"));
        injections.push(Injection::attach(process, &rule, &log).await?);
    }
    let begun = Instant::now();
    (findings.reads, findings.writes) =
        Load::run_for(&stage.world, &stage.book, super::stretch(settings)).await;
    let delayed: usize = injections.iter().map(Injection::injected).sum();
    findings.bar(delayed > 0, format!("{delayed} syncs were delayed"));
    shares(findings, 1000, 990);
    let slack = Duration::from_millis(400);
    let (read, write) = (
        findings.reads.percentile(99),
        findings.writes.percentile(99),
    );
    within(findings, "reads", read, healthy.read * 5 / 2 + slack);
    within(findings, "writes", write, healthy.write * 5 / 2 + slack);
    findings.trial(trial_seed(settings, 0), begun.elapsed(), Vec::new());
    drop(injections);
    stage.close(findings).await;
    Ok(())
}
