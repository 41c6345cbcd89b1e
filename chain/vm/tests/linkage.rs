//! Upgrades: which version of a dependency runs is for the linkage of the package called from outside.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[expect(dead_code, reason = "each test uses its part")]
mod support;

use std::{collections::BTreeMap, sync::Arc};

use floe_move_vm::{
    Argument, ExecutionFailure, FailureKind, Missing, Module, Package, PackageInfo, Value, relocate,
};
use sui_sdk_types::{Address, StructTag, TypeTag};
use support::MemoryWorld;

const PULLEY: Address = Address::from_static("0xf1");
const PULLEY_2: Address = Address::from_static("0xf2");
const CRANE: Address = Address::from_static("0xc1");
const CRANE_2: Address = Address::from_static("0xc2");
/// What crane's bytecode calls pulley until it is published: the name in ASCII.
const PLACEHOLDER: Address = Address::from_static("0x70756c6c6579");

/// A version of a package whose first one is stored at `original`.
fn version(
    name: &str,
    (original, storage): (Address, Address),
    pulley: Option<Address>,
    origins: &[(&str, Address)],
) -> Arc<Package> {
    let modules = support::bytecode(name).into_iter().map(|mut bytes| {
        relocate(&mut bytes, &Address::ZERO, &original).unwrap();
        relocate(&mut bytes, &PLACEHOLDER, &PULLEY).unwrap();
        Arc::new(Module::parse(&bytes).unwrap())
    });
    let framework = [Address::from_static("0x1"), Address::TWO].map(|id| (id, id));
    let origins = origins.iter().map(|(datatype, defining)| {
        let key = (support::name("pulley"), support::name(datatype));
        (key, *defining)
    });
    let info = PackageInfo {
        storage,
        original,
        version: if storage == original { 1 } else { 2 },
        linkage: framework
            .into_iter()
            .chain(pulley.map(|storage| (PULLEY, storage)))
            .collect(),
        origins: origins.collect(),
        modules: modules.collect(),
    };
    Arc::new(Package::new(info).unwrap())
}

/// Both versions of both packages; each version of the crane is linked to that of the pulley.
fn world() -> MemoryWorld {
    let mut packages = support::framework();
    packages.extend([
        version("pulley", (PULLEY, PULLEY), None, &[]),
        version(
            "pulley_v2",
            (PULLEY, PULLEY_2),
            None,
            &[("Rope", PULLEY), ("Chain", PULLEY_2)],
        ),
        version("crane", (CRANE, CRANE), Some(PULLEY), &[]),
        version("crane", (CRANE, CRANE_2), Some(PULLEY_2), &[]),
    ]);
    MemoryWorld::with(packages)
}

fn call(
    world: &MemoryWorld,
    package: Address,
    function: &str,
    argument: Option<u64>,
) -> Result<Value, ExecutionFailure> {
    let mut session = support::session(world);
    let (module, function) = (support::name("crane"), support::name(function));
    let arguments = argument.map(|number| Argument::Value(Value::U64(number)));
    let returned = session.call(
        &package,
        &module,
        &function,
        &[],
        arguments.into_iter().collect(),
    );
    Ok(returned?.pop().unwrap_or(Value::Empty))
}

#[test]
fn each_version_runs_the_dependency_it_was_linked_to() {
    let world = world();
    assert_eq!(call(&world, CRANE, "lift", Some(3)), Ok(Value::U64(3)));
    assert_eq!(call(&world, CRANE_2, "lift", Some(3)), Ok(Value::U64(6)));
}

#[test]
fn an_abort_names_the_version_that_ran() {
    let world = world();
    let abort = |package, weight| call(&world, package, "load", Some(weight)).unwrap_err();
    for (package, weight, code, storage) in [(CRANE, 15, 1, PULLEY), (CRANE_2, 25, 2, PULLEY_2)] {
        let failure = abort(package, weight);
        assert_eq!(failure.kind, FailureKind::Abort { code });
        let location = failure.location.unwrap();
        assert_eq!((location.package, location.original), (storage, PULLEY));
    }
    assert_eq!(call(&world, CRANE_2, "load", Some(15)), Ok(Value::Empty));
}

#[test]
fn a_type_is_named_after_the_version_that_introduced_it() {
    let world = world();
    let name = format!(
        "{}::pulley::Rope",
        PULLEY.to_string().trim_start_matches("0x")
    );
    for package in [CRANE, CRANE_2] {
        let returned = call(&world, package, "rope_type", None);
        assert_eq!(returned, Ok(Value::Bytes(name.clone().into_bytes())));
    }

    let mut session = support::session(&world);
    let tag = |package, name| -> TypeTag {
        let (module, name) = (support::name("pulley"), support::name(name));
        StructTag::new(package, module, name, Vec::new()).into()
    };
    // A tag may name any version that has the type.
    let rope = session.type_of(&tag(PULLEY, "Rope")).unwrap();
    assert_eq!(session.type_of(&tag(PULLEY_2, "Rope")), Ok(rope));
    assert!(session.type_of(&tag(PULLEY_2, "Chain")).is_ok());
    assert!(matches!(
        session.type_of(&tag(PULLEY, "Chain")),
        Err(FailureKind::Missing(missing)) if matches!(*missing, Missing::Datatype(..))
    ));
}

#[test]
fn values_pass_between_versions_in_one_session() {
    let world = world();
    let mut session = support::session(&world);
    let (pulley, rope) = (support::name("pulley"), support::name("rope"));
    let length = vec![Argument::Value(Value::U64(5))];
    let made = session
        .call(&PULLEY_2, &pulley, &rope, &[], length)
        .unwrap();
    let (crane, turn) = (support::name("crane"), support::name("turn"));
    let turns: BTreeMap<_, _> = [CRANE, CRANE_2]
        .into_iter()
        .map(|package| {
            let rope = vec![Argument::Value(made[0].clone())];
            (
                package,
                session.call(&package, &crane, &turn, &[], rope).unwrap(),
            )
        })
        .collect();
    assert_eq!(turns[&CRANE], [Value::U64(5)]);
    assert_eq!(turns[&CRANE_2], [Value::U64(10)]);
}
