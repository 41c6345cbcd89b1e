//! Injects faults into a network of real processes and tells which promises held.
//!
//! Driven by `testnet/faults.sh`. One row of the fault matrix is one file or function under `row/`;
//! this file chooses rows, detects what the machine lacks, and prints the table.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people and programs"
)]

mod audit;
mod disk;
mod facility;
mod inject;
mod load;
mod net;
mod process;
mod report;
mod row;
mod world;

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Instant,
};

use clap::Parser;

use crate::{
    facility::Facility,
    report::{Outcome, RowResult},
    row::{ROWS, Row},
};

/// What the harness itself could not do; faults never end in one of these.
pub(crate) type Attempt<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Faults against a local network of ten storage nodes, and what came of the promises.
#[derive(Debug, Parser)]
#[command(name = "testnet/faults.sh")]
struct Args {
    /// Rows by their names, or `all` that judge
    #[arg(required = true, value_name = "ROW|all")]
    rows: Vec<String>,
    /// Fewer trials; latencies are noted and not judged
    #[arg(long)]
    quick: bool,
    /// What is drawn at random follows from this number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rows run at once; beside others a row takes longer, which only the quick form forgives
    #[arg(long, default_value = "1", requires = "quick")]
    jobs: NonZeroUsize,
    /// One line of JSON for each row instead of a table
    #[arg(long)]
    json: bool,
    /// Keep the networks' folders and say where they are
    #[arg(long)]
    keep: bool,
    /// The `floe` binary under test
    #[arg(long, env = "FLOE_BIN")]
    floe: PathBuf,
    /// The compiled contracts
    #[arg(long, default_value = "target/move")]
    packages: PathBuf,
}

/// What every row is given.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) floe: PathBuf,
    pub(crate) packages: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) seed: u64,
    pub(crate) quick: bool,
}

impl Settings {
    /// One of two numbers: for the quick form, and for the full one.
    pub(crate) fn either<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let wanted: Vec<&Row> = if args.rows.iter().any(|row| row == "all") {
        ROWS.iter().filter(|row| row.id != "speed").collect()
    } else {
        let known = |name: &String| ROWS.iter().find(|row| row.id.eq_ignore_ascii_case(name));
        match args
            .rows
            .iter()
            .map(|name| known(name).ok_or(name))
            .collect()
        {
            Ok(rows) => rows,
            Err(name) => {
                let names: Vec<_> = ROWS.iter().map(|row| row.id).collect();
                eprintln!("no row '{name}'; there are {}", names.join(" "));
                return ExitCode::from(2);
            }
        }
    };
    if !args.json {
        println!("{}", RowResult::HEAD);
    }
    let (rows, results) = (Mutex::new(wanted.into_iter()), mpsc::channel());
    let (mut good, mut details) = (true, Vec::new());
    let ended = thread::scope(|scope| {
        for _ in 0..args.jobs.get() {
            let done = results.0.clone();
            scope.spawn(|| work(&rows, &args, done));
        }
        drop(results.0);
        for staged in results.1 {
            let result = staged?;
            good &= result.outcome != Outcome::Failed;
            if args.json {
                println!("{}", serde_json::to_string(&result).unwrap_or_default());
            } else {
                println!("{result}");
            }
            details.extend(result.details());
        }
        Ok(())
    });
    if let Err(code) = ended {
        return code;
    }
    for line in details {
        eprintln!("{line}");
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs rows until none is left or one ends the command.
fn work<'a>(
    rows: &Mutex<impl Iterator<Item = &'a Row>>,
    args: &Args,
    done: mpsc::Sender<Result<RowResult, ExitCode>>,
) {
    let next = || rows.lock().unwrap_or_else(PoisonError::into_inner).next();
    while let Some(row) = next() {
        // On a thread of its own, which may leave the machine's network and not come back.
        let staged = thread::scope(|scope| scope.spawn(|| stage(row, args)).join());
        let result = match staged {
            Ok(Some(result)) => Ok(result),
            Ok(None) => Err(ExitCode::from(130)),
            Err(_) => Err(ExitCode::FAILURE),
        };
        let over = result.is_err();
        if done.send(result).is_err() || over {
            return;
        }
    }
}

/// Runs a row; `None` if it was interrupted.
fn stage(row: &Row, args: &Args) -> Option<RowResult> {
    let skipped = |reason: String| Some(RowResult::skipped(row.id, row.title, reason));
    if let Some(missing) = row.needs.iter().find_map(|need| need.missing()) {
        return skipped(missing);
    }
    if row.needs.contains(&Facility::Namespaces)
        && let Err(error) = net::leave_the_machines_network()
    {
        return skipped(error.to_string());
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return skipped(error.to_string()),
    };
    runtime.block_on(async {
        tokio::select! {
            result = run(row, args) => Some(result),
            // Dropped, a row kills its processes and unmounts its disks.
            _ = tokio::signal::ctrl_c() => None,
        }
    })
}

async fn run(row: &Row, args: &Args) -> RowResult {
    let folder = match tempfile::Builder::new().prefix("floe-faults-").tempdir() {
        Ok(folder) => folder,
        Err(error) => return RowResult::skipped(row.id, row.title, error.to_string()),
    };
    let settings = Settings {
        floe: std::path::absolute(&args.floe).unwrap_or_else(|_| args.floe.clone()),
        packages: std::path::absolute(&args.packages).unwrap_or_else(|_| args.packages.clone()),
        dir: folder.path().to_owned(),
        seed: args.seed,
        quick: args.quick,
    };
    let begun = Instant::now();
    let mut findings = report::Findings {
        judges_times: !args.quick,
        ..report::Findings::default()
    };
    if let Err(error) = (row.run)(&settings, &mut findings).await {
        findings
            .broken
            .push(format!("the row could not be run: {error}"));
    }
    let mut result = findings.into_result(row.id, row.title);
    result.seconds = begun.elapsed().as_secs();
    if args.keep {
        eprintln!("{}: {}", row.id, folder.keep().display());
    }
    result
}
