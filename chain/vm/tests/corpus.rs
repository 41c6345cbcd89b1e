//! The conformance corpus: the interpreter predicts what every function of `tests/move/corpus`
//! returns or how it fails, and the real Move VM judges.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[expect(dead_code, reason = "each test uses its part")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use floe_move_vm::{
    Argument, ExecutionFailure, FailureKind, Limits, Package, Session, Type, Value,
};
use sui_sdk_types::{Address, Digest, Identifier};
use support::judge::{Judge, expected_failure, repository};

const SENDER: Address = Address::from_static("0xa11ce");
/// Each function runs with this many seeds.
const SEEDS: u64 = 16;

/// `(module, function)` of every public function `(u64, &mut TxContext): vector<u8>`.
fn functions(world: &support::MemoryWorld, package: &Package) -> Vec<(Identifier, Identifier)> {
    let mut found = Vec::new();
    for module in package.modules().values() {
        for (_, handle, _) in module.functions() {
            let mut session = support::session(world);
            let signature = session
                .function(&Address::ZERO, module.name(), &handle.name)
                .unwrap();
            if matches!(
                signature.parameters.as_slice(),
                [Type::U64, Type::MutableReference(_)]
            ) && signature.returns == [Type::vector(Type::U8).unwrap()]
            {
                found.push((module.name().clone(), handle.name.clone()));
            }
        }
    }
    found
}

fn predict(
    world: &support::MemoryWorld,
    module: &Identifier,
    function: &Identifier,
    seed: u64,
) -> Result<Vec<u8>, ExecutionFailure> {
    // What `tx_context::new_from_hint` uses for a digest.
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&seed.to_le_bytes());
    let transaction = support::transaction(SENDER, Digest::new(digest));
    let mut session = Session::new(world, transaction, Limits::default());
    let context = session.hold_transaction_context().unwrap();
    let arguments = vec![
        Argument::Value(Value::U64(seed)),
        Argument::Reference(context),
    ];
    let returned = session.call(&Address::ZERO, module, function, &[], arguments)?;
    match <[Value; 1]>::try_from(returned) {
        Ok([Value::Bytes(bytes)]) => Ok(bytes),
        other => panic!("{module}::{function} returned {other:?}"),
    }
}

#[test]
fn the_real_vm_agrees_with_every_prediction() {
    let corpus = support::package("corpus", Address::ZERO);
    let mut packages = support::framework();
    packages.push(corpus.clone());
    let world = support::MemoryWorld::with(packages);
    let judge = Judge::new(
        &repository().join("chain/vm/tests/move/corpus"),
        "corpus-judged",
    );
    let (mut returned, mut failed) = (0, 0);
    let mut kinds = BTreeSet::new();
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (module, function) in functions(&world, &corpus) {
        let text = texts.entry(module.to_string()).or_insert_with(|| {
            format!("#[test_only]\nmodule corpus::predicted_{module};\nuse corpus::{module};\n")
        });
        for seed in 0..SEEDS {
            let context = format!("&mut tx_context::new_from_hint(@{SENDER}, {seed}, 0, 0, 0)");
            let call = format!("{module}::{function}({seed}, {context})");
            let name = format!("{function}_{seed}");
            match predict(&world, &module, &function, seed) {
                Ok(bytes) => {
                    returned += 1;
                    let bytes = hex::encode(bytes);
                    writeln!(
                        text,
                        "#[test]\nfun {name}() {{ assert!({call} == x\"{bytes}\"); }}"
                    )
                }
                Err(failure) => {
                    failed += 1;
                    kinds.insert(match &failure.kind {
                        FailureKind::Abort { .. } => "abort",
                        FailureKind::Arithmetic => "arithmetic",
                        FailureKind::VectorBounds => "bounds",
                        FailureKind::VectorEmpty => "empty",
                        FailureKind::VectorLength => "length",
                        other => panic!("{module}::{function}({seed}): {other}"),
                    });
                    let expected = expected_failure(&failure, "corpus");
                    writeln!(text, "#[test, {expected}]\nfun {name}() {{ {call}; }}")
                }
            }
            .unwrap();
        }
    }
    assert!(returned >= 250 && failed >= 50, "{returned} and {failed}");
    assert_eq!(kinds.len(), 5);
    for (module, text) in texts {
        judge.add(&format!("predicted_{module}"), &text);
    }
    let verdict = judge.run("");
    assert!(verdict.passed, "{}", verdict.output);
    println!(
        "{returned} results and {failed} failures: {}",
        verdict.output
    );
    let tests = format!("Total tests: {}; passed: {0}", returned + failed);
    assert!(verdict.output.contains(&tests), "{}", verdict.output);
}

/// Names of instructions; those with operands without them.
const INSTRUCTIONS: &str = "Pop Return BranchFalse Branch LoadBool LoadU8 LoadU16 LoadU32
    LoadU64 LoadU128 LoadU256 LoadConstant CopyLocal MoveLocal StoreLocal BorrowLocal BorrowField Call
    CallGeneric Pack Unpack ReadReference WriteReference Add Subtract Multiply Modulo Divide BitOr
    BitAnd Xor ShiftLeft ShiftRight Not Equal NotEqual Less Greater LessOrEqual GreaterOrEqual Abort
    Nop CastU8 CastU16 CastU32 CastU64 CastU128 CastU256 VectorPack VectorLength VectorBorrow
    VectorPushBack VectorPopBack VectorUnpack VectorSwap PackVariant UnpackVariant
    UnpackVariantReference VariantSwitch";

#[test]
fn corpus_and_framework_use_every_instruction_the_compiler_emits() {
    let mut used = BTreeSet::new();
    let mut packages = support::framework();
    packages.push(support::package("corpus", Address::ZERO));
    for module in packages
        .iter()
        .flat_map(|package| package.modules().values())
    {
        for (_, _, function) in module.functions() {
            for instruction in function.code.iter().flat_map(|code| &code.instructions) {
                let text = format!("{instruction:?}");
                let end = text
                    .find(|c: char| !c.is_alphanumeric())
                    .unwrap_or(text.len());
                used.insert(text[..end].to_owned());
            }
        }
    }
    // BranchTrue, And and Or are for other compilers: `&&` and `||` compile to BranchFalse.
    let all: BTreeSet<_> = INSTRUCTIONS.split_whitespace().map(str::to_owned).collect();
    assert_eq!(used, all);
}
