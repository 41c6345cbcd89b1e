//! Hostile peers against a real node that has 256 MiB of memory: whatever they send is answered with
//! a typed refusal or cut off, memory stays bounded, and honest traffic goes on.

mod crowd;
pub(super) mod malformed;
pub(super) mod raw;
mod refused;

use std::time::{Duration, Instant};

use floe_p2p::{address::PeerAddress, client::CallError, transport::DialError};

use self::{
    crowd::{crowd, flood},
    malformed::malformed,
    refused::well_formed,
};
use super::{Stage, trial_seed};
use crate::{
    Attempt, Settings,
    inject::MemoryGroup,
    load::{Load, fill},
    report::Findings,
    world::{dialer, options},
};

/// Memory of the node under attack.
const MEMORY: u64 = 256 << 20;
/// Within this time every stream has been answered or cut off.
const ANSWERED: Duration = Duration::from_secs(30);
/// The node under attack.
const VICTIM: usize = 0;

pub(super) async fn hostile(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let group = MemoryGroup::new("hostile", MEMORY)?;
    let mut stage = Stage::new(settings, false).await?;
    fill(&stage.world, &stage.book, 8).await?;
    stage.world.kill(&[VICTIM]);
    stage.world.node(VICTIM).wrap.group = Some(group.path().to_owned());
    stage.world.start(VICTIM)?;
    stage.world.serving(&[VICTIM], ANSWERED).await?;
    let calm = group.resident();

    let load = Load::start(&stage.world, &stage.book, false);
    let target = stage.world.address(VICTIM).clone();
    let known = stage
        .book
        .acked()
        .first()
        .cloned()
        .ok_or("nothing was stored")?;
    well_formed(&stage, &known, findings).await;
    wrong_identity(&stage, findings).await;
    let rounds = settings.either(2, 20);
    let mut peak = 0;
    for round in 0..rounds {
        let seed = trial_seed(settings, round);
        let begun = Instant::now();
        let wrong = malformed(&target, seed).await?;
        peak = peak.max(group.resident());
        findings.trial(seed, begun.elapsed(), wrong);
    }
    let begun = Instant::now();
    let (wrong, most) = flood(&stage, &group).await?;
    peak = peak.max(most);
    findings.trial(trial_seed(settings, rounds + 1), begun.elapsed(), wrong);
    let begun = Instant::now();
    let (wrong, most) = crowd(&target, &group).await?;
    peak = peak.max(most);
    findings.trial(trial_seed(settings, rounds), begun.elapsed(), wrong);

    (findings.reads, findings.writes) = load.stop().await;
    super::shares(findings, 990, 990);
    let mib = |bytes: u64| bytes >> 20;
    findings.notes.push(format!(
        "anonymous memory {} MiB before, {} MiB at most under attack, of {} MiB; with page cache {} MiB",
        mib(calm),
        mib(peak),
        mib(MEMORY),
        mib(group.peak())
    ));
    findings.bar(
        group.killed() == 0,
        format!("{} processes were killed for memory", group.killed()),
    );
    let process = stage
        .world
        .node(VICTIM)
        .process
        .as_mut()
        .ok_or("not running")?;
    findings.bar(process.ended()?.is_none(), "the node lives");
    findings.broken.extend(stage.unbacked(&[VICTIM]).await);
    stage.close(findings).await;
    drop(stage);
    Ok(())
}

/// Whoever proves another identity than the one expected is not spoken to.
async fn wrong_identity(stage: &Stage, findings: &mut Findings) {
    let real = stage.world.address(VICTIM);
    let other = PeerAddress {
        peer: stage.world.address(VICTIM + 1).peer,
        addresses: real.addresses.clone(),
    };
    let options = options(&stage.world.network, Duration::from_secs(5));
    // A connection of its own: one that is open already proved who it is.
    let answer = match dialer() {
        Ok(peers) => peers.health(&other, &options).await,
        Err(error) => return findings.broken.push(error.to_string()),
    };
    findings.bar(
        matches!(answer, Err(CallError::Dial(DialError::WrongPeer { .. }))),
        format!(
            "another identity at the address: {:?}",
            answer.err().map(|e| e.to_string())
        ),
    );
}
