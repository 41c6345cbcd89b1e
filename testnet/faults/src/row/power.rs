//! F07 to F09: the power fails. What a node signed for before must be on its disk after.

use std::{path::PathBuf, time::Duration};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::Signal;

use super::{
    Stage,
    crash::{again, one as one_of},
    trial_seed,
};
use crate::{Attempt, Settings, load::Load, report::Findings, world::NODES};

/// After a cut a node serves again within this time.
const AGAIN: Duration = Duration::from_secs(10);
/// After a cut of all.
const ALL_AGAIN: Duration = Duration::from_secs(15);

/// F07: on one node.
pub(super) async fn one(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    cuts(
        settings,
        findings,
        settings.either(6, 20),
        |rng| vec![one_of(rng)],
        false,
    )
    .await
}

/// F08: on all nodes in the same second.
pub(super) async fn all(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    cuts(
        settings,
        findings,
        settings.either(2, 10),
        |_| (0..NODES).collect(),
        false,
    )
    .await
}

/// F09: again, while a node recovers from the first.
pub(super) async fn twice(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    cuts(
        settings,
        findings,
        settings.either(4, 20),
        |rng| vec![one_of(rng)],
        true,
    )
    .await
}

async fn cuts(
    settings: &Settings,
    findings: &mut Findings,
    count: u64,
    victims: fn(&mut ChaCha8Rng) -> Vec<usize>,
    double: bool,
) -> Attempt<()> {
    let mut stage = Stage::new(settings, true).await?;
    for trial in 0..count {
        let seed = trial_seed(settings, trial);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let victims = victims(&mut rng);
        let load = Load::start(&stage.world, &stage.book, true);
        tokio::time::sleep(Duration::from_millis(rng.random_range(1_000..2_500))).await;
        cut(&mut stage, &victims)?;
        if double {
            for &node in &victims {
                stage.world.start(node)?;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..700))).await;
            cut(&mut stage, &victims)?;
        }
        let limit = if victims.len() == 1 { AGAIN } else { ALL_AGAIN };
        let (took, mut wrong) = again(&mut stage, &victims, limit).await?;
        let (reads, writes) = load.stop().await;
        if victims.len() == 1 {
            findings.reads.add(reads);
            findings.writes.add(writes);
        }
        wrong.extend(stage.unbacked(&victims).await);
        findings.trial(seed, took, wrong);
    }
    let signed: usize = (0..NODES)
        .map(|member| stage.book.signed_by(member).len())
        .sum();
    findings.bar(
        signed > 0,
        format!("{signed} signed confirmations were checked"),
    );
    findings.bar(findings.reads.failures.is_empty(), "reads went on");
    stage.close(findings).await;
    Ok(())
}

/// Cuts the power of nodes: stopped in the same moment, their disks as they were then, all they had
/// in memory gone.
fn cut(stage: &mut Stage, victims: &[usize]) -> Attempt<()> {
    stage.world.signal(victims, Signal::STOP);
    let disk = |stage: &mut Stage, node: usize| -> Attempt<PathBuf> {
        let disk = stage.world.node(node).disk.as_ref();
        disk.ok_or("the node has no disk of its own")?.snapshot()
    };
    let snapshots: Vec<PathBuf> = victims
        .iter()
        .map(|&node| disk(stage, node))
        .collect::<Attempt<_>>()?;
    stage.world.kill(victims);
    for (&node, snapshot) in victims.iter().zip(&snapshots) {
        if let Some(disk) = &stage.world.node(node).disk {
            disk.restore(snapshot)?;
        }
    }
    Ok(())
}
