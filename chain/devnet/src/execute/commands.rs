//! Runs the commands of a programmable transaction in one interpreter session.

use std::{collections::BTreeMap, sync::Arc};

use floe_move_vm::{
    Abilities, Argument as CallArgument, FunctionSignature, Package, Recipient, Session, Slot,
    Type, Value, module::Visibility,
};
use sui_sdk_types::{
    Address, Argument, Command, CommandArgumentError, ExecutionError, Identifier, Input,
    MergeCoins, MoveCall, MovePackage, ProgrammableTransaction, SplitCoins, StructTag,
    TransferObjects, TypeArgumentError, TypeTag,
};

use super::{
    Access, Checks, Inputs,
    cells::{Cell, Cells, Content, Key, Origin, Use},
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

    /// What to pass for one parameter, and whether the callee may change it in place.
    fn argument(
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

    fn take(&mut self, index: usize, key: Key, type_: &Type) -> Step<Value> {
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

    /// A coin that a command changes in place: its type, id, balance and where to put it back.
    fn coin(&mut self, argument: Argument) -> Step<(Type, Slot, Address, u64)> {
        let wrong = |kind| argument_error(0, kind);
        let key = self.cells.locate(argument).map_err(wrong)?;
        self.cells.note(key, Use::Write).map_err(wrong)?;
        let cell = self.cells.get(key);
        if matches!(
            cell.origin,
            Origin::Object(Access::Immutable | Access::SharedReadOnly)
        ) {
            return Err(wrong(CommandArgumentError::InvalidObjectByMutRef));
        }
        let (type_, slot) = match &cell.content {
            Content::Held { type_, slot } if type_.is(Address::TWO, "coin", "Coin") => {
                (type_.clone(), *slot)
            }
            Content::Taken => return Err(wrong(CommandArgumentError::InvalidValueUsage)),
            _ => return Err(wrong(CommandArgumentError::TypeMismatch)),
        };
        let (id, balance) = self.decode_coin(slot)?;
        Ok((type_, slot, id, balance))
    }

    fn decode_coin(&mut self, slot: Slot) -> Step<(Address, u64)> {
        let bytes = self
            .session
            .encode(self.session.value(slot))
            .map_err(failure::error)?;
        coin::decode(&bytes).ok_or(ExecutionError::InvariantViolation)
    }

    fn read_coin(&mut self, value: &Value) -> Step<(Address, u64)> {
        let bytes = self.session.encode(value).map_err(failure::error)?;
        coin::decode(&bytes).ok_or(ExecutionError::InvariantViolation)
    }

    fn make_coin(&mut self, type_: &Type, id: Address, balance: u64) -> Step<Value> {
        self.session
            .decode(type_, &coin::encode(id, balance))
            .map_err(failure::error)
    }

    fn split(&mut self, split: &SplitCoins) -> Step<Vec<(Type, Value)>> {
        let (type_, slot, id, mut balance) = self.coin(split.coin)?;
        let mut parts = Vec::with_capacity(split.amounts.len());
        for (index, amount) in split.amounts.iter().enumerate() {
            let value = self.by_value(index + 1, *amount, &Type::U64)?;
            let bytes = self.session.encode(&value).map_err(failure::error)?;
            let amount = u64::from_le_bytes(
                bytes
                    .try_into()
                    .map_err(|_| ExecutionError::InvariantViolation)?,
            );
            balance = balance
                .checked_sub(amount)
                .ok_or(ExecutionError::InsufficientCoinBalance)?;
            let fresh = self.session.fresh_id().map_err(failure::error)?;
            parts.push((type_.clone(), self.make_coin(&type_, fresh, amount)?));
        }
        let rest = self.make_coin(&type_, id, balance)?;
        self.session.replace(slot, rest);
        Ok(parts)
    }

    fn merge(&mut self, merge: &MergeCoins) -> Step<Vec<(Type, Value)>> {
        let (type_, slot, id, mut balance) = self.coin(merge.coin)?;
        for (index, argument) in merge.coins_to_merge.iter().enumerate() {
            let value = self.by_value(index + 1, *argument, &type_)?;
            let (merged, amount) = self.read_coin(&value)?;
            self.session.delete_id(merged).map_err(failure::error)?;
            balance = balance
                .checked_add(amount)
                .ok_or(ExecutionError::CoinBalanceOverflow)?;
        }
        let sum = self.make_coin(&type_, id, balance)?;
        self.session.replace(slot, sum);
        Ok(Vec::new())
    }

    fn transfer(&mut self, transfer: &TransferObjects) -> Step<Vec<(Type, Value)>> {
        let mut objects = Vec::with_capacity(transfer.objects.len());
        for (index, argument) in transfer.objects.iter().enumerate() {
            let wrong = |kind| argument_error(index, kind);
            let key = self.cells.locate(*argument).map_err(wrong)?;
            let type_ = match &self.cells.get(key).content {
                Content::Held { type_, .. } => type_.clone(),
                Content::Taken => return Err(wrong(CommandArgumentError::InvalidValueUsage)),
                _ => return Err(wrong(CommandArgumentError::TypeMismatch)),
            };
            let transferable = self
                .abilities(&type_)?
                .contains(Abilities::KEY.union(Abilities::STORE));
            if !transferable {
                return Err(ExecutionError::InvalidTransferObject);
            }
            let shared = self.cells.get(key).origin == Origin::Object(Access::Shared);
            if shared {
                return Err(ExecutionError::ConsensusObjectOperationNotAllowed);
            }
            objects.push((self.take(index, key, &type_)?, type_));
        }
        let address = self.by_value(transfer.objects.len(), transfer.address, &Type::Address)?;
        let bytes = self.session.encode(&address).map_err(failure::error)?;
        let to = Address::from_bytes(bytes).map_err(|_| ExecutionError::InvariantViolation)?;
        for (value, type_) in objects {
            self.session
                .transfer(type_, value, Recipient::Address(to))
                .map_err(failure::error)?;
        }
        Ok(Vec::new())
    }

    fn make_vector(
        &mut self,
        tag: Option<&TypeTag>,
        elements: &[Argument],
    ) -> Step<Vec<(Type, Value)>> {
        let element = match tag {
            Some(tag) => {
                self.session
                    .type_of(tag)
                    .map_err(|_| ExecutionError::TypeArgumentError {
                        type_argument: 0,
                        kind: TypeArgumentError::TypeNotFound,
                    })?
            }
            None => self.type_of_first(elements)?,
        };
        // In BCS a vector is its length and its elements one after the other.
        let mut bytes = bcs::to_bytes(&Length(elements.len()))
            .map_err(|_| ExecutionError::InvariantViolation)?;
        for (index, argument) in elements.iter().enumerate() {
            let value = self.by_value(index, *argument, &element)?;
            bytes.extend(self.session.encode(&value).map_err(failure::error)?);
        }
        let type_ = Type::vector(element).map_err(|_| ExecutionError::VmInvariantViolation)?;
        let value = self
            .session
            .decode(&type_, &bytes)
            .map_err(failure::error)?;
        Ok(vec![(type_, value)])
    }

    fn type_of_first(&mut self, elements: &[Argument]) -> Step<Type> {
        let wrong = |kind| argument_error(0, kind);
        let first = elements.first().ok_or(ExecutionError::ArityMismatch)?;
        let key = self.cells.locate(*first).map_err(wrong)?;
        let type_ = match &self.cells.get(key).content {
            Content::Held { type_, .. } => type_.clone(),
            Content::Taken => return Err(wrong(CommandArgumentError::InvalidValueUsage)),
            _ => {
                return Err(wrong(
                    CommandArgumentError::InvalidMakeMoveVecNonObjectArgument,
                ));
            }
        };
        if self.abilities(&type_)?.contains(Abilities::KEY) {
            Ok(type_)
        } else {
            Err(wrong(
                CommandArgumentError::InvalidMakeMoveVecNonObjectArgument,
            ))
        }
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

/// A BCS length prefix on its own.
struct Length(usize);

impl serde::Serialize for Length {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde::ser::SerializeSeq::end(serializer.serialize_seq(Some(self.0))?)
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

fn position(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}
