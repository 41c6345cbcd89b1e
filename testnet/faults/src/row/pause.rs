//! F21 and F22: processes that stand still for a while, and clocks that are wrong.

use std::{
    fs,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{Stage, any_f, shares, stretch, trial_seed, within};
use crate::{Attempt, Settings, facility::faketime, load::Load, report::Findings};

/// F21: `f` nodes are stopped for half a minute, and go on.
pub(super) async fn stopped(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let mut stage = Stage::new(settings, false).await?;
    let healthy = stage.healthy(settings, findings).await;
    for trial in 0..settings.either(1, 3) {
        let victims = any_f(&mut stage.rng);
        let pause = settings.either(Duration::from_secs(8), Duration::from_secs(30));
        stage.world.signal(&victims, Signal::STOP);
        let (reads, writes) = Load::run_for(&stage.world, &stage.book, pause).await;
        findings.reads.add(reads);
        findings.writes.add(writes);
        stage.world.signal(&victims, Signal::CONT);
        let begun = Instant::now();
        let served = stage.world.serving(&victims, Duration::from_secs(15)).await;
        let mut wrong: Vec<String> = served
            .err()
            .map(|error| error.to_string())
            .into_iter()
            .collect();
        wrong.extend(stage.unbacked(&victims).await);
        findings.trial(trial_seed(settings, trial), begun.elapsed(), wrong);
    }
    shares(findings, 1000, 990);
    let (read, write) = (
        findings.reads.percentile(99),
        findings.writes.percentile(99),
    );
    within(findings, "reads", read, healthy.read * 3);
    within(findings, "writes", write, healthy.write * 3);
    stage.close(findings).await;
    Ok(())
}

/// F22: the wall clocks of `f` nodes are a day ahead or behind, then jump by an hour while they run.
pub(super) async fn clocks(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let library = faketime().ok_or("libfaketime is not installed")?;
    let mut stage = Stage::new(settings, false).await?;
    let victims = any_f(&mut stage.rng);
    let clock = stage.world.dir.join("clock");
    for (trial, (before, after)) in (0..).zip([("+24h", "+25h"), ("-24h", "-23h")]) {
        fs::write(&clock, before)?;
        let env = [
            ("LD_PRELOAD", library.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // Time that only goes forward is what deadlines are measured by.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        stage.world.kill(&victims);
        for &node in &victims {
            let env = env
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()));
            stage.world.node(node).wrap.env = env.collect();
            stage.world.start(node)?;
        }
        let begun = Instant::now();
        let served = stage.world.serving(&victims, Duration::from_secs(30)).await;
        let took = begun.elapsed();
        let half = stretch(settings) / 2;
        for time in [before, after] {
            fs::write(&clock, time)?;
            let (reads, writes) = Load::run_for(&stage.world, &stage.book, half).await;
            findings.reads.add(reads);
            findings.writes.add(writes);
        }
        let mut wrong: Vec<String> = served
            .err()
            .map(|error| error.to_string())
            .into_iter()
            .collect();
        let member = |node: &usize| stage.world.member(*node).as_usize();
        let last = stage
            .book
            .acked()
            .last()
            .cloned()
            .ok_or("nothing was written")?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        crate::load::confirm(&stage.world.peers, &stage.world.network, &stage.book, &last).await;
        for node in &victims {
            let signed = stage.book.signed_by(member(node));
            if !signed.iter().any(|blob| blob.number == last.number) {
                wrong.push(format!("node {node} with another clock signs nothing"));
            }
        }
        wrong.extend(stage.unbacked(&victims).await);
        findings.trial(trial_seed(settings, trial), took, wrong);
    }
    shares(findings, 1000, 990);
    stage.close(findings).await;
    Ok(())
}
