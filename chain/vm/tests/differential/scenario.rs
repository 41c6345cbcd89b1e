//! Random scenarios over a target package, and what they reached.

use std::collections::BTreeSet;

use floe_move_vm::{FailureKind, testing::Fault};
use sui_sdk_types::{Address, Identifier, StructTag};

use crate::{
    ledger::{Arg, Call, Done, Ledger, Owner, create},
    script::{Names, Script},
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

    /// Packages of this repository that it uses.
    const DEPENDENCIES: &'static [&'static str];

    /// Public functions that no transaction can call: nothing gives out what they take.
    const UNREACHABLE: &'static [(&'static str, &'static str)];

    /// Operations of one scenario, before the one that fails.
    const LENGTH: usize;

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
    /// Aborts that end the scenario.
    sought: BTreeSet<(String, u64)>,
    /// Of so many failures that are not sought, one ends the scenario.
    patience: u64,
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

/// The address under which packages know an unpublished sibling: its name in ASCII.
pub fn placeholder(name: &str) -> Address {
    let mut bytes = [0; 32];
    bytes[32 - name.len()..].copy_from_slice(name.as_bytes());
    Address::new(bytes)
}

fn names<T: Target>() -> Names {
    let own = [
        (Address::ZERO, T::NAME),
        (Address::from_static("0x1"), "std"),
        (Address::TWO, "sui"),
    ];
    let siblings = T::DEPENDENCIES
        .iter()
        .map(|name| (placeholder(name), *name));
    own.into_iter().chain(siblings).collect()
}

/// Plays a scenario, and looks for longer for a failure to end it if some aborts are sought.
pub fn play<T: Target>(
    target: &T,
    world: MemoryWorld,
    seed: u64,
    sought: &BTreeSet<(String, u64)>,
    fault: Option<Fault>,
) -> Scenario {
    let mut run = Run {
        ledger: Ledger::new(world, fault),
        dice: Dice(seed),
        tape: BTreeSet::new(),
        tried: BTreeSet::new(),
        coverage: Coverage::default(),
        script: Script::new(names::<T>()),
        number: 0,
        ending: false,
        sought: sought.clone(),
        patience: if sought.is_empty() { 12 } else { 40 },
        failed: false,
    };
    let mut state = target.begin(&mut run);
    while run.coverage.succeeded < T::LENGTH && !run.failed {
        target.step(&mut state, &mut run);
    }
    if !run.failed {
        run.next(Address::ZERO);
        run.script.check_all(&run.ledger);
        run.ending = true;
    }
    for _ in 0..5 * run.patience {
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

    /// Whether the scenario looks for a failure to end in.
    pub fn is_ending(&self) -> bool {
        self.ending
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
        let mut functions = BTreeSet::new();
        called(&call, &mut functions);
        match result {
            Ok(done) => {
                self.coverage.succeeded += 1;
                self.tape.extend(lines);
                self.coverage.functions.extend(functions);
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
                let sought = abort
                    .as_ref()
                    .is_some_and(|abort| self.sought.contains(abort));
                let wrong =
                    self.ledger.fault.is_some() && self.succeeds_without_fault(sender, &call);
                if wrong || (self.ending && (sought || self.dice.one_in(self.patience))) {
                    self.tape.extend(lines);
                    self.coverage.aborts.extend(abort);
                    self.coverage.functions.extend(functions);
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

/// Functions that a call reaches, those that make its arguments included.
fn called(call: &Call, functions: &mut BTreeSet<(String, String)>) {
    functions.insert((call.module.to_string(), call.function.to_string()));
    for argument in &call.arguments {
        if let Arg::Result(inner) = argument {
            called(inner, functions);
        }
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

/// Sends what the chain itself does.
pub const SYSTEM: Address = Address::ZERO;

/// `clock::create_for_testing` and its sharing, which only test builds have: a fresh id and time zero.
pub fn share_clock(run: &mut Run) -> Address {
    let mut clock = Address::ZERO;
    let statement = "clock::share_for_testing(clock::create_for_testing(sc.ctx()));";
    run.given(SYSTEM, statement, |ledger, number| {
        let tag = framework_type("clock", "Clock");
        clock = create(ledger, SYSTEM, number, Owner::Shared, tag, &[0; 8]);
    });
    clock
}

/// `clock::set_for_testing`, which only test builds have.
pub fn set_clock(run: &mut Run, clock: Address, now_ms: u64) {
    let statement = format!("clock::set_for_testing(&mut {{}}, {now_ms});");
    run.given_with(SYSTEM, clock, &statement, |ledger, _| {
        let mut object = ledger.objects()[&clock].clone();
        object.contents.truncate(32);
        object.contents.extend(now_ms.to_le_bytes());
        ledger.insert(clock, object);
    });
}

/// A type of the framework.
pub fn framework_type(module: &'static str, name: &'static str) -> StructTag {
    let (module, name) = (
        Identifier::from_static(module),
        Identifier::from_static(name),
    );
    StructTag::new(Address::TWO, module, name, Vec::new())
}
