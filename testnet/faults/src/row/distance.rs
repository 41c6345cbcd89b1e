//! F18 to F20: packets that are lost, late, doubled and overtaken, and narrow wires.

use std::time::{Duration, Instant};

use floe_client::{Client, Parts, Patience};

use super::{Healthy, Stage, any_f, shares, trial_seed, within};
use crate::{
    Attempt, Settings,
    load::Load,
    net::{Place, Tally, Way},
    report::{Findings, Samples},
    world::{Ground, World, dialer},
};

/// Dials from one socket to another within a minute: more is a storm.
const DIALS: usize = 10;
/// Bytes a second of a megabit.
const MEGABIT: u64 = 125_000;

const LOSSY: Way = Way {
    cut: false,
    lost: 100,
    doubled: 0,
    overtaken: 0,
    delay: Duration::ZERO,
};
const FAR: Way = Way {
    lost: 0,
    delay: Duration::from_millis(500),
    ..LOSSY
};
const BAD: Way = Way {
    lost: LOSSY.lost,
    doubled: 10,
    overtaken: 10,
    ..FAR
};

/// F18: one packet in ten is lost, both ways.
pub(super) async fn lossy(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let stage = Stage::on(settings, Ground::Apart).await?;
    let healthy = stage.healthy(settings, findings).await;
    stage
        .world
        .between()?
        .change(|model| model.ways(|way| *way = LOSSY));
    under_load(&stage, settings, findings).await;
    shares(findings, 1000, 995);
    let limit = |time: Duration| time * 4 + Duration::from_secs(2);
    let Healthy { read, write } = healthy;
    within(
        findings,
        "reads",
        findings.reads.percentile(99),
        limit(read),
    );
    within(
        findings,
        "writes",
        findings.writes.percentile(99),
        limit(write),
    );
    close(&stage, findings).await
}

/// F19: a second from question to answer, between any two.
pub(super) async fn far(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    const COLD: Duration = Duration::from_secs(8);
    const WARM: Duration = Duration::from_secs(4);
    let stage = Stage::on(settings, Ground::Apart).await?;
    stage
        .world
        .between()?
        .change(|model| model.ways(|way| *way = FAR));
    under_load(&stage, settings, findings).await;
    shares(findings, 1000, 995);
    let (mut cold, mut warm) = (Samples::default(), Samples::default());
    let (writer, mebibyte) = (stage.world.writers.first().ok_or("no writer")?, 1 << 20);
    let blob = stage.book.write_sized(writer, mebibyte).await?;
    for number in 0..settings.either(3, 20) {
        let client = stranger(&stage.world, number)?;
        for samples in [&mut cold, &mut warm] {
            let begun = Instant::now();
            match stage.book.read(&client, &blob).await {
                Ok(()) => samples.times.push(begun.elapsed()),
                Err(error) => samples.failures.push(error),
            }
        }
    }
    within(
        findings,
        "the first read of a mebibyte",
        cold.percentile(99),
        COLD,
    );
    within(findings, "a mebibyte read again", warm.percentile(99), WARM);
    findings.broken.extend(cold.failures);
    findings.broken.extend(warm.failures);
    close(&stage, findings).await
}

/// F20: all of it, and `f` nodes behind a megabit.
pub(super) async fn bad(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    const LIMIT: Duration = Duration::from_secs(20);
    let mut stage = Stage::on(settings, Ground::Apart).await?;
    let narrow = any_f(&mut stage.rng);
    stage.world.between()?.change(|model| {
        model.ways(|way| *way = BAD);
        for node in narrow {
            model.narrow(Place::node(node), MEGABIT);
        }
    });
    under_load(&stage, settings, findings).await;
    shares(findings, 999, 980);
    within(findings, "reads", findings.reads.percentile(99), LIMIT);
    within(findings, "writes", findings.writes.percentile(99), LIMIT);
    close(&stage, findings).await
}

/// Reads and writes for a stretch on a network that is bad already.
async fn under_load(stage: &Stage, settings: &Settings, findings: &mut Findings) {
    let begun = Instant::now();
    let time = settings.either(Duration::from_secs(20), Duration::from_secs(60));
    (findings.reads, findings.writes) = Load::run_for(&stage.world, &stage.book, time).await;
    findings.trial(trial_seed(settings, 0), begun.elapsed(), Vec::new());
}

/// The bars on dials and on what is never acceptable, the latter on a network that is well again.
async fn close(stage: &Stage, findings: &mut Findings) -> Attempt<()> {
    dials(stage, findings)?;
    stage.world.between()?.heal();
    stage.close(findings).await;
    Ok(())
}

/// A bar on how often one socket dials another, and one on the harness itself.
pub(super) fn dials(stage: &Stage, findings: &mut Findings) -> Attempt<()> {
    let between = stage.world.between()?;
    let (most, who) = between.most_dials().unwrap_or_default();
    findings.bar(
        (1..=DIALS).contains(&most),
        format!("at most {most} dials a minute, {who}; 1 to {DIALS} wanted"),
    );
    let Tally {
        sent,
        lost,
        overflowed,
    } = between.tally();
    findings.bar(
        overflowed == 0,
        format!("{lost} of {sent} packets lost, {overflowed} for want of room in the harness"),
    );
    Ok(())
}

/// A client that knows no node yet.
fn stranger(world: &World, number: usize) -> Attempt<Client> {
    Ok(Client::new(Parts {
        chain: std::sync::Arc::new(world.chain.clone()),
        wallet: None,
        peers: dialer()?,
        codec: world.codec.clone(),
        state_dir: world.dir.join(format!("stranger-{number}")),
        patience: Patience::default(),
    }))
}
