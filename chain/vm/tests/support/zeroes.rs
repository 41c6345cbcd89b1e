//! A call of any function with zeroes for arguments.

use floe_move_vm::{Abilities, Argument, ExecutionFailure, Module, Session, Type, Value};
use sui_sdk_types::{Identifier, StructTag};

/// Calls a function of a module with zeroes; `None` if it has no signature to go by.
pub(crate) fn call_with_zeroes(
    session: &mut Session<'_>,
    module: &Module,
    function: &Identifier,
) -> Option<Result<Vec<Value>, ExecutionFailure>> {
    let (id, name) = (*module.address(), module.name());
    let signature = session.function(&id, name, function).ok()?;
    let coin = session.type_of(&StructTag::gas_coin().into());
    let type_argument = |constraint: &Abilities| match &coin {
        Ok(coin) if constraint.contains(Abilities::KEY) => coin.clone(),
        _ => Type::U64,
    };
    let types: Vec<Type> = signature
        .type_parameters
        .iter()
        .map(type_argument)
        .collect();
    let mut arguments = Vec::new();
    for parameter in &signature.parameters {
        let Ok(kind) = parameter.substitute(&types) else {
            continue;
        };
        arguments.push(match &kind {
            Type::Reference(target) | Type::MutableReference(target) => {
                let value = zero(session, target).unwrap_or(Value::Empty);
                Argument::Reference(session.hold((**target).clone(), value))
            }
            kind => Argument::Value(zero(session, kind).unwrap_or(Value::U64(7))),
        });
    }
    Some(session.call(&id, name, function, &types, arguments))
}

/// The value whose bytes are all zero, if there is one of at most 256 bytes.
fn zero(session: &mut Session<'_>, kind: &Type) -> Option<Value> {
    (0..=256).find_map(|length| session.decode(kind, &[0; 256][..length]).ok())
}
