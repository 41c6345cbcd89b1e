//! Runs the commands of a programmable transaction in one interpreter session.

use std::{collections::BTreeMap, sync::Arc};

use floe_move_vm::{
    Abilities, Argument as CallArgument, FunctionSignature, Package, Session, Slot, Type, Value,
    module::Visibility,
};
use sui_sdk_types::{
    Address, Argument, Command, ExecutionError, Identifier, Input, MoveCall, MovePackage,
    ProgrammableTransaction, StructTag, TypeArgumentError, TypeTag,
};

use super::{
    Access, Checks, Inputs,
    cells::{Cell, Cells, Content, Origin},
    failure,
    output::CommandOutput,
};
use crate::coin;

pub(super) type Step<T> = Result<T, ExecutionError>;

/// A programmable transaction in execution.
pub(super) struct Machine<'m, 'w, 'v> {
    pub(super) session: &'m mut Session<'w>,
    pub(super) view: &'m super::View<'v>,
    pub(super) cells: Cells,
    context: Option<Slot>,
    pub(super) checks: Checks,
    /// For every event so far, the call that emitted it.
    pub(super) emitters: Vec<(Address, Identifier)>,
    pub(super) published: Vec<(MovePackage, Arc<Package>)>,
    /// What each command returned and changed by reference; collected in simulations only.
    pub(super) outputs: Vec<CommandOutput>,
}

/// A failed command and its position.
pub(super) struct Failed {
    pub(super) error: Box<ExecutionError>,
    pub(super) command: Option<usize>,
}

impl Failed {
    /// A failure that no command is to blame for.
    pub(super) fn outside(error: ExecutionError) -> Self {
        Self::at(error, None)
    }

    fn at(error: ExecutionError, command: Option<usize>) -> Self {
        Self {
            error: Box::new(error),
            command,
        }
    }
}

impl<'m, 'w, 'v> Machine<'m, 'w, 'v> {
    pub(super) fn new(
        session: &'m mut Session<'w>,
        view: &'m super::View<'v>,
        programmable: &ProgrammableTransaction,
        inputs: &Inputs,
        gas: Option<(Address, u64)>,
        checks: Checks,
    ) -> Result<Self, Failed> {
        let failed = Failed::outside;
        let gas = match gas {
            Some((id, balance)) => {
                hold_object(session, StructTag::gas_coin(), &coin::encode(id, balance))
                    .map_err(failed)?
            }
            None => Content::Taken,
        };
        let mut cells = Vec::with_capacity(programmable.inputs.len());
        for input in &programmable.inputs {
            let cell = match input {
                Input::Pure(bytes) => Cell {
                    content: Content::Pure {
                        bytes: bytes.clone(),
                        typed: Vec::new(),
                    },
                    origin: Origin::Value,
                },
                Input::Receiving(reference) => Cell {
                    content: Content::Receiving {
                        id: *reference.object_id(),
                        version: reference.version(),
                    },
                    origin: Origin::Object(Access::Receiving),
                },
                _ => object_cell(session, inputs, input).map_err(failed)?,
            };
            cells.push(cell);
        }
        Ok(Self {
            session,
            view,
            context: None,
            cells: Cells::new(
                Cell {
                    content: gas,
                    origin: Origin::Gas,
                },
                cells,
            ),
            checks,
            emitters: Vec::new(),
            published: Vec::new(),
            outputs: Vec::new(),
        })
    }

    pub(super) fn run(&mut self, programmable: &ProgrammableTransaction) -> Result<(), Failed> {
        for (index, command) in programmable.commands.iter().enumerate() {
            self.cells.begin_command();
            let failed = |error| Failed::at(error, Some(index));
            let results = self.command(command).map_err(failed)?;
            self.cells.results.push(results);
        }
        self.check_dropped(programmable.commands.len())
    }

    fn command(&mut self, command: &Command) -> Step<Vec<Cell>> {
        let returned = match command {
            Command::MoveCall(call) => return self.move_call(call),
            Command::SplitCoins(split) => self.split(split)?,
            Command::MergeCoins(merge) => self.merge(merge)?,
            Command::TransferObjects(transfer) => self.transfer(transfer)?,
            Command::MakeMoveVector(make) => {
                self.make_vector(make.type_.as_ref(), &make.elements)?
            }
            Command::Publish(publish) => self.publish(&publish.modules, &publish.dependencies)?,
            Command::Upgrade(upgrade) => self.upgrade(upgrade)?,
            _ => return Err(ExecutionError::FeatureNotYetSupported),
        };
        self.hold_results(returned, Vec::new())
    }

    fn move_call(&mut self, call: &MoveCall) -> Step<Vec<Cell>> {
        let signature = self
            .session
            .function(&call.package, &call.module, &call.function)
            .map_err(failure::error)?;
        let callable = signature.is_entry || signature.visibility == Visibility::Public;
        if self.checks.enforced() && !callable {
            return Err(ExecutionError::NonEntryFunctionInvoked);
        }
        let type_arguments = self.type_arguments(&signature, &call.type_arguments)?;
        let close = |type_: &Type| {
            type_
                .substitute(&type_arguments)
                .map_err(|_| ExecutionError::TypeArityMismatch)
        };
        let returns = signature
            .returns
            .iter()
            .map(close)
            .collect::<Step<Vec<_>>>()?;
        let reference = returns.iter().position(is_reference);
        if let Some(index) = reference.filter(|_| self.checks.enforced()) {
            return Err(ExecutionError::InvalidPublicFunctionReturnType {
                index: position(index),
            });
        }
        let parameters = signature
            .parameters
            .iter()
            .map(close)
            .collect::<Step<Vec<_>>>()?;
        let (parameters, context) = match parameters.split_last() {
            Some((last, rest)) if is_context(last) => (rest, true),
            _ => (&parameters[..], false),
        };
        if parameters.len() != call.arguments.len() {
            return Err(ExecutionError::ArityMismatch);
        }
        let mut arguments = Vec::with_capacity(parameters.len());
        let mut borrowed = Vec::new();
        for (index, (type_, argument)) in parameters.iter().zip(&call.arguments).enumerate() {
            let (value, mutable) = self.argument(index, *argument, type_)?;
            if mutable && let CallArgument::Reference(slot) = value {
                borrowed.push((*argument, type_.clone(), slot));
            }
            arguments.push(value);
        }
        if context {
            arguments.push(self.context()?);
        }
        let outcome = self.session.call(
            &call.package,
            &call.module,
            &call.function,
            &type_arguments,
            arguments,
        );
        self.attribute_events(call.package, &call.module);
        let values = outcome.map_err(failure::error)?;
        self.hold_results(returns.into_iter().zip(values).collect(), borrowed)
    }

    /// A reference to the transaction's context.
    pub(super) fn context(&mut self) -> Step<CallArgument> {
        let slot = match self.context {
            Some(slot) => slot,
            None => self
                .session
                .hold_transaction_context()
                .map_err(failure::error)?,
        };
        self.context = Some(slot);
        Ok(CallArgument::Reference(slot))
    }

    /// Names `package::module` as the emitter of every event that is not attributed yet.
    pub(super) fn attribute_events(&mut self, package: Address, module: &Identifier) {
        self.emitters
            .resize(self.session.event_count(), (package, module.clone()));
    }

    fn type_arguments(
        &mut self,
        signature: &FunctionSignature,
        given: &[TypeTag],
    ) -> Step<Vec<Type>> {
        if signature.type_parameters.len() != given.len() {
            return Err(ExecutionError::TypeArityMismatch);
        }
        let mut types = Vec::with_capacity(given.len());
        for (index, (tag, required)) in given.iter().zip(&signature.type_parameters).enumerate() {
            let wrong = |kind| ExecutionError::TypeArgumentError {
                type_argument: position(index),
                kind,
            };
            let type_ = self
                .session
                .type_of(tag)
                .map_err(|_| wrong(TypeArgumentError::TypeNotFound))?;
            if !self.abilities(&type_)?.contains(*required) {
                return Err(wrong(TypeArgumentError::ConstraintNotSatisfied));
            }
            types.push(type_);
        }
        Ok(types)
    }

    pub(super) fn abilities(&mut self, type_: &Type) -> Step<Abilities> {
        self.session.abilities(type_).map_err(failure::error)
    }

    /// Stores what a command returned; in simulations also notes it and what was changed in place.
    fn hold_results(
        &mut self,
        returned: Vec<(Type, Value)>,
        borrowed: Vec<(Argument, Type, Slot)>,
    ) -> Step<Vec<Cell>> {
        if self.checks.simulated() {
            let output = CommandOutput::collect(self.session, &returned, &borrowed)
                .map_err(failure::error)?;
            self.outputs.push(output);
        }
        let cells = returned.into_iter().map(|(type_, value)| {
            if is_reference(&type_) {
                return Cell {
                    content: Content::Taken,
                    origin: Origin::Value,
                };
            }
            let slot = self.session.hold(type_.clone(), value);
            Cell {
                content: Content::Held { type_, slot },
                origin: Origin::Value,
            }
        });
        Ok(cells.collect())
    }

    /// Whatever is left over must be droppable.
    fn check_dropped(&mut self, commands: usize) -> Result<(), Failed> {
        if !self.checks.enforced() {
            return Ok(());
        }
        let mut left = Vec::new();
        for (result, values) in self.cells.results.iter().enumerate() {
            for (subresult, cell) in values.iter().enumerate() {
                if let Content::Held { type_, .. } = &cell.content {
                    left.push((result, subresult, type_.clone()));
                }
            }
        }
        for (result, subresult, type_) in left {
            let failed = |error| Failed::at(error, commands.checked_sub(1));
            if !self
                .abilities(&type_)
                .map_err(failed)?
                .contains(Abilities::DROP)
            {
                let error = ExecutionError::UnusedValueWithoutDrop {
                    result: position(result),
                    subresult: position(subresult),
                };
                return Err(failed(error));
            }
        }
        Ok(())
    }

    /// The object inputs that are still in place, with their contents, and the gas coin last.
    pub(super) fn remaining(
        &mut self,
        inputs: &Inputs,
        programmable: &ProgrammableTransaction,
    ) -> Step<BTreeMap<Address, Vec<u8>>> {
        let mut remaining = BTreeMap::new();
        let held = self.cells.inputs.iter().zip(&programmable.inputs);
        let slots = held.filter_map(|(cell, input)| match &cell.content {
            Content::Held { slot, .. } => object_id(input).map(|id| (id, *slot)),
            _ => None,
        });
        let gas = match (&self.cells.gas.content, inputs.gas.first()) {
            (Content::Held { slot, .. }, Some(id)) => Some((*id, *slot)),
            _ => None,
        };
        for (id, slot) in slots.into_iter().chain(gas) {
            let contents = self
                .session
                .encode(self.session.value(slot))
                .map_err(failure::error)?;
            remaining.insert(id, contents);
        }
        Ok(remaining)
    }
}

fn object_cell(session: &mut Session<'_>, inputs: &Inputs, input: &Input) -> Step<Cell> {
    let id = object_id(input).ok_or(ExecutionError::FeatureNotYetSupported)?;
    let (object, access) = inputs
        .objects
        .get(&id)
        .ok_or(ExecutionError::InvariantViolation)?;
    let body = object
        .as_struct()
        .ok_or(ExecutionError::InvariantViolation)?;
    let content = hold_object(session, body.object_type().clone(), body.contents())?;
    Ok(Cell {
        content,
        origin: Origin::Object(*access),
    })
}

fn hold_object(session: &mut Session<'_>, tag: StructTag, contents: &[u8]) -> Step<Content> {
    let type_ = session.type_of(&tag.into()).map_err(failure::error)?;
    let value = session.decode(&type_, contents).map_err(failure::error)?;
    let slot = session.hold(type_.clone(), value);
    Ok(Content::Held { type_, slot })
}

fn object_id(input: &Input) -> Option<Address> {
    match input {
        Input::ImmutableOrOwned(reference) => Some(*reference.object_id()),
        Input::Shared(shared) => Some(shared.object_id()),
        _ => None,
    }
}

fn is_reference(type_: &Type) -> bool {
    matches!(type_, Type::Reference(_) | Type::MutableReference(_))
}

pub(super) fn is_context(type_: &Type) -> bool {
    match type_ {
        Type::Reference(target) | Type::MutableReference(target) => {
            target.is(Address::TWO, "tx_context", "TxContext")
        }
        _ => false,
    }
}

pub(super) fn position(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}
