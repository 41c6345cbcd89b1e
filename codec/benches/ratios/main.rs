//! The codec against the crates that define it, used straightforwardly: see `docs/performance.md`.
//!
//! `cargo bench -p floe-codec --bench ratios -- [--json] [--quick] [--rounds N] [--filter TEXT]`
//!
//! Each row runs both sides alternately in this process, on the same bytes, after asserting that both come
//! to the same result, with buffers that were used before. Kernels run on one thread, and processor time is
//! compared: one row for each tier that this processor has; the portable tier runs on the crates too and
//! shows what the rest brings. Streams read and write files and are compared by the clock, as two threads
//! are.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, writes files, takes the time, and stops at the first surprise"
)]

mod baseline;
mod ours;

use std::{cell::RefCell, sync::Arc, time::Duration};

use baseline::Baseline;
use clap::Parser;
use floe_codec::{BlobLayout, Codec, ShardCount, Tier};
use ours::{Ours, Stream};
use rustix::time::{ClockId, clock_gettime};

#[derive(Parser)]
struct Options {
    /// One JSON object for each row.
    #[arg(long)]
    json: bool,
    /// Small blobs and few rounds: shows that it works.
    #[arg(long)]
    quick: bool,
    /// Only rows whose "name n bytes tier" contains this.
    #[arg(long, default_value = "")]
    filter: String,
    /// Only our side, to be watched by a profiler: no ratios.
    #[arg(long)]
    ours: bool,
    /// Rounds to take the median of; by default 3 to 15, by size. Three times as many for streams.
    #[arg(long)]
    rounds: Option<usize>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One comparison. Times are medians, in seconds.
struct Row {
    name: &'static str,
    n: u16,
    bytes: usize,
    threads: usize,
    tier: Tier,
    ours_s: f64,
    baseline: &'static str,
    baseline_s: f64,
}

const MIB: usize = 1 << 20;

/// Shard counts and blob sizes of the rows, those of the bars first.
const CASES: [(u16, usize); 11] = [
    (1000, 256 * MIB),
    (1000, 32 * MIB),
    (1000, MIB),
    (100, 256 * MIB),
    (100, 32 * MIB),
    (100, MIB),
    (65, 32 * MIB),
    (50, 32 * MIB),
    (25, 32 * MIB),
    (10, 32 * MIB),
    (10, MIB),
];

fn main() {
    let options = Options::parse();
    if !options.json {
        println!(
            "{:<12} {:>5} {:>10} {:>2} {:<9} {:>9} {:>9} {:>6}  baseline",
            "name", "n", "bytes", "t", "tier", "ours", "baseline", "ratio"
        );
    }
    for (n, bytes) in CASES {
        let bytes = if options.quick { bytes.min(MIB) } else { bytes };
        let rounds = options.rounds.unwrap_or(match bytes {
            _ if options.quick => 1,
            0..=MIB => 15,
            _ if bytes < 256 * MIB => 7,
            _ => 3,
        });
        let layout = ShardCount::new(n).unwrap();
        let layout = BlobLayout::for_shards(layout, bytes.try_into().unwrap()).unwrap();
        let mut baseline = None;
        for tier in Tier::ALL.into_iter().filter(|tier| tier.is_available()) {
            let chosen =
                |name: &str| format!("{name} {n} {bytes} {tier}").contains(&options.filter);
            let work: Vec<Work> = WORK.into_iter().filter(|work| chosen(work.0)).collect();
            let is_fastest = tier == Tier::fastest() && !options.ours;
            let streams = STREAMS
                .into_iter()
                .filter(|work| is_fastest && chosen(work.0));
            let streams: Vec<StreamWork> = streams.collect();
            if work.is_empty() && streams.is_empty() {
                continue;
            }
            let baseline = baseline.get_or_insert_with(|| Baseline::new(layout, bytes));
            let mut ours = Ours::new(codec(1, tier), layout, baseline.blob.clone());
            assert_eq!(ours.id(), *baseline.commitment().id(), "the sides disagree");
            for (name, against, ours_run, baseline_run) in work {
                if options.ours {
                    let times = interleave(rounds, cpu_time, || ours_run(&mut ours), || ());
                    println!("{name} {n} {bytes} {tier}: {:.4} s", times.0);
                    continue;
                }
                let (ours_s, baseline_s) = interleave(
                    rounds,
                    cpu_time,
                    || ours_run(&mut ours),
                    || baseline_run(baseline),
                );
                Row {
                    name,
                    n,
                    bytes,
                    threads: 1,
                    tier,
                    ours_s,
                    baseline: against,
                    baseline_s,
                }
                .print(options.json);
            }
            for threads in [1, 2] {
                if streams.is_empty() {
                    break;
                }
                let stream = Stream::new(codec(threads, tier), layout, baseline.blob.clone());
                let stream = RefCell::new(stream);
                for (name, file, memory) in &streams {
                    // The clock sees everything else on the machine.
                    let (ours_s, baseline_s) = interleave(
                        3 * rounds,
                        wall_time,
                        || file(&mut stream.borrow_mut()),
                        || memory(&mut stream.borrow_mut()),
                    );
                    Row {
                        name,
                        n,
                        bytes,
                        threads,
                        tier,
                        ours_s,
                        baseline: "own calls for each segment in memory",
                        baseline_s,
                    }
                    .print(options.json);
                }
            }
            if is_fastest && chosen("encode") {
                let mut two = Ours::new(codec(2, tier), layout, baseline.blob.clone());
                let (ours_s, baseline_s) =
                    interleave(rounds, wall_time, || two.encode(), || ours.encode());
                let (name, baseline) = ("encode", "own single thread");
                Row {
                    name,
                    n,
                    bytes,
                    threads: 2,
                    tier,
                    ours_s,
                    baseline,
                    baseline_s,
                }
                .print(options.json);
            }
        }
    }
}

type Work = (&'static str, &'static str, fn(&mut Ours), fn(&mut Baseline));

const CRATES: &str = "crate of the encoding + blake3 per symbol";

const WORK: [Work; 6] = [
    ("encode", CRATES, Ours::encode, Baseline::encode),
    ("metadata", CRATES, Ours::commit, Baseline::encode),
    (
        "decode",
        "crate of the encoding",
        Ours::decode_only,
        Baseline::decode_only,
    ),
    ("decode-check", CRATES, Ours::decode, Baseline::decode),
    (
        "recover-pair",
        CRATES,
        Ours::recover_pair,
        Baseline::recover_pair,
    ),
    ("hash", "blake3 per symbol", Ours::hash, Baseline::hash),
];

type StreamWork = (&'static str, fn(&mut Stream), fn(&mut Stream));

const STREAMS: [StreamWork; 2] = [
    ("stream-encode", Stream::encode_file, Stream::encode_memory),
    ("stream-decode", Stream::decode_file, Stream::decode_memory),
];

fn codec(threads: usize, tier: Tier) -> Codec {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    Codec::with(Arc::new(pool), tier)
}

/// Runs both sides alternately and returns the median time of each, in seconds. The first round is not
/// counted.
fn interleave(
    rounds: usize,
    clock: fn() -> Duration,
    mut ours: impl FnMut(),
    mut baseline: impl FnMut(),
) -> (f64, f64) {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..=rounds {
        let start = clock();
        ours();
        let middle = clock();
        baseline();
        times.0.push((middle - start).as_secs_f64());
        times.1.push((clock() - middle).as_secs_f64());
    }
    let median = |mut times: Vec<f64>| {
        times.remove(0);
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    (median(times.0), median(times.1))
}

/// The processor time of this process: what single threads are compared by, so that other programs
/// on the machine do not count.
fn cpu_time() -> Duration {
    duration(ClockId::ProcessCPUTime)
}

/// What more threads than one are compared by.
fn wall_time() -> Duration {
    duration(ClockId::Monotonic)
}

fn duration(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().unwrap()
}

impl Row {
    fn print(&self, json: bool) {
        let Self {
            name,
            n,
            bytes,
            threads,
            tier,
            ours_s,
            baseline,
            baseline_s,
        } = self;
        let ratio = baseline_s / ours_s;
        if json {
            println!(
                "{}",
                serde_json::json!({
                    "name": name, "n": n, "bytes": bytes, "threads": threads,
                    "tier": tier.to_string(), "ours_s": ours_s, "baseline": baseline,
                    "baseline_s": baseline_s, "ratio": ratio,
                })
            );
        } else {
            println!(
                "{name:<12} {n:>5} {bytes:>10} {threads:>2} {tier:<9} {ours_s:>9.4} \
                 {baseline_s:>9.4} {ratio:>6.2}  {baseline}"
            );
        }
    }
}
