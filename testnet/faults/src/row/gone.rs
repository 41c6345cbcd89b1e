//! F13: a running node's disk takes no more writes, or somebody removes its files.

use std::{fs, time::Duration};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Stage,
    crash::{again, one},
    damage::{HEALED, healed},
    disk::falls_silent,
    shares, trial_seed,
};
use crate::{Attempt, Settings, load::Load, report::Findings};

/// The node says that its disk failed within this time, whether or not anybody writes.
const TOLD: Duration = Duration::from_secs(10);
/// Repaired, it serves again within this time.
const AGAIN: Duration = Duration::from_secs(10);

pub(super) async fn gone(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, true).await?;
    for trial in 0..settings.either(2, 10) {
        let seed = trial_seed(settings, trial);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let victim = one(&mut rng);
        let removed = trial % 2 == 1;
        let load = Load::start(&stage.world, &stage.book, true);
        tokio::time::sleep(Duration::from_millis(rng.random_range(1_000..2_500))).await;
        if removed {
            for entry in fs::read_dir(stage.world.nodes[victim].dir.join("data"))? {
                let path = entry?.path();
                if path.is_file() {
                    fs::remove_file(path)?;
                }
            }
        } else {
            let disk = stage.world.nodes[victim].disk.as_ref();
            disk.ok_or("the node has no disk of its own")?.fail()?;
        }
        let mut wrong = falls_silent(&stage, findings, load, victim, TOLD).await;
        stage.world.kill(&[victim]);
        if let (false, Some(disk)) = (removed, &stage.world.nodes[victim].disk) {
            disk.repair()?;
        }
        let (took, late) = again(&mut stage, &[victim], AGAIN).await?;
        wrong.extend(late);
        if removed {
            // Whoever removes files breaks what was signed for; others give it back.
            let (missing, _) = healed(&stage, &[victim], HEALED).await;
            findings.bar(missing == 0, format!("{missing} slivers are not healed"));
        }
        wrong.extend(stage.unbacked(&[victim]).await);
        let what = if removed {
            "files removed"
        } else {
            "read-only"
        };
        let named = |it| format!("{what}, node {victim}: {it}");
        findings.trial(seed, took, wrong.into_iter().map(named).collect());
    }
    shares(findings, 1000, 999);
    stage.close(findings).await;
    Ok(())
}
