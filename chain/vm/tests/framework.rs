//! The framework's own bytecode: everything in it parses, links and is known by name.

#[expect(dead_code, reason = "each test uses its part")]
mod support;

use std::collections::BTreeSet;

use floe_move_vm::{Abilities, Argument, FailureKind, Module, Type, Value};

/// Natives the framework declares and no function we use reaches: pairing-friendly proofs over
/// other curves, enclaves, zkLogin, settlement of address balances, deny-list settings, and vector
/// operations that compilers emit as instructions.
const UNSUPPORTED: &[&str] = &[
    "accumulator::emit_deposit_event",
    "accumulator::emit_withdraw_event",
    "accumulator_settlement::record_settlement_sui_conservation",
    "config::read_setting_impl",
    "debug::print_stack_trace",
    "ecvrf::ecvrf_verify",
    "event::emit_authenticated_impl",
    "funds_accumulator::add_to_accumulator_address",
    "funds_accumulator::withdraw_from_accumulator_address",
    "groth16::prepare_verifying_key_internal",
    "groth16::verify_groth16_proof_internal",
    "nitro_attestation::load_nitro_attestation_internal",
    "poseidon::poseidon_bn254_internal",
    "vdf::hash_to_input_internal",
    "vdf::vdf_verify_internal",
    "vector::borrow",
    "vector::borrow_mut",
    "vector::pop_back",
    "vector::push_back",
    "vector::swap",
    "zklogin_verified_id::check_zklogin_id_internal",
    "zklogin_verified_issuer::check_zklogin_issuer_internal",
];

#[test]
fn every_declared_native_is_implemented_or_fails_by_name() {
    let packages = support::framework();
    let world = support::MemoryWorld::with(packages.clone());
    let mut unsupported = BTreeSet::new();
    let mut declared = 0;
    let modules = packages.iter().flat_map(|package| {
        let id = package.storage();
        package.modules().values().map(move |module| (id, module))
    });
    for (id, module) in modules {
        for (_, handle, function) in module.functions() {
            if function.code.is_some() {
                continue;
            }
            declared += 1;
            let mut session = support::session(&world);
            let signature = session.function(&id, module.name(), &handle.name).unwrap();
            // Arguments of no use to any native: what is implemented says so, or fails otherwise.
            let arguments = vec![Argument::Value(Value::Empty); signature.parameters.len()];
            let tag = sui_sdk_types::StructTag::gas_coin().into();
            let coin = session.type_of(&tag).unwrap();
            let types: Vec<Type> = signature
                .type_parameters
                .iter()
                .map(|constraint| match constraint.contains(Abilities::KEY) {
                    true => coin.clone(),
                    false => Type::U64,
                })
                .collect();
            let result = session.call(&id, module.name(), &handle.name, &types, arguments);
            let name = format!("{}::{}", module.name(), handle.name);
            match result.map_err(|failure| failure.kind) {
                Err(FailureKind::UnsupportedNative(named)) => {
                    assert_eq!(*named, *name);
                    unsupported.insert(name);
                }
                Err(FailureKind::Constraint { .. }) => panic!("{name} wants other types"),
                _ => {}
            }
        }
    }
    assert_eq!(declared, 89);
    let expected: BTreeSet<String> = UNSUPPORTED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(unsupported, expected);
}

#[test]
fn a_module_cut_short_or_followed_by_more_is_refused() {
    for bytes in support::bytecode("framework") {
        assert!(Module::parse(&bytes).is_ok());
        for length in (0..bytes.len()).step_by(7) {
            assert!(Module::parse(&bytes[..length]).is_err());
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(Module::parse(&longer).is_err());
    }
}
