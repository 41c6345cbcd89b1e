//! What commands returned and changed in place, for simulations.

use floe_move_vm::{FailureKind, Session, Slot, Type, Value};
use sui_sdk_types::{Argument, TypeTag};

/// A value as BCS with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypedBytes {
    /// Type of the value; for a reference, of what it points to.
    pub type_: TypeTag,
    /// BCS of the value.
    pub bytes: Vec<u8>,
}

/// The visible results of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandOutput {
    /// Returned values in order.
    pub returned: Vec<TypedBytes>,
    /// Arguments passed by mutable reference, as the command left them.
    pub mutated: Vec<(Argument, TypedBytes)>,
}

impl CommandOutput {
    pub(super) fn collect(
        session: &mut Session<'_>,
        returned: &[(Type, Value)],
        borrowed: &[(Argument, Type, Slot)],
    ) -> Result<Self, FailureKind> {
        let mut output = Self::default();
        for (type_, value) in returned {
            let target = match type_ {
                Type::Reference(target) | Type::MutableReference(target) => &**target,
                _ => type_,
            };
            let bytes = session.encode(value)?;
            if let Ok(type_) = target.tag() {
                output.returned.push(TypedBytes { type_, bytes });
            }
        }
        for (argument, type_, slot) in borrowed {
            let target = match type_ {
                Type::MutableReference(target) => &**target,
                other => other,
            };
            let bytes = session.encode(session.value(*slot))?;
            if let Ok(type_) = target.tag() {
                output
                    .mutated
                    .push((*argument, TypedBytes { type_, bytes }));
            }
        }
        Ok(output)
    }
}
