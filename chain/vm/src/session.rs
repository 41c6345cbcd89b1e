//! One transaction's worth of execution: calls that share ids, events, dynamic fields and steps.

use std::{collections::BTreeMap, sync::Arc};

use sui_sdk_types::{Address, Digest, Identifier, TypeTag};

use crate::{
    abilities::Abilities,
    failure::{ExecutionFailure, FailureKind},
    interpreter::Machine,
    limits::Limits,
    linker::Linker,
    memory::Held,
    module::{FunctionIndex, Visibility},
    objects::{EmittedEvent, Recipient, Transfer},
    package::{Package, World},
    types::Type,
    value::{Place, Reference, Root, Value},
};

/// What code may learn about the transaction it runs in.
#[derive(Clone, Debug)]
pub struct TransactionContext {
    /// Digest of the transaction: what new object ids derive from.
    pub digest: Digest,
    /// Who signed it.
    pub sender: Address,
    /// Who pays for it, if somebody else.
    pub sponsor: Option<Address>,
    /// The current epoch.
    pub epoch: u64,
    /// When the epoch began, in milliseconds since 1970.
    pub epoch_timestamp_ms: u64,
    /// Gas price of the epoch.
    pub reference_gas_price: u64,
    /// Gas price of the transaction.
    pub gas_price: u64,
    /// Gas budget of the transaction.
    pub gas_budget: u64,
}

/// A value kept between calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u32);

/// An argument of a call.
#[derive(Clone, Debug)]
pub enum Argument {
    /// A value, which the call consumes.
    Value(Value),
    /// A reference, mutable or not, to a value kept in a slot.
    Reference(Slot),
}

/// A function as its callers see it. Types are open in its type parameters.
#[derive(Clone, Debug)]
pub struct FunctionSignature {
    /// Position among the module's functions.
    pub index: FunctionIndex,
    /// Who may call it.
    pub visibility: Visibility,
    /// Whether a transaction may call it whatever its visibility.
    pub is_entry: bool,
    /// Abilities each type argument must have.
    pub type_parameters: Vec<Abilities>,
    /// Types of its parameters.
    pub parameters: Vec<Type>,
    /// Types it returns.
    pub returns: Vec<Type>,
}

/// What a session did. Objects held in slots are the caller's to dispose of before.
#[derive(Debug)]
pub struct Outcome {
    /// Events in the order they were emitted.
    pub events: Vec<EmittedEvent>,
    /// Objects given away, by id.
    pub transfers: BTreeMap<Address, Transfer>,
    /// Dynamic fields touched and found, or added, by id.
    pub children: BTreeMap<Address, ChildOutcome>,
    /// Ids created and not deleted again.
    pub created: std::collections::BTreeSet<Address>,
    /// Ids that existed before and were deleted.
    pub deleted: std::collections::BTreeSet<Address>,
    /// Objects received from other objects, with the version received.
    pub received: BTreeMap<Address, u64>,
    /// Steps used.
    pub steps: u64,
}

/// A dynamic field's before and after.
#[derive(Clone, Debug)]
pub struct ChildOutcome {
    /// Its owner and version before the session, if it existed.
    pub before: Option<(Address, u64)>,
    /// What became of it.
    pub change: ChildChange,
}

/// What became of a dynamic field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildChange {
    /// Read, or written to as it was.
    Unchanged,
    /// Added, changed or moved to another parent.
    Written {
        /// Its owner.
        parent: Address,
        /// Its type.
        kind: Type,
        /// Its BCS bytes.
        contents: Vec<u8>,
    },
    /// Taken out of its parent: deleted, transferred or wrapped, which the ids deleted and the
    /// transfers tell.
    Removed,
}

/// A running transaction.
pub struct Session<'w> {
    machine: Machine<'w>,
}

impl<'w> Session<'w> {
    /// A session that reads packages and objects from `world`.
    pub fn new(world: &'w dyn World, transaction: TransactionContext, limits: Limits) -> Self {
        Self {
            machine: Machine::new(Linker::new(world), limits, transaction),
        }
    }

    /// Breaks one rule from now on.
    #[cfg(feature = "testing")]
    pub fn sabotage(&mut self, fault: crate::testing::Fault) {
        self.machine.fault = Some(fault);
    }

    /// Derives the ids of dynamic fields as the unit-test VM does, a 32-bit build.
    #[cfg(feature = "testing")]
    pub fn derive_as_unit_tests(&mut self) {
        self.machine.narrow = true;
    }

    /// What BLS natives were asked and answered so far, a line each.
    #[cfg(feature = "testing")]
    pub fn tape(&self) -> &[String] {
        &self.machine.tape
    }

    /// Makes a package callable that `world` does not have yet.
    pub fn publish(&mut self, package: Arc<Package>) {
        self.machine.linker.publish(package);
    }

    /// Says that an input is a shared object, which may be shared again.
    pub fn shared_input(&mut self, id: Address) {
        self.machine.objects.shared_inputs.insert(id);
    }

    /// The type a tag stands for. Type arguments must have the abilities asked of them.
    pub fn type_of(&mut self, tag: &TypeTag) -> Result<Type, FailureKind> {
        self.machine.linker.type_of(tag)
    }

    /// The abilities of a closed type.
    pub fn abilities(&mut self, kind: &Type) -> Result<Abilities, FailureKind> {
        self.machine.linker.abilities(kind)
    }

    /// A function of the package version stored at `package`.
    pub fn function(
        &mut self,
        package: &Address,
        module: &Identifier,
        function: &Identifier,
    ) -> Result<FunctionSignature, FailureKind> {
        const TABLE: FailureKind = FailureKind::IllTyped("an index leaves its table");
        let linker = &mut self.machine.linker;
        let (linked, target) = linker.entry_point(package, module, function)?;
        let definition = linked.module.function(target.function).ok_or(TABLE)?;
        let handle = linked
            .module
            .function_handle(definition.handle)
            .ok_or(TABLE)?;
        Ok(FunctionSignature {
            index: target.function,
            visibility: definition.visibility,
            is_entry: definition.is_entry,
            type_parameters: handle.type_parameters.clone(),
            parameters: linker.signature(&linked, handle.parameters)?,
            returns: linker.signature(&linked, handle.returns)?,
        })
    }

    /// Calls a function of the package version stored at `package`, whose linkage applies to the
    /// whole call. Visibility is the caller's business; argument and type argument counts and the
    /// abilities of type arguments are checked, argument types are not.
    ///
    /// A failed call leaves the session as it stands: discard it.
    pub fn call(
        &mut self,
        package: &Address,
        module: &Identifier,
        function: &Identifier,
        type_arguments: &[Type],
        arguments: Vec<Argument>,
    ) -> Result<Vec<Value>, ExecutionFailure> {
        let signature = self.function(package, module, function)?;
        let (given, expected) = (arguments.len(), signature.parameters.len());
        if given != expected {
            return Err(FailureKind::Arity { given, expected }.into());
        }
        let (given, expected) = (type_arguments.len(), signature.type_parameters.len());
        if given != expected {
            return Err(FailureKind::TypeArity { given, expected }.into());
        }
        let constraints = type_arguments.iter().zip(&signature.type_parameters);
        for (index, (argument, constraint)) in constraints.enumerate() {
            self.machine
                .linker
                .check_constraint(index, argument, *constraint)?;
        }
        let arguments = arguments
            .into_iter()
            .map(|argument| match argument {
                Argument::Value(value) => value,
                Argument::Reference(Slot(slot)) => {
                    Value::Reference(Reference::new(Root::Slot(slot)))
                }
            })
            .collect();
        let (linked, target) = self.machine.linker.entry_point(package, module, function)?;
        self.machine
            .run(&linked, target, type_arguments.into(), arguments)
    }

    /// Keeps a value for later calls.
    pub fn hold(&mut self, kind: Type, value: Value) -> Slot {
        let slots = &mut self.machine.memory.slots;
        let slot = u32::try_from(slots.len()).expect("fewer than 2^32 values are held");
        slots.push(Held { kind, value });
        Slot(slot)
    }

    /// The type of a kept value.
    pub fn kind(&self, slot: Slot) -> &Type {
        &self.held(slot).kind
    }

    /// A kept value; [`Value::Empty`] after it was taken.
    pub fn value(&self, slot: Slot) -> &Value {
        &self.held(slot).value
    }

    /// Takes a value out of its slot, unless it was taken before.
    pub fn take(&mut self, slot: Slot) -> Option<Value> {
        let value = std::mem::replace(&mut self.held_mut(slot).value, Value::Empty);
        (!matches!(value, Value::Empty)).then_some(value)
    }

    /// Replaces a kept value.
    pub fn replace(&mut self, slot: Slot, value: Value) {
        self.held_mut(slot).value = value;
    }

    fn held(&self, Slot(slot): Slot) -> &Held {
        usize::try_from(slot)
            .ok()
            .and_then(|slot| self.machine.memory.slots.get(slot))
            .expect("slots are made by `hold` and never removed")
    }

    fn held_mut(&mut self, Slot(slot): Slot) -> &mut Held {
        usize::try_from(slot)
            .ok()
            .and_then(|slot| self.machine.memory.slots.get_mut(slot))
            .expect("slots are made by `hold` and never removed")
    }

    /// The `sui::tx_context::TxContext` of this session, for functions that ask for one.
    pub fn hold_transaction_context(&mut self) -> Result<Slot, FailureKind> {
        let transaction = &self.machine.transaction;
        let value = Value::structure(vec![
            Value::Address(transaction.sender),
            Value::Bytes(transaction.digest.inner().to_vec()),
            Value::U64(transaction.epoch),
            Value::U64(transaction.epoch_timestamp_ms),
            Value::U64(0),
        ])?;
        let tag = sui_sdk_types::StructTag::new(
            Address::TWO,
            Identifier::from_static("tx_context"),
            Identifier::from_static("TxContext"),
            Vec::new(),
        );
        let kind = self.type_of(&tag.into())?;
        Ok(self.hold(kind, value))
    }

    /// A value from its BCS bytes. Total on foreign bytes.
    pub fn decode(&mut self, kind: &Type, bytes: &[u8]) -> Result<Value, FailureKind> {
        self.machine.decode(kind, bytes)
    }

    /// The BCS bytes of a value, or of what a reference points at.
    pub fn encode(&self, value: &Value) -> Result<Vec<u8>, FailureKind> {
        match value {
            Value::Reference(reference) => match self.machine.memory.place(reference)? {
                Place::Byte(byte) => Ok(vec![byte]),
                Place::Value(target) => Ok(target.encode()?),
            },
            value => Ok(value.encode()?),
        }
    }

    /// The next object id of the transaction.
    pub fn fresh_id(&mut self) -> Result<Address, FailureKind> {
        let machine = &mut self.machine;
        machine
            .objects
            .fresh_id(&machine.transaction.digest, &machine.limits)
    }

    /// Records that the object with this id is gone.
    pub fn delete_id(&mut self, id: Address) -> Result<(), FailureKind> {
        let machine = &mut self.machine;
        machine.objects.delete(id, &machine.limits)
    }

    /// Gives an object away.
    pub fn transfer(
        &mut self,
        kind: Type,
        value: Value,
        recipient: Recipient,
    ) -> Result<(), FailureKind> {
        let machine = &mut self.machine;
        machine.objects.transfer(
            Transfer {
                recipient,
                kind,
                value,
            },
            &machine.limits,
        )
    }

    /// Ids created so far.
    pub fn created(&self) -> &std::collections::BTreeSet<Address> {
        &self.machine.objects.created
    }

    /// Number of events emitted so far.
    pub fn event_count(&self) -> usize {
        self.machine.objects.events.len()
    }

    /// Steps used so far.
    pub fn steps_used(&self) -> u64 {
        self.machine.meter.used()
    }

    /// Uses up steps for work done outside the VM.
    pub fn charge(&mut self, steps: u64) -> Result<(), FailureKind> {
        self.machine.meter.charge(steps)
    }

    /// Ends the session.
    pub fn finish(self) -> Result<Outcome, FailureKind> {
        let Machine {
            objects,
            memory,
            meter,
            limits,
            ..
        } = self.machine;
        let mut children = BTreeMap::new();
        for (child, value) in objects.children.into_iter().zip(memory.children) {
            let before = child
                .loaded
                .as_ref()
                .map(|loaded| (loaded.parent, loaded.version));
            let change = match (value, child.loaded) {
                (Value::Empty, None) => continue,
                (Value::Empty, Some(_)) => ChildChange::Removed,
                (value, loaded) => {
                    let contents = object_bytes(&value, &limits)?;
                    match loaded {
                        Some(old) if old.parent == child.parent && old.contents == contents => {
                            ChildChange::Unchanged
                        }
                        _ => ChildChange::Written {
                            parent: child.parent,
                            kind: child.kind,
                            contents,
                        },
                    }
                }
            };
            children.insert(child.id, ChildOutcome { before, change });
        }
        for transfer in objects.transfers.values() {
            object_bytes(&transfer.value, &limits)?;
        }
        Ok(Outcome {
            events: objects.events,
            transfers: objects.transfers,
            children,
            created: objects.created,
            deleted: objects.deleted,
            received: objects.received,
            steps: meter.used(),
        })
    }
}

fn object_bytes(value: &Value, limits: &Limits) -> Result<Vec<u8>, FailureKind> {
    let bytes = value.encode()?;
    crate::limits::within(
        crate::failure::Limit::ObjectBytes,
        bytes.len(),
        limits.object_bytes,
    )?;
    Ok(bytes)
}
