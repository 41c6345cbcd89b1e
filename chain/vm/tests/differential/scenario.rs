//! Random scenarios over a target package, and what they reached.

use std::collections::BTreeSet;

use floe_move_vm::{FailureKind, testing::Fault};
use sui_sdk_types::{Address, Identifier};

use crate::{
    ledger::{Call, Done, Ledger},
    script::Script,
    support::MemoryWorld,
};

/// A Move package and random operations on it. Implement this to run another package.
pub trait Target {
    /// What the operations remember of one scenario.
    type State;

    /// Its name: of its bytecode in `target/move`, and of its address in Move.
    const NAME: &'static str;

    /// Its folder, from the root of the repository.
    const FOLDER: &'static str;

    /// Creates its objects.
    fn begin(&self, run: &mut Run) -> Self::State;

    /// Performs one random operation, successful or not.
    fn step(&self, state: &mut Self::State, run: &mut Run);
}

/// What scenarios reached, in what the real VM judged.
#[derive(Default)]
pub struct Coverage {
    pub functions: BTreeSet<(String, String)>,
    pub aborts: BTreeSet<(String, u64)>,
    pub attempted: usize,
    pub succeeded: usize,
}

/// A scenario in the making.
pub struct Run {
    pub ledger: Ledger,
    pub dice: Dice,
    tape: BTreeSet<String>,
    tried: BTreeSet<String>,
    coverage: Coverage,
    script: Script,
    number: u64,
    /// Failures are only judged at the end of a scenario: a failed unit test ends.
    ending: bool,
    failed: bool,
}

/// A finished scenario.
pub struct Scenario {
    /// The test function.
    pub text: String,
    /// What BLS natives answered in it.
    pub tape: BTreeSet<String>,
    /// The same, with the operations that were left out.
    pub tried: BTreeSet<String>,
    pub coverage: Coverage,
}

/// Plays a scenario of about `length` operations. `seen` are aborts that need not be sought.
pub fn play<T: Target>(
    target: &T,
    world: MemoryWorld,
    seed: u64,
    length: usize,
    seen: &BTreeSet<(String, u64)>,
    fault: Option<Fault>,
) -> Scenario {
    let mut run = Run {
        ledger: Ledger::new(world, fault),
        dice: Dice(seed),
        tape: BTreeSet::new(),
        tried: BTreeSet::new(),
        coverage: Coverage::default(),
        script: Script::new(T::NAME),
        number: 0,
        ending: false,
        failed: false,
    };
    run.coverage.aborts = seen.clone();
    let mut state = target.begin(&mut run);
    while run.coverage.succeeded < length && !run.failed {
        target.step(&mut state, &mut run);
    }
    if !run.failed {
        run.next(Address::ZERO);
        run.script.check_all(&run.ledger);
        run.ending = true;
    }
    for _ in 0..60 {
        if run.failed {
            break;
        }
        target.step(&mut state, &mut run);
    }
    Scenario {
        text: run.script.finish(&format!("scenario_{seed}")),
        tape: run.tape,
        tried: run.tried,
        coverage: run.coverage,
    }
}

impl Run {
    /// Begins the next transaction; returns its number.
    fn next(&mut self, sender: Address) -> u64 {
        self.script.transaction(sender);
        self.number += 1;
        self.number - 1
    }

    /// A transaction of statements whose effect on the ledger `effect` knows.
    pub fn given(&mut self, sender: Address, text: &str, effect: impl FnOnce(&mut Ledger, u64)) {
        let number = self.next(sender);
        self.script.raw(text);
        effect(&mut self.ledger, number);
    }

    /// A transaction that changes one object by a test-only function of the framework: `{}` in
    /// `text` stands for the object.
    pub fn given_with(
        &mut self,
        sender: Address,
        id: Address,
        text: &str,
        effect: impl FnOnce(&mut Ledger, u64),
    ) {
        let (take, give) = self.script.take(&self.ledger, &id, "o");
        let text = text.replace("{}", "o");
        self.given(sender, &format!("{take} {text} {give}"), effect);
    }

    /// A transaction of one call. One that fails is skipped, or ends the scenario.
    pub fn call(&mut self, sender: Address, call: Call) -> Option<Done> {
        if self.failed {
            return None;
        }
        self.coverage.attempted += 1;
        let mut after = self.ledger.clone_objects();
        let result = after.execute(sender, self.number, &call);
        let lines = std::mem::take(&mut after.tape);
        self.tried.extend(lines.iter().cloned());
        let function = (call.module.to_string(), call.function.to_string());
        match result {
            Ok(done) => {
                self.coverage.succeeded += 1;
                self.tape.extend(lines);
                self.coverage.functions.insert(function);
                self.next(sender);
                self.script.call(&self.ledger, &after, &call, Some(&done));
                self.ledger = after;
                Some(done)
            }
            Err(failure) => {
                let at = failure.location.as_ref().expect("failed while running");
                let abort = match failure.kind {
                    FailureKind::Abort { code } if at.original == Address::ZERO => {
                        Some((at.module.to_string(), code))
                    }
                    _ => None,
                };
                let known = abort
                    .as_ref()
                    .is_none_or(|abort| self.coverage.aborts.contains(abort));
                let wrong =
                    self.ledger.fault.is_some() && self.succeeds_without_fault(sender, &call);
                if wrong || (self.ending && (!known || self.dice.one_in(12))) {
                    self.tape.extend(lines);
                    self.coverage.aborts.extend(abort);
                    self.coverage.functions.insert(function);
                    self.next(sender);
                    self.script.call(&self.ledger, &after, &call, None);
                    self.script.fails(&failure);
                    self.failed = true;
                }
                None
            }
        }
    }

    /// Whether the call is one that only the fault makes fail.
    fn succeeds_without_fault(&self, sender: Address, call: &Call) -> bool {
        let mut healthy = self.ledger.clone_objects();
        healthy.fault = None;
        healthy.execute(sender, self.number, call).is_ok()
    }
}

/// A call of a function of the target.
pub fn call(module: &str, function: &str, results_to: Address) -> Call {
    Call {
        package: Address::ZERO,
        module: Identifier::new(module).unwrap(),
        function: Identifier::new(function).unwrap(),
        types: Vec::new(),
        arguments: Vec::new(),
        results_to,
    }
}

/// Pseudo-random numbers (SplitMix64), the same for the same seed everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let bound = u64::try_from(from.len()).unwrap();
        if bound == 0 {
            return None;
        }
        Some(from[usize::try_from(self.below(bound)).unwrap()])
    }
}
