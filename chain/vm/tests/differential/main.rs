//! Random scenarios: the interpreter predicts every object, event, id and abort code, and the real
//! Move VM judges.
//!
//! ```text
//! SCENARIOS=300 SEED=1 cargo nextest run -p floe-move-vm --test differential --no-capture scenarios
//! ```
//!
//! has that many of each package judged, in batches: 300 of the contract are over 10,000 operations.
//! Without the variables the real VM judges a few, and the others are played only. A run fails if under half of
//! the operations succeeded, or if a function that a transaction can call or an abort code was never
//! reached; the short run of the contract is held to the first only.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test stops at the first surprise, and says how far it came"
)]

mod floe;
mod ledger;
mod scenario;
mod script;
#[expect(dead_code, reason = "each test uses its part")]
#[path = "../support/mod.rs"]
mod support;
mod vault;

use std::collections::BTreeSet;

use floe_move_vm::{module::Visibility, testing::Fault};
use scenario::{Coverage, Scenario, Target, placeholder, play};
use sui_sdk_types::Address;
use support::{
    MemoryWorld,
    judge::{Judge, Verdict, repository},
};

/// Unit tests of one run of the real VM, whose time grows faster than their number.
const BATCH: usize = 25;
/// Scenarios that are judged in an ordinary test run.
const FEW: usize = 12;
/// Scenarios that are played at least.
const PLAYED: usize = 300;

fn world<T: Target>() -> MemoryWorld {
    let mut packages = support::framework();
    packages.push(support::package(T::NAME, Address::ZERO));
    let siblings = T::DEPENDENCIES.iter();
    packages.extend(siblings.map(|name| support::package(name, placeholder(name))));
    MemoryWorld::with(packages)
}

/// Has the real VM run scenarios, ten to a module.
fn judge<T: Target>(scenarios: &[Scenario], tape: &BTreeSet<String>, scratch: &str) -> Verdict {
    let judge = Judge::new(&repository().join(T::FOLDER), scratch);
    for (index, some) in scenarios.chunks(10).enumerate() {
        let tests: Vec<_> = some.iter().map(|scenario| scenario.text.as_str()).collect();
        let name = T::NAME;
        let module = format!(
            "#[test_only, allow(unused_use, unused_variable, unused_let_mut)]
module {name}::judged{index};
use sui::{{bcs, clock, event, random, test_scenario as ts}};

{}",
            tests.join("\n")
        );
        judge.add(&format!("judged{index}"), &module);
    }
    let tape: Vec<_> = tape.iter().map(String::as_str).collect();
    judge.run(&(tape.join("\n") + "\n"))
}

/// Plays scenarios and has the first `judged` of them judged; `complete` if they must reach everything.
fn run<T: Target>(target: &T, judged: usize, first_seed: u64, complete: bool) {
    let world = world::<T>();
    let all = abort_codes::<T>();
    let mut total = Coverage::default();
    let count = judged.max(PLAYED);
    for start in (0..count).step_by(BATCH) {
        let mut scenarios = Vec::new();
        let mut tape = BTreeSet::new();
        for number in start..count.min(start + BATCH) {
            let seed = first_seed + u64::try_from(number).unwrap();
            let sought = all.difference(&total.aborts).cloned().collect();
            let played = play(target, world.clone(), seed, &sought, None);
            total.functions.extend(played.coverage.functions.clone());
            total.aborts.extend(played.coverage.aborts.clone());
            total.attempted += played.coverage.attempted;
            total.succeeded += played.coverage.succeeded;
            tape.extend(played.tape.clone());
            scenarios.push(played);
        }
        scenarios.truncate(judged.saturating_sub(start));
        if scenarios.is_empty() {
            continue;
        }
        let verdict = judge::<T>(
            &scenarios,
            &tape,
            &format!("{}-{}", T::NAME, first_seed + u64::try_from(start).unwrap()),
        );
        assert!(verdict.passed, "{}", verdict.output);
        let expected = format!("Total tests: {}; passed: {0}", scenarios.len());
        assert!(verdict.output.contains(&expected), "{}", verdict.output);
        println!("{}", verdict.output.trim());
    }
    println!(
        "{count} scenarios, {judged} judged, {} of {} operations succeeded, {} functions and {} abort codes reached",
        total.succeeded,
        total.attempted,
        total.functions.len(),
        total.aborts.len()
    );
    assert!(2 * total.succeeded >= total.attempted);
    if !complete {
        return;
    }
    let missing: Vec<_> = all.difference(&total.aborts).collect();
    assert!(missing.is_empty(), "abort codes never reached: {missing:?}");
    let missing: Vec<_> = entry_points::<T>()
        .difference(&total.functions)
        .cloned()
        .collect();
    assert!(missing.is_empty(), "functions never called: {missing:?}");
}

/// Every function a transaction can call.
fn entry_points<T: Target>() -> BTreeSet<(String, String)> {
    let package = support::package(T::NAME, Address::ZERO);
    let modules = package.modules().values();
    modules
        .flat_map(|module| {
            module
                .functions()
                .filter(|(_, _, function)| {
                    function.visibility == Visibility::Public || function.is_entry
                })
                .map(|(_, handle, _)| (module.name().to_string(), handle.name.to_string()))
                .filter(|(module, function)| {
                    !T::UNREACHABLE.contains(&(module.as_str(), function.as_str()))
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Every abort code of the package: its constants named `E...`.
fn abort_codes<T: Target>() -> BTreeSet<(String, u64)> {
    let mut codes = BTreeSet::new();
    let sources = repository().join(T::FOLDER).join("sources");
    for entry in std::fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let constant = line.strip_prefix("const E");
            let code = constant.and_then(|rest| rest.split_once(": u64 = "));
            if let Some((_, code)) = code {
                codes.insert((module.clone(), code.trim_end_matches(';').parse().unwrap()));
            }
        }
    }
    codes
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

#[test]
fn vault_scenarios() {
    let seed = variable("SEED").unwrap_or(1);
    run(&vault::Vault, judged().unwrap_or(FEW), seed, true);
}

/// The contract has so many rare failures that only the full run must reach them all.
#[test]
fn floe_scenarios() {
    let seed = variable("SEED").unwrap_or(1);
    let judged = judged();
    run(&floe::Floe, judged.unwrap_or(FEW), seed, judged.is_some());
}

fn judged() -> Option<usize> {
    variable("SCENARIOS").map(|count| usize::try_from(count).unwrap())
}

/// Of the first scenarios that a fault changes, the real VM must refuse one. (Not every one: a fault
/// that makes an operation fail only leaves it out.)
#[test]
fn every_injected_fault_is_caught() {
    type Target = vault::Vault;
    const CHANGED: usize = 2;
    let world = world::<Target>();
    let sought = abort_codes::<Target>();
    let play = |seed, fault| play(&vault::Vault, world.clone(), seed, &sought, fault);
    let mut scenarios = Vec::new();
    let mut tape = BTreeSet::new();
    for fault in Fault::ALL {
        let mut changed = 0;
        for seed in 1..100 {
            let good = play(seed, None);
            let mut bad = play(seed, Some(fault));
            // What the BLS natives truly answer is on the tape, whatever the fault says.
            tape.extend(good.tried);
            if good.text != bad.text {
                let name = test_name(fault);
                bad.text = bad.text.replace("scenario_", &format!("{name}_"));
                scenarios.push(bad);
                changed += 1;
            }
            if changed == CHANGED {
                break;
            }
        }
        assert!(changed > 0, "no scenario notices {fault:?}");
    }
    let verdict = judge::<Target>(&scenarios, &tape, "vault-faulty");
    for fault in Fault::ALL {
        let refused = verdict.output.lines().any(|line| {
            line.contains("FAIL") && line.contains(&format!("::{}_", test_name(fault)))
        });
        assert!(refused, "{fault:?} passes\n{}", verdict.output);
    }
}

fn test_name(fault: Fault) -> String {
    format!("{fault:?}").to_lowercase()
}

/// A package whose tests need BLS passes nothing without a tape.
#[test]
fn without_the_tape_bls_aborts() {
    let world = world::<vault::Vault>();
    let sought = abort_codes::<vault::Vault>();
    let scenario = (1..200)
        .map(|seed| play(&vault::Vault, world.clone(), seed, &sought, None))
        .find(|scenario| scenario.text.contains("registry::certify("))
        .unwrap();
    let verdict = judge::<vault::Vault>(&[scenario], &BTreeSet::new(), "vault-without-tape");
    assert!(!verdict.passed);
    assert!(verdict.output.contains("777"), "{}", verdict.output);
}
