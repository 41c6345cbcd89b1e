//! F17: the network falls apart in several ways, and heals.

use std::time::{Duration, Instant};

use floe_client::store::StoreError;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{Stage, distance::dials, trial_seed};
use crate::{
    Attempt, Settings,
    load::{Load, fill},
    net::Place,
    report::Findings,
    world::{F, Ground, NODES},
};

/// A failure must be told within this time.
const TYPED: Duration = Duration::from_secs(30);
/// Operations begun so long after healing succeed.
const WELL: Duration = Duration::from_secs(15);
/// So long after healing all nodes know the same.
const AGREED: Duration = Duration::from_secs(60);

/// How the network falls apart. Clients and chain are on the side that is named last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `f` nodes from the rest.
    Few,
    /// Half the nodes from the other half: no quorum anywhere, but enough to read.
    Halves,
    /// The rest from `f` nodes: too few to read.
    Most,
    /// Each node from every other, though not from clients and chain.
    Islands,
    /// Each node from everybody.
    Alone,
    /// `f` nodes are heard, and hear nobody.
    Deaf,
    /// `f` nodes hear, and nobody hears them.
    Mute,
    /// Node after node from everybody, healed in another order.
    Swizzle,
}

/// Quick form first; ten schedules are one round and two more.
const SHAPES: [Shape; 8] = [
    Shape::Few,
    Shape::Halves,
    Shape::Deaf,
    Shape::Swizzle,
    Shape::Most,
    Shape::Mute,
    Shape::Islands,
    Shape::Alone,
];

/// What must work while the network is apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Works {
    reads: bool,
    writes: bool,
}

impl Shape {
    /// `None` if it changes while it lasts.
    const fn works(self) -> Option<Works> {
        let (reads, writes) = match self {
            Self::Few | Self::Deaf | Self::Mute | Self::Islands => (true, true),
            Self::Halves => (true, false),
            Self::Most | Self::Alone => (false, false),
            Self::Swizzle => return None,
        };
        Some(Works { reads, writes })
    }
}

/// F17.
pub(super) async fn partitions(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let stage = Stage::on(settings, Ground::Apart).await?;
    fill(&stage.world, &stage.book, 8).await?;
    let schedules = settings.either(4, 10);
    for (trial, shape) in (0..schedules).zip(SHAPES.into_iter().cycle()) {
        let seed = trial_seed(settings, trial);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut wrong = Vec::new();
        let mut nodes: Vec<usize> = (0..NODES).collect();
        nodes.shuffle(&mut rng);
        match shape.works() {
            Some(works) => {
                part(&stage, shape, &nodes)?;
                apart(&stage, settings, works, findings, &mut wrong).await?;
            }
            None => swizzle(&stage, settings, &nodes, &mut rng, &mut wrong).await?,
        }
        stage.world.between()?.heal();
        let begun = Instant::now();
        recovers(&stage, begun, findings, &mut wrong).await;
        let took = agree(&stage, begun, &mut wrong).await;
        findings
            .notes
            .push(format!("{shape:?}: all well after {} ms", took.as_millis()));
        let named = wrong.into_iter().map(|what| format!("{shape:?}: {what}"));
        findings.trial(seed, took, named.collect());
    }
    dials(&stage, findings)?;
    stage.close(findings).await;
    Ok(())
}

/// Cuts as the shape says; `nodes` are all of them, in the order drawn.
fn part(stage: &Stage, shape: Shape, nodes: &[usize]) -> Attempt<()> {
    let places: Vec<Place> = nodes.iter().copied().map(Place::node).collect();
    let everybody: Vec<Place> = places.iter().copied().chain([Place::HERE]).collect();
    let size = match shape {
        Shape::Halves => NODES / 2,
        Shape::Most => NODES - F,
        _ => F,
    };
    let (off, rest) = everybody.split_at(size);
    let alone = |others: &[Place], model: &mut crate::net::Model| {
        for place in &places {
            let others: Vec<_> = others
                .iter()
                .copied()
                .filter(|other| other != place)
                .collect();
            model.cut(&[*place], &others);
            model.cut(&others, &[*place]);
        }
    };
    stage.world.between()?.change(|model| match shape {
        Shape::Few | Shape::Halves | Shape::Most => {
            model.cut(off, rest);
            model.cut(rest, off);
        }
        Shape::Deaf => model.cut(rest, off),
        Shape::Mute => model.cut(off, rest),
        Shape::Islands => alone(&places, model),
        Shape::Alone | Shape::Swizzle => alone(&everybody, model),
    });
    Ok(())
}

/// Uses a network that is apart: what must work does, the rest fails in time and is not acknowledged.
async fn apart(
    stage: &Stage,
    settings: &Settings,
    works: Works,
    findings: &mut Findings,
    wrong: &mut Vec<String>,
) -> Attempt<()> {
    if works.writes {
        let time = settings.either(Duration::from_secs(8), Duration::from_secs(30));
        let (reads, writes) = Load::run_for(&stage.world, &stage.book, time).await;
        if !reads.failures.is_empty() || reads.times.is_empty() {
            wrong.push(format!(
                "{} reads, failed: {:?}",
                reads.count(),
                reads.failures
            ));
        }
        if !writes.succeeded(990) || writes.times.is_empty() {
            wrong.push(format!(
                "{} writes, failed: {:?}",
                writes.count(),
                writes.failures
            ));
        }
        findings.reads.add(reads);
        findings.writes.add(writes);
        return Ok(());
    }
    let blobs = stage.book.acked();
    let blob = blobs.last().ok_or("nothing was stored")?;
    let writer = stage.world.writers.first().ok_or("no writer")?;
    let begun = Instant::now();
    let (read, (written, write_took)) = tokio::join!(
        async {
            let read = stage.book.read(&stage.world.reader, blob).await;
            (read, begun.elapsed())
        },
        async {
            let written = stage.book.write(writer).await;
            (written, begun.elapsed())
        },
    );
    match written {
        Err(StoreError::QuorumLost(_)) => {}
        Err(error) => wrong.push(format!("a write failed with another error: {error}")),
        Ok(_) => wrong.push("a write was acknowledged without a quorum".to_owned()),
    }
    match read {
        (Err(error), _) if works.reads => wrong.push(format!("cannot be read: {error}")),
        (Ok(()), _) if !works.reads => wrong.push("read from too few shards".to_owned()),
        (Err(_), took) if took > TYPED => wrong.push(format!("a read failed after {took:?}")),
        _ => {}
    }
    if write_took > TYPED {
        wrong.push(format!("a write failed after {write_took:?}"));
    }
    Ok(())
}

/// Cuts node after node off and heals them in another order, under load. What fails meanwhile may.
async fn swizzle(
    stage: &Stage,
    settings: &Settings,
    nodes: &[usize],
    rng: &mut ChaCha8Rng,
    wrong: &mut Vec<String>,
) -> Attempt<()> {
    let pause = settings.either(Duration::from_millis(300), Duration::from_secs(1));
    let load = Load::start(&stage.world, &stage.book, false);
    let mut healing = nodes.to_vec();
    healing.shuffle(rng);
    let steps = nodes.iter().map(|node| (node, true));
    for (&node, cut) in steps.chain(healing.iter().map(|node| (node, false))) {
        stage.world.between()?.change(|model| {
            let place = Place::node(node);
            for other in (0..NODES).map(Place::node).chain([Place::HERE]) {
                model.way(place, other, |way| way.cut = cut);
                model.way(other, place, |way| way.cut = cut);
            }
        });
        tokio::time::sleep(pause).await;
    }
    let begun = Instant::now();
    load.stop().await;
    if begun.elapsed() > TYPED {
        wrong.push(format!(
            "what had begun ended {:?} after healing",
            begun.elapsed()
        ));
    }
    Ok(())
}

/// Operations succeed again soon after healing.
async fn recovers(
    stage: &Stage,
    healed: Instant,
    findings: &mut Findings,
    wrong: &mut Vec<String>,
) {
    loop {
        let begun = healed.elapsed();
        let (reads, writes) =
            Load::run_for(&stage.world, &stage.book, Duration::from_secs(3)).await;
        let well = [&reads, &writes]
            .into_iter()
            .all(|samples| samples.succeeded(990) && !samples.times.is_empty());
        if well {
            findings.reads.add(reads);
            findings.writes.add(writes);
            return;
        }
        if begun > WELL {
            wrong.push(format!(
                "{begun:?} after healing: {} of {} reads, {} of {} writes; {:?} {:?}",
                reads.times.len(),
                reads.count(),
                writes.times.len(),
                writes.count(),
                reads.failures.first(),
                writes.failures.first()
            ));
            return;
        }
    }
}

/// All nodes come to know the same of all blobs; returns how long after healing.
async fn agree(stage: &Stage, healed: Instant, wrong: &mut Vec<String>) -> Duration {
    loop {
        let mut ledgers = Vec::new();
        for node in 0..NODES {
            let status = stage.world.status(node).await;
            ledgers.push(status.and_then(|status| status.ledger));
        }
        let present = ledgers.first().is_some_and(|first| {
            let known = first.as_ref().is_some_and(|ledger| ledger.numbered > 0);
            known && ledgers.iter().all(|ledger| ledger == first)
        });
        if present {
            return healed.elapsed();
        }
        if healed.elapsed() > AGREED {
            wrong.push(format!("the nodes do not know the same: {ledgers:?}"));
            return healed.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
