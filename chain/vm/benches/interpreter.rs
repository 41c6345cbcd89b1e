//! Steps per second on three kinds of work, and the time to parse the framework.
//!
//! ```text
//! chain/move/build.sh && chain/move/build.sh chain/vm/tests/move/corpus
//! cargo bench -p floe-move-vm --bench interpreter
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark measures time and prints"
)]

#[expect(dead_code, reason = "each test uses its part")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use floe_move_vm::{Argument, Limits, Module, Session, Value};
use sui_sdk_types::{Address, Digest};

/// Runs of each measurement, of which the best counts. One takes a few milliseconds at most: a longer one would be
/// interrupted by whatever else the machine does, and no run would be the best.
const RUNS: usize = 25;

fn main() {
    parse();
    let mut packages = support::framework();
    packages.push(support::package("corpus", Address::ZERO));
    let world = support::MemoryWorld::with(packages);
    let measured = [
        (
            "calls and arithmetic on u64",
            "generics",
            "recursive",
            16,
            false,
        ),
        (
            "all integer widths and BCS",
            "integers",
            "all_widths",
            3,
            true,
        ),
        ("tables, bags and objects", "objects", "tables", 3, true),
    ];
    for (what, module, function, argument, context) in measured {
        let mut best: Option<(Duration, u64)> = None;
        for _ in 0..RUNS {
            let transaction = support::transaction(Address::TWO, Digest::ZERO);
            let mut session = Session::new(&world, transaction, Limits::default());
            let mut arguments = vec![Argument::Value(Value::U64(argument))];
            if context {
                let slot = session.hold_transaction_context().unwrap();
                arguments.push(Argument::Reference(slot));
            }
            let (module, function) = (support::name(module), support::name(function));
            let start = Instant::now();
            session
                .call(&Address::ZERO, &module, &function, &[], arguments)
                .unwrap();
            let run = (start.elapsed(), session.steps_used());
            best = Some(best.map_or(run, |best| best.min(run)));
        }
        let (time, steps) = best.unwrap();
        let rate = steps as f64 / time.as_secs_f64() / 1e6;
        println!("{what}: {steps} steps in {time:.1?}, {rate:.1} million a second");
    }
}

fn parse() {
    let modules = support::bytecode("framework");
    let bytes: usize = modules.iter().map(Vec::len).sum();
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        for module in &modules {
            std::hint::black_box(Module::parse(module).unwrap());
        }
        start.elapsed()
    });
    let best = times.min().unwrap();
    println!(
        "parsing {} modules of {bytes} bytes: {best:.2?}",
        modules.len()
    );
}
