//! F02 to F04: nodes that go away and stay away; as many as may, and one more.

use std::time::{Duration, Instant};

use floe_client::store::StoreError;

use super::{Stage, any_f, pick, shares, trial_seed, within as within_bar};
use crate::{
    Attempt, Settings,
    load::{Load, fill},
    report::Findings,
    world::{F, NODES},
};

/// A failure must be told within this time.
const TYPED: Duration = Duration::from_secs(30);

/// F02: reads and writes go on without `f` nodes.
pub(super) async fn within(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, false).await?;
    let healthy = stage.healthy(settings, findings).await;
    let gone = any_f(&mut stage.rng);
    let begun = Instant::now();
    stage.world.kill(&gone);
    let (reads, writes) = Load::run_for(&stage.world, &stage.book, super::stretch(settings)).await;
    (findings.reads, findings.writes) = (reads, writes);
    shares(findings, 1000, 999);
    let (read, write) = (
        findings.reads.percentile(99),
        findings.writes.percentile(99),
    );
    within_bar(findings, "reads without f", read, healthy.read * 2);
    within_bar(findings, "writes without f", write, healthy.write * 2);
    findings.trial(trial_seed(settings, 0), begun.elapsed(), Vec::new());
    stage.close(findings).await;
    Ok(())
}

/// F03: without `f + 1`, reads go on and writes fail, typed and in time.
pub(super) async fn beyond(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, false).await?;
    fill(&stage.world, &stage.book, 8).await?;
    let gone = pick(&mut stage.rng, F + 1);
    stage.world.kill(&gone);
    let acked = stage.book.acked().len();
    for trial in 0..settings.either(1, 10) {
        let begun = Instant::now();
        let writer = stage.world.writers.first().ok_or("no writer")?;
        let mut wrong = Vec::new();
        match stage.book.write(writer).await {
            Err(StoreError::QuorumLost(_)) => {}
            Err(error) => wrong.push(format!("a write failed with another error: {error}")),
            Ok(_) => wrong.push("a write was acknowledged without a quorum".to_owned()),
        }
        let took = begun.elapsed();
        if took > TYPED {
            wrong.push(format!("the failure took {} s", took.as_secs()));
        }
        findings.writes.times.push(took);
        wrong.extend(stage.book.read_all(&stage.world.reader).await);
        findings.trial(trial_seed(settings, trial), took, wrong);
    }
    findings
        .notes
        .push("writes: time to the typed failure".to_owned());
    findings.bar(
        stage.book.acked().len() == acked,
        "nothing was acknowledged",
    );
    stage.close(findings).await;
    Ok(())
}

/// F04: the last `k1` shards are enough to read; one fewer is a typed failure in time.
pub(super) async fn last(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    const ENOUGH: usize = NODES - 2 * F;
    let mut stage = Stage::new(settings, false).await?;
    fill(&stage.world, &stage.book, 8).await?;
    let gone = pick(&mut stage.rng, NODES - ENOUGH);
    stage.world.kill(&gone);
    let begun = Instant::now();
    let lost = stage.book.read_all(&stage.world.reader).await;
    findings.trial(trial_seed(settings, 0), begun.elapsed(), lost);

    let left: Vec<usize> = (0..NODES).filter(|node| !gone.contains(node)).collect();
    stage.world.kill(&left[..1]);
    let begun = Instant::now();
    let reads = stage.book.acked();
    let blob = reads.last().ok_or("nothing was stored")?;
    let failure = stage.book.read(&stage.world.reader, blob).await;
    let took = begun.elapsed();
    let mut wrong = Vec::new();
    if failure.is_ok() {
        wrong.push(format!("read from {} of {ENOUGH} shards", ENOUGH - 1));
    }
    if took > TYPED {
        wrong.push(format!("the failure took {} s", took.as_secs()));
    }
    findings
        .notes
        .push(format!("one fewer: {}", failure.err().unwrap_or_default()));
    findings.trial(trial_seed(settings, 1), took, wrong);

    for node in 0..NODES {
        if node == left[0] || gone.contains(&node) {
            stage.world.start(node)?;
        }
    }
    let all: Vec<usize> = (0..NODES).collect();
    stage.world.serving(&all, TYPED).await?;
    stage.close(findings).await;
    Ok(())
}
