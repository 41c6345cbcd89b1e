//! What came of a row: counts, the bound they prove, latencies, and the first things that went wrong.
//! Prints; decides only whether the bars of a row were met.

use std::{fmt, time::Duration};

use serde::Serialize;

/// How a row ended. A skipped row is not a passed one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Every bar was met.
    Passed,
    /// At least one was not.
    Failed,
    /// This machine lacks what the row needs.
    Skipped {
        /// What is missing.
        reason: String,
    },
}

/// Latencies and failures of one kind of operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    /// How long each successful one took.
    pub(crate) times: Vec<Duration>,
    /// What the others said.
    pub(crate) failures: Vec<String>,
}

impl Samples {
    /// Operations begun and ended.
    pub(crate) fn count(&self) -> usize {
        self.times.len() + self.failures.len()
    }

    /// The time within which `percent` of the successful ones ended.
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut times = self.times.clone();
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        times.get((times.len() * percent / 100).min(last)).copied()
    }

    /// Whether at least `permille` of a thousand succeeded.
    pub(crate) fn succeeded(&self, permille: usize) -> bool {
        self.times.len() * 1000 >= self.count() * permille
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.failures.extend(other.failures);
    }
}

/// A row's result, as it grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Whether latencies are judged.
    pub(crate) judges_times: bool,
    /// Faults injected.
    pub(crate) trials: u64,
    /// Trials after which a promise was broken, with their seeds.
    pub(crate) failed: Vec<u64>,
    pub(crate) reads: Samples,
    pub(crate) writes: Samples,
    /// Broken bars, in words.
    pub(crate) broken: Vec<String>,
    /// Things worth knowing that break nothing.
    pub(crate) notes: Vec<String>,
    /// The trial that took longest to be well again, and how long.
    pub(crate) slowest: Option<(u64, Duration)>,
}

impl Findings {
    /// Counts a trial; `wrong` are the promises it broke.
    pub(crate) fn trial(&mut self, seed: u64, took: Duration, wrong: Vec<String>) {
        self.trials += 1;
        if self.slowest.is_none_or(|(_, slowest)| took > slowest) {
            self.slowest = Some((seed, took));
        }
        if !wrong.is_empty() {
            self.failed.push(seed);
        }
        let named = wrong.into_iter().map(|what| format!("seed {seed}: {what}"));
        self.broken.extend(named);
    }

    /// Notes a bar and whether it was met.
    pub(crate) fn bar(&mut self, met: bool, what: impl Into<String>) {
        if met {
            self.notes.push(what.into());
        } else {
            self.broken.push(what.into());
        }
    }

    /// The finished row.
    pub(crate) fn into_result(self, id: &'static str, title: &'static str) -> RowResult {
        let outcome = if self.broken.is_empty() && self.trials > 0 {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        let failures = self.failed.len() as u64;
        RowResult {
            id,
            title,
            outcome,
            trials: self.trials,
            failures,
            bound: upper_bound(self.trials, failures),
            reads: Line::of(&self.reads),
            writes: Line::of(&self.writes),
            worst_seed: (self.failed.first().copied()).or(self.slowest.map(|(seed, _)| seed)),
            slowest_ms: self.slowest.map(|(_, took)| millis(took)),
            broken: self.broken,
            notes: self.notes,
            seconds: 0,
        }
    }
}

/// One kind of operation in numbers.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    done: usize,
    failed: usize,
    p50_ms: Option<u64>,
    p99_ms: Option<u64>,
}

impl Line {
    fn of(samples: &Samples) -> Self {
        Self {
            done: samples.times.len(),
            failed: samples.failures.len(),
            p50_ms: samples.percentile(50).map(millis),
            p99_ms: samples.percentile(99).map(millis),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |value: Option<u64>| value.map_or("-".to_owned(), |ms| ms.to_string());
        let total = self.done + self.failed;
        let (p50, p99) = (ms(self.p50_ms), ms(self.p99_ms));
        write!(f, "{}/{total} {p50}/{p99}", self.done)
    }
}

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RowResult {
    pub(crate) id: &'static str,
    title: &'static str,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    trials: u64,
    failures: u64,
    /// The rate of failures that is excluded with 95 % confidence.
    bound: Option<f64>,
    reads: Line,
    writes: Line,
    worst_seed: Option<u64>,
    slowest_ms: Option<u64>,
    broken: Vec<String>,
    notes: Vec<String>,
    pub(crate) seconds: u64,
}

impl RowResult {
    /// A row that was not run.
    pub(crate) fn skipped(id: &'static str, title: &'static str, reason: String) -> Self {
        let mut row = Findings::default().into_result(id, title);
        row.outcome = Outcome::Skipped { reason };
        row
    }

    /// The table's head, in Markdown.
    pub(crate) const HEAD: &str = "\
| row | fault | outcome | trials | failed | 95 % bound | reads ok, p50/p99 ms | writes ok, p50/p99 ms | slowest ms | worst seed | s |
|---|---|---|---|---|---|---|---|---|---|---|";

    /// Everything that was broken or noted, one a line.
    pub(crate) fn details(&self) -> impl Iterator<Item = String> {
        let broken = self.broken.iter().take(SHOWN);
        let left = self.broken.len().saturating_sub(SHOWN);
        let more = (left > 0).then(|| format!("{}: and {left} more", self.id));
        broken
            .map(|what| format!("{} BROKEN: {what}", self.id))
            .chain(more)
            .chain(self.notes.iter().map(|what| format!("{}: {what}", self.id)))
    }
}

/// Broken promises shown of one row.
const SHOWN: usize = 12;

impl fmt::Display for RowResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match &self.outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed => "FAILED".to_owned(),
            Outcome::Skipped { reason } => format!("SKIPPED: {reason}"),
        };
        let bound = self
            .bound
            .map_or("-".to_owned(), |bound| format!("{:.1} %", bound * 100.0));
        let number = |value: Option<u64>| value.map_or("-".to_owned(), |v| v.to_string());
        write!(
            f,
            "| {} | {} | {outcome} | {} | {} | {bound} | {} | {} | {} | {} | {} |",
            self.id,
            self.title,
            self.trials,
            self.failures,
            self.reads,
            self.writes,
            number(self.slowest_ms),
            number(self.worst_seed),
            self.seconds
        )
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The highest rate of failures under which so few would be seen in one of twenty repetitions
/// (Clopper and Pearson's upper limit at 95 %), by bisection.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn upper_bound(trials: u64, failures: u64) -> Option<f64> {
    if trials == 0 || failures >= trials {
        return (trials > 0).then_some(1.0);
    }
    // P(at most `failures` of `trials` | rate).
    let at_most = |rate: f64| {
        let mut term = (1.0 - rate).powf(trials as f64);
        let mut sum = term;
        for k in 0..failures {
            term *= (trials - k) as f64 / (k + 1) as f64 * rate / (1.0 - rate);
            sum += term;
        }
        sum
    };
    let (mut low, mut high) = (0.0, 1.0 - f64::EPSILON);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(middle) > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_the_rule_of_three_and_its_kin() {
        let near = |bound: Option<f64>, expected: f64| {
            let bound = bound.expect("trials were made");
            assert!(
                (bound - expected).abs() < 0.0005,
                "{bound} is not {expected}"
            );
        };
        near(upper_bound(200, 0), 0.0149);
        near(upper_bound(20, 0), 0.1391);
        near(upper_bound(20, 1), 0.2161);
        near(upper_bound(5, 5), 1.0);
        assert_eq!(upper_bound(0, 0), None);
    }

    #[test]
    fn a_row_without_trials_or_with_a_broken_bar_has_not_passed() {
        let row = |findings: Findings| findings.into_result("F00", "nothing").outcome;
        assert_eq!(row(Findings::default()), Outcome::Failed);
        let mut findings = Findings::default();
        findings.trial(1, Duration::ZERO, Vec::new());
        assert_eq!(row(findings.clone()), Outcome::Passed);
        findings.bar(false, "too slow");
        assert_eq!(row(findings), Outcome::Failed);
    }

    #[test]
    fn percentiles_are_of_the_successful_only() {
        let samples = Samples {
            times: (1..=100).map(Duration::from_millis).collect(),
            failures: vec!["refused".to_owned()],
        };
        assert_eq!(samples.percentile(50), Some(Duration::from_millis(51)));
        assert_eq!(samples.percentile(99), Some(Duration::from_millis(100)));
        assert!(samples.succeeded(990) && !samples.succeeded(999));
    }
}
