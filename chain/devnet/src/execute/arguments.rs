//! Turns the arguments of a command into values and references, by the rules of programmable transactions.

use floe_move_vm::{Abilities, Argument as CallArgument, Slot, Type, Value};
use sui_sdk_types::{Address, Argument, CommandArgumentError, ExecutionError, TypeTag};

use super::{
    Access,
    cells::{Content, Key, Origin, Use},
    commands::{Machine, Step, position},
};

impl Machine<'_, '_, '_> {
    /// What to pass for one parameter, and whether the callee may change it in place.
    pub(super) fn argument(
        &mut self,
        index: usize,
        argument: Argument,
        type_: &Type,
    ) -> Step<(CallArgument, bool)> {
        match type_ {
            Type::Reference(target) => {
                Ok((self.borrow(index, argument, target, Use::Read)?, false))
            }
            Type::MutableReference(target) => {
                Ok((self.borrow(index, argument, target, Use::Write)?, true))
            }
            _ => Ok((
                CallArgument::Value(self.by_value(index, argument, type_)?),
                false,
            )),
        }
    }

    fn borrow(
        &mut self,
        index: usize,
        argument: Argument,
        type_: &Type,
        how: Use,
    ) -> Step<CallArgument> {
        let wrong = |kind| argument_error(index, kind);
        let key = self.cells.locate(argument).map_err(wrong)?;
        self.cells.note(key, how).map_err(wrong)?;
        let cell = self.cells.get(key);
        let read_only = matches!(
            cell.origin,
            Origin::Object(Access::Immutable | Access::SharedReadOnly)
        );
        if how == Use::Write && read_only {
            return Err(wrong(CommandArgumentError::InvalidObjectByMutRef));
        }
        let slot = match &cell.content {
            Content::Taken => return Err(wrong(CommandArgumentError::InvalidValueUsage)),
            Content::Receiving { .. } => return Err(wrong(CommandArgumentError::TypeMismatch)),
            Content::Held { type_: held, slot } if held == type_ => *slot,
            Content::Held { .. } => return Err(wrong(CommandArgumentError::TypeMismatch)),
            Content::Pure { typed, .. } => match typed.iter().find(|(known, _)| known == type_) {
                Some((_, slot)) => *slot,
                None => self.type_pure(index, key, type_)?,
            },
        };
        Ok(CallArgument::Reference(slot))
    }

    /// Gives a pure input a value of one more type.
    fn type_pure(&mut self, index: usize, key: Key, type_: &Type) -> Step<Slot> {
        let value = self.decode_pure(index, key, type_)?;
        let slot = self.session.hold(type_.clone(), value);
        if let Content::Pure { typed, .. } = &mut self.cells.get(key).content {
            typed.push((type_.clone(), slot));
        }
        Ok(slot)
    }

    fn decode_pure(&mut self, index: usize, key: Key, type_: &Type) -> Step<Value> {
        let tag = type_
            .tag()
            .map_err(|_| argument_error(index, CommandArgumentError::InvalidUsageOfPureArgument))?;
        if self.checks.enforced() && !may_be_pure(&tag) {
            return Err(argument_error(
                index,
                CommandArgumentError::InvalidUsageOfPureArgument,
            ));
        }
        let bytes = match &self.cells.get(key).content {
            Content::Pure { bytes, .. } => bytes.clone(),
            _ => Vec::new(),
        };
        self.session
            .decode(type_, &bytes)
            .map_err(|_| argument_error(index, CommandArgumentError::InvalidBcsBytes))
    }

    pub(super) fn by_value(
        &mut self,
        index: usize,
        argument: Argument,
        type_: &Type,
    ) -> Step<Value> {
        let wrong = |kind| argument_error(index, kind);
        let key = self.cells.locate(argument).map_err(wrong)?;
        if key == Key::Gas {
            return Err(wrong(CommandArgumentError::InvalidGasCoinUsage));
        }
        self.take(index, key, type_)
    }

    pub(super) fn take(&mut self, index: usize, key: Key, type_: &Type) -> Step<Value> {
        let wrong = |kind| argument_error(index, kind);
        let cell = self.cells.get(key);
        let origin = cell.origin;
        let (held, slot) = match &cell.content {
            Content::Taken => return Err(wrong(CommandArgumentError::InvalidValueUsage)),
            Content::Pure { typed, .. } => {
                let known = typed
                    .iter()
                    .find(|(known, _)| known == type_)
                    .map(|(_, slot)| *slot);
                self.cells.note(key, Use::Read).map_err(wrong)?;
                return match known {
                    Some(slot) => Ok(self.session.value(slot).clone()),
                    None => self.decode_pure(index, key, type_),
                };
            }
            Content::Receiving { id, version } => {
                let (id, version) = (*id, *version);
                return self.take_receiving(index, key, type_, id, version);
            }
            Content::Held { type_, slot } => (type_.clone(), *slot),
        };
        if held != *type_ {
            return Err(wrong(CommandArgumentError::TypeMismatch));
        }
        if matches!(
            origin,
            Origin::Object(Access::Immutable | Access::SharedReadOnly)
        ) {
            return Err(wrong(CommandArgumentError::InvalidObjectByValue));
        }
        if self.abilities(&held)?.contains(Abilities::COPY) {
            self.cells.note(key, Use::Read).map_err(wrong)?;
            return Ok(self.session.value(slot).clone());
        }
        self.cells.note(key, Use::Take).map_err(wrong)?;
        self.cells.get(key).content = Content::Taken;
        self.session
            .take(slot)
            .ok_or(ExecutionError::InvariantViolation)
    }

    /// The ticket `0x2::transfer::Receiving<T>` for an object that was sent to an object.
    fn take_receiving(
        &mut self,
        index: usize,
        key: Key,
        type_: &Type,
        id: Address,
        version: u64,
    ) -> Step<Value> {
        let wrong = |kind| argument_error(index, kind);
        if !type_.is(Address::TWO, "transfer", "Receiving") {
            return Err(wrong(CommandArgumentError::TypeMismatch));
        }
        self.cells.note(key, Use::Take).map_err(wrong)?;
        self.cells.get(key).content = Content::Taken;
        let ticket = [id.as_bytes(), &version.to_le_bytes()].concat();
        self.session
            .decode(type_, &ticket)
            .map_err(|_| wrong(CommandArgumentError::InvalidBcsBytes))
    }
}

/// Whether bytes of a transaction may become a value of this type: numbers, addresses, ids, strings, and vectors and options of them.
fn may_be_pure(tag: &TypeTag) -> bool {
    match tag {
        TypeTag::Signer => false,
        TypeTag::Vector(element) => may_be_pure(element),
        TypeTag::Struct(tag) => {
            let path = (*tag.address(), tag.module().as_str(), tag.name().as_str());
            match path {
                (Address::TWO, "object", "ID") => true,
                (STD, "string" | "ascii", "String") => true,
                (STD, "option", "Option") => tag.type_params().iter().all(may_be_pure),
                _ => false,
            }
        }
        _ => true,
    }
}

/// `0x1`, the Move standard library.
const STD: Address = Address::from_static("0x1");

pub(super) fn argument_error(index: usize, kind: CommandArgumentError) -> ExecutionError {
    ExecutionError::CommandArgumentError {
        argument: position(index),
        kind,
    }
}
