//! What holds for any bytes and any seed: parsing is total, execution is bounded and repeatable, and what
//! decodes encodes to the same bytes.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[expect(dead_code, reason = "each test uses its part")]
mod support;
#[path = "support/zeroes.rs"]
mod zeroes;

use std::sync::{Arc, LazyLock};

use floe_move_vm::{Argument, Limits, Module, Package, Session, Type, Value, relocate};
use proptest::prelude::*;
use sui_sdk_types::{Address, Digest};
use support::MemoryWorld;
use zeroes::call_with_zeroes;

/// Real modules: the framework's and the corpus.
static MODULES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut modules = support::bytecode("framework");
    modules.extend(support::bytecode("corpus"));
    modules
});

static WORLD: LazyLock<MemoryWorld> = LazyLock::new(|| {
    let mut packages = support::framework();
    packages.push(support::package("corpus", Address::ZERO));
    MemoryWorld::with(packages)
});

/// One way to damage bytes.
#[derive(Clone, Debug)]
enum Damage {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        6 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        6 => (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => at().prop_map(Damage::Cut),
        1 => (at(), at()).prop_map(|(from, to)| Damage::Repeat(from, to)),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match damage {
            Damage::Set(at, byte) => bytes[at.index(length)] = *byte,
            Damage::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Damage::Cut(at) => bytes.truncate(at.index(length)),
            Damage::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let some = bytes[from..length.min(from + 40)].to_vec();
                bytes.splice(to..to, some);
            }
        }
    }
    bytes
}

/// A real module with some damage.
fn foreign() -> impl Strategy<Value = Vec<u8>> {
    let damages = prop::collection::vec(damage(), 0..6);
    (any::<prop::sample::Index>(), damages)
        .prop_map(|(which, damages)| damaged(which.get(&MODULES).clone(), &damages))
}

/// A parsed module in one text, after asking it for everything.
fn read(module: &Module) -> String {
    let functions: Vec<_> = module
        .functions()
        .map(|(index, handle, function)| {
            assert!(module.function(index).is_some());
            assert_eq!(module.function_named(&handle.name), Some(index));
            format!("{handle:?} {function:?}")
        })
        .collect();
    let (name, dependencies) = (module.name(), module.dependencies());
    format!("{name} {dependencies:?} {functions:?}")
}

/// Calls every function of a module with zeroes; tells how each ended and in how many steps.
fn run_all(world: &MemoryWorld, module: &Module) -> Vec<String> {
    let mut ends = Vec::new();
    for (_, handle, _) in module.functions() {
        let limits = Limits {
            steps: 5_000,
            memory: 5_000,
            ..Limits::default()
        };
        let allowed = limits.steps;
        let transaction = support::transaction(Address::TWO, Digest::ZERO);
        let mut session = Session::new(world, transaction, limits);
        let Some(returned) = call_with_zeroes(&mut session, module, &handle.name) else {
            continue;
        };
        assert!(session.steps_used() <= allowed);
        let steps = session.steps_used();
        ends.push(format!("{returned:?} {steps} {:?}", session.finish()));
    }
    ends
}

fn types() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Bool),
        Just(Type::U8),
        Just(Type::U16),
        Just(Type::U32),
        Just(Type::U64),
        Just(Type::U128),
        Just(Type::U256),
        Just(Type::Address),
    ];
    leaf.prop_recursive(3, 8, 1, |inner| {
        inner.prop_map(|inner| Type::vector(inner).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_parse_to_a_module_or_an_error(bytes in foreign(), noise in any::<Vec<u8>>()) {
        prop_assert!(Module::parse(&noise).is_err());
        if let Ok(module) = Module::parse(&bytes) {
            let again = Module::parse(&bytes).unwrap();
            prop_assert_eq!(read(&module), read(&again));
        }
        let mut moved = bytes;
        let _ = relocate(&mut moved, &Address::TWO, &Address::from_static("0xf00"));
    }

    #[test]
    fn whatever_parses_runs_within_its_limits_and_the_same_again(bytes in foreign()) {
        if let Ok(module) = Module::parse(&bytes) {
            let id = *module.address();
            let (first, second) = (Module::parse(&bytes).unwrap(), module);
            // Beside nothing but itself, if it replaced part of the framework.
            let mut world = WORLD.clone();
            if !world.packages.contains_key(&id) || id == Address::ZERO {
                let package = Package::first(id, vec![first]).unwrap();
                world.packages.insert(id, Arc::new(package));
            }
            prop_assert_eq!(run_all(&world, &second), run_all(&world, &second));
        }
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(kind in types(), bytes in prop::collection::vec(0..3_u8, 0..80)) {
        let mut session = support::session(&WORLD);
        if let Ok(value) = session.decode(&kind, &bytes) {
            prop_assert_eq!(session.encode(&value).unwrap(), bytes);
        }
    }

    /// Every function of the corpus does the same twice, whatever its seed: results, events, ids and steps.
    #[test]
    fn execution_is_deterministic(seed in any::<u64>(), which in any::<prop::sample::Index>()) {
        let corpus = &WORLD.packages[&Address::ZERO];
        let functions: Vec<_> = corpus
            .modules()
            .values()
            .flat_map(|module| module.functions().map(|(_, handle, _)| (module.name(), &handle.name)))
            .collect();
        let (module, function) = which.get(&functions);
        let run = || {
            let limits = Limits { steps: 300_000, ..Limits::default() };
            let transaction = support::transaction(Address::TWO, Digest::ZERO);
            let mut session = Session::new(&*WORLD, transaction, limits);
            let signature = session.function(&Address::ZERO, module, function).unwrap();
            let arguments = match signature.parameters.as_slice() {
                [Type::U64] => vec![Argument::Value(Value::U64(seed))],
                [Type::U64, Type::MutableReference(_)] => vec![
                    Argument::Value(Value::U64(seed)),
                    Argument::Reference(session.hold_transaction_context().unwrap()),
                ],
                _ => return None,
            };
            let returned = session.call(&Address::ZERO, module, function, &[], arguments);
            Some(format!("{returned:?} {:?}", session.finish()))
        };
        prop_assert_eq!(run(), run());
    }
}
