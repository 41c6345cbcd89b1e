//! F05 and F06: processes that die and come back, under load.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Stage, pick, shares, trial_seed};
use crate::{
    Attempt, Settings,
    load::{Load, fill},
    report::Findings,
    world::{F, NODES},
};

/// A killed node serves again after this time.
const ONE_AGAIN: Duration = Duration::from_secs(5);
/// All of them do.
const ALL_AGAIN: Duration = Duration::from_secs(15);

/// F05: a random node dies every few seconds; at most `f` are down at once.
pub(super) async fn some(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, false).await?;
    fill(&stage.world, &stage.book, 4).await?;
    let load = Load::start(&stage.world, &stage.book, true);
    let mut down: VecDeque<usize> = VecDeque::new();
    let kills = settings.either(15, 200);
    for trial in 0..kills {
        let seed = trial_seed(settings, trial);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let up: Vec<usize> = (0..NODES).filter(|node| !down.contains(node)).collect();
        let victim = up[rng.random_range(0..up.len())];
        stage.world.kill(&[victim]);
        down.push_back(victim);
        let pause = settings.either(300..900, 1_000..3_000);
        tokio::time::sleep(Duration::from_millis(rng.random_range(pause))).await;
        // The one that is down longest comes back.
        if down.len() < F && trial + 1 < kills {
            continue;
        }
        let back = down.pop_front().ok_or("nobody is down")?;
        let (took, wrong) = again(&mut stage, &[back], ONE_AGAIN).await?;
        findings.trial(seed, took, wrong);
    }
    for node in down {
        let (took, wrong) = again(&mut stage, &[node], ONE_AGAIN).await?;
        findings.trial(trial_seed(settings, kills), took, wrong);
    }
    (findings.reads, findings.writes) = load.stop().await;
    shares(findings, 999, 990);
    let all: Vec<usize> = (0..NODES).collect();
    findings.broken.extend(stage.unbacked(&all).await);
    stage.close(findings).await;
    Ok(())
}

/// F06: all nodes die in the same moment.
pub(super) async fn all(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, false).await?;
    let everybody: Vec<usize> = (0..NODES).collect();
    for trial in 0..settings.either(2, 20) {
        let seed = trial_seed(settings, trial);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let load = Load::start(&stage.world, &stage.book, true);
        tokio::time::sleep(Duration::from_millis(rng.random_range(1_000..2_500))).await;
        stage.world.kill(&everybody);
        let (took, mut wrong) = again(&mut stage, &everybody, ALL_AGAIN).await?;
        // What was under way when everybody died may fail; it was not acknowledged.
        load.stop().await;
        wrong.extend(stage.unbacked(&everybody).await);
        wrong.extend(stage.book.read_all(&stage.world.reader).await);
        findings.trial(seed, took, wrong);
    }
    stage.close(findings).await;
    Ok(())
}

/// Starts nodes again; returns how long they took to serve, and whether that was too long.
pub(super) async fn again(
    stage: &mut Stage,
    nodes: &[usize],
    limit: Duration,
) -> Attempt<(Duration, Vec<String>)> {
    let begun = Instant::now();
    for &node in nodes {
        stage.world.start(node)?;
    }
    let mut wrong = Vec::new();
    if let Err(error) = stage.world.serving(nodes, limit * 4).await {
        wrong.push(error.to_string());
    }
    let took = begun.elapsed();
    if took > limit && wrong.is_empty() {
        let (took, limit) = (took.as_millis(), limit.as_millis());
        wrong.push(format!("serving again after {took} ms, {limit} ms allowed"));
    }
    Ok((took, wrong))
}

/// One node, drawn.
pub(super) fn one(rng: &mut ChaCha8Rng) -> usize {
    pick(rng, 1)[0]
}
