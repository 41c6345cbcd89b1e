//! The rows of the fault matrix.

mod crash;
mod damage;
mod disk;
mod distance;
mod flood;
mod gateway;
mod gone;
mod hostile;
mod loss;
mod memory;
mod partition;
mod pause;
mod power;
mod resume;
mod speed;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::LocalBoxFuture;
use rand::{SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    Attempt, Settings, audit,
    facility::Facility::{self, Cargo, FakeTime, LoopDisks, MemoryGroups, Namespaces, Strace},
    load::{Book, Load},
    report::Findings,
    world::{F, Ground, NODES, World},
};

/// One row.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) needs: &'static [Facility],
    pub(crate) run: Run,
}

type Run = for<'a> fn(&'a Settings, &'a mut Findings) -> LocalBoxFuture<'a, Attempt<()>>;

macro_rules! row {
    ($id:literal, $title:literal, $needs:expr, $run:path) => {
        Row {
            id: $id,
            title: $title,
            needs: &$needs,
            run: |settings, findings| Box::pin($run(settings, findings)),
        }
    };
}

/// Every row, in the order of the matrix.
pub(crate) const ROWS: &[Row] = &[
    row!("F02", "f nodes killed, stay down", [], loss::within),
    row!("F03", "f+1 nodes down", [], loss::beyond),
    row!("F04", "only k1 shards left, and one fewer", [], loss::last),
    row!(
        "F05",
        "kill -9 of random nodes, at most f at once",
        [],
        crash::some
    ),
    row!("F06", "kill -9 of all nodes at once", [], crash::all),
    row!("F07", "power cut on one node", [LoopDisks], power::one),
    row!(
        "F08",
        "power cut on all nodes in the same second",
        [LoopDisks],
        power::all
    ),
    row!(
        "F09",
        "power cut during recovery from a power cut",
        [LoopDisks],
        power::twice
    ),
    row!(
        "F10",
        "unsynced writes dropped, torn, reordered",
        [Cargo],
        disk::simulated
    ),
    row!("F11", "failing syncs and writes", [Strace], disk::errors),
    row!("F12", "disk full on f nodes", [LoopDisks], disk::full),
    row!(
        "F13",
        "disk read-only, or its files removed",
        [LoopDisks],
        gone::gone
    ),
    row!(
        "F14",
        "200 ms more for every sync on f nodes",
        [Strace],
        disk::slow
    ),
    row!(
        "F15",
        "bit flips, truncations, swaps on f nodes",
        [],
        damage::damage
    ),
    row!("F16", "f nodes wiped, same keys", [], damage::wiped),
    row!(
        "F17",
        "the network parts, in one direction too, and heals",
        [Namespaces],
        partition::partitions
    ),
    row!(
        "F18",
        "10 % of all packets are lost",
        [Namespaces],
        distance::lossy
    ),
    row!(
        "F19",
        "500 ms from anywhere to anywhere",
        [Namespaces],
        distance::far
    ),
    row!(
        "F20",
        "10 % lost, 500 ms, overtaking, doubles, 1 Mbit/s on f nodes",
        [Namespaces],
        distance::bad
    ),
    row!("F21", "f nodes stopped for a while", [], pause::stopped),
    row!(
        "F22",
        "clocks 24 h off on f nodes, then jumping",
        [FakeTime],
        pause::clocks
    ),
    row!(
        "F27",
        "floods against nodes in 256 MiB: one, then f",
        [MemoryGroups],
        flood::flood
    ),
    row!(
        "F28",
        "gateway killed, its cache damaged",
        [],
        gateway::killed
    ),
    row!(
        "hostile",
        "hostile peers against a node in 256 MiB",
        [MemoryGroups],
        hostile::hostile
    ),
    row!(
        "resume",
        "the client killed in every phase",
        [],
        resume::resume
    ),
    row!(
        "memory",
        "client within its stated memory",
        [MemoryGroups],
        memory::memory
    ),
    row!(
        "speed",
        "nothing: times of stores and reads",
        [],
        speed::speed
    ),
];

/// Time of a measured stretch of load.
pub(crate) fn stretch(settings: &Settings) -> Duration {
    settings.either(Duration::from_secs(6), Duration::from_secs(30))
}

/// Seed of one trial of a row.
pub(crate) fn trial_seed(settings: &Settings, trial: u64) -> u64 {
    settings.seed.wrapping_mul(1_000_003).wrapping_add(trial)
}

/// `count` different nodes.
pub(crate) fn pick(rng: &mut ChaCha8Rng, count: usize) -> Vec<usize> {
    let all: Vec<usize> = (0..NODES).collect();
    all.choose_multiple(rng, count).copied().collect()
}

/// A network with nobody hurt, and what is known of it.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) book: Arc<Book>,
    pub(crate) rng: ChaCha8Rng,
}

impl Stage {
    pub(crate) async fn new(settings: &Settings, own_disks: bool) -> Attempt<Self> {
        let ground = if own_disks {
            Ground::OwnDisks
        } else {
            Ground::Shared
        };
        Self::on(settings, ground).await
    }

    pub(crate) async fn on(settings: &Settings, ground: Ground) -> Attempt<Self> {
        Ok(Self {
            world: World::up(settings, &settings.dir, ground).await?,
            book: Book::new(settings.seed),
            rng: ChaCha8Rng::seed_from_u64(settings.seed),
        })
    }

    /// What is never acceptable, at the end of every row: acknowledged blobs that cannot be read,
    /// wrong bytes, panics.
    pub(crate) async fn close(&self, findings: &mut Findings) {
        let begun = Instant::now();
        let mut lost = self.book.read_all(&self.world.reader).await;
        // A node that was down a moment ago is looked at again after a pause.
        while !lost.is_empty() && begun.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            lost = self.book.read_all(&self.world.reader).await;
        }
        let acked = self.book.acked().len();
        findings.bar(acked > 0, format!("{acked} blobs were acknowledged"));
        findings
            .broken
            .extend(lost.into_iter().map(|what| format!("lost: {what}")));
        findings.broken.extend(self.book.wrong());
        findings.broken.extend(self.world.panics());
    }

    /// What signed confirmations are not backed on these nodes.
    pub(crate) async fn unbacked(&self, nodes: &[usize]) -> Vec<String> {
        audit::unbacked(&self.world, &self.book, nodes).await
    }

    /// Reads and writes for a stretch, with the 99th percentile of the reads.
    pub(crate) async fn healthy(&self, settings: &Settings, findings: &mut Findings) -> Healthy {
        let (reads, writes) = Load::run_for(&self.world, &self.book, stretch(settings)).await;
        let p99 = |samples: &crate::report::Samples| samples.percentile(99).unwrap_or_default();
        let healthy = Healthy {
            read: p99(&reads),
            write: p99(&writes),
        };
        findings.bar(
            reads.failures.is_empty() && writes.failures.is_empty(),
            format!(
                "healthy: {} reads, p99 {} ms; {} writes, p99 {} ms",
                reads.count(),
                healthy.read.as_millis(),
                writes.count(),
                healthy.write.as_millis()
            ),
        );
        findings.broken.extend(reads.failures);
        findings.broken.extend(writes.failures);
        healthy
    }
}

/// 99th percentiles of the network before anything was done to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Healthy {
    pub(crate) read: Duration,
    pub(crate) write: Duration,
}

/// A bar of the form "p99 at most so much". The quick form has too few samples to judge by: it only
/// notes them.
pub(crate) fn within(
    findings: &mut Findings,
    what: &str,
    measured: Option<Duration>,
    limit: Duration,
) {
    let measured = measured.unwrap_or(Duration::MAX);
    findings.bar(
        measured <= limit || !findings.judges_times,
        format!(
            "{what}: p99 {} ms, at most {} ms wanted",
            measured.as_millis(),
            limit.as_millis()
        ),
    );
}

/// Bars on the share of operations that succeed, in permille.
pub(crate) fn shares(findings: &mut Findings, reads: usize, writes: usize) {
    let say = |kind: &str, samples: &crate::report::Samples, permille: usize| {
        let done = samples.times.len();
        let first = samples.failures.first().map_or("", String::as_str);
        (
            samples.count() > 0 && samples.succeeded(permille),
            format!(
                "{done} of {} {kind} succeeded, {permille} permille wanted {first}",
                samples.count()
            ),
        )
    };
    let (met, what) = say("reads", &findings.reads, reads);
    findings.bar(met, what);
    let (met, what) = say("writes", &findings.writes, writes);
    findings.bar(met, what);
}

/// Any `f` nodes.
pub(crate) fn any_f(rng: &mut ChaCha8Rng) -> Vec<usize> {
    pick(rng, F)
}
