//! Objects between transactions, as `sui::test_scenario` keeps them.

use std::collections::{BTreeMap, BTreeSet};

use floe_move_vm::{
    Abilities, Argument, ChildChange, EmittedEvent, ExecutionFailure, FunctionSignature, Limits,
    Recipient, Session, Slot, StoredObject, TransactionContext, Type, Value, World, testing::Fault,
};
use sui_sdk_types::{Address, Digest, Identifier, StructTag, TypeTag};

use crate::support::{self, MemoryWorld};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Address(Address),
    Object(Address),
    Shared,
    Immutable,
}

#[derive(Clone, Debug)]
pub struct Object {
    pub owner: Owner,
    pub tag: StructTag,
    pub contents: Vec<u8>,
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub enum Arg {
    Pure(Value),
    /// By value or by reference, as the function asks.
    Object(Address),
    /// The transaction context.
    Context,
    /// What another function returns: a value, or a reference that a view gives.
    Result(Box<Call>),
}

/// A call of a function of the framework or the package under test.
#[derive(Clone, Debug)]
pub struct Call {
    pub package: Address,
    pub module: Identifier,
    pub function: Identifier,
    pub types: Vec<TypeTag>,
    pub arguments: Vec<Arg>,
    /// Who gets the objects it returns.
    pub results_to: Address,
}

/// What a call did.
pub struct Done {
    /// BCS bytes of what it returned.
    pub returned: Vec<Vec<u8>>,
    pub events: Vec<EmittedEvent>,
}

/// Objects by id, and the packages they need.
pub struct Ledger {
    world: MemoryWorld,
    objects: BTreeMap<Address, Object>,
    pub fault: Option<Fault>,
    /// What BLS natives answered since it was last emptied.
    pub tape: BTreeSet<String>,
}

impl World for Ledger {
    fn package(&self, storage: &Address) -> Option<std::sync::Arc<floe_move_vm::Package>> {
        self.world.package(storage)
    }

    fn child(&self, parent: &Address, id: &Address) -> Option<StoredObject> {
        let object = self.objects.get(id)?;
        (object.owner == Owner::Object(*parent)).then(|| StoredObject {
            version: 1,
            tag: object.tag.clone(),
            contents: object.contents.clone(),
        })
    }

    fn receive(&self, _: &Address, _: &Address, _: u64) -> Option<StoredObject> {
        None
    }
}

impl Ledger {
    pub fn new(world: MemoryWorld, fault: Option<Fault>) -> Self {
        Self {
            world,
            objects: BTreeMap::new(),
            fault,
            tape: BTreeSet::new(),
        }
    }

    /// The same objects, with an empty tape.
    pub fn clone_objects(&self) -> Self {
        Self {
            world: self.world.clone(),
            objects: self.objects.clone(),
            fault: self.fault,
            tape: BTreeSet::new(),
        }
    }

    pub fn objects(&self) -> &BTreeMap<Address, Object> {
        &self.objects
    }

    pub fn insert(&mut self, id: Address, object: Object) {
        self.objects.insert(id, object);
    }

    /// Ids of the objects of this type with this owner.
    pub fn owned(&self, owner: Owner, module: &str, name: &str) -> Vec<Address> {
        self.objects
            .iter()
            .filter(|(_, object)| {
                object.owner == owner
                    && object.tag.module().as_str() == module
                    && object.tag.name().as_str() == name
            })
            .map(|(id, _)| *id)
            .collect()
    }

    /// A session of transaction `number`, whose digest is its number as in `test_scenario`.
    pub fn session(&self, sender: Address, number: u64) -> Session<'_> {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        let transaction = TransactionContext {
            ..support::transaction(sender, Digest::new(digest))
        };
        let mut session = Session::new(self, transaction, Limits::default());
        session.derive_as_unit_tests();
        if let Some(fault) = self.fault {
            session.sabotage(fault);
        }
        session
    }

    pub fn signature(&self, call: &Call) -> FunctionSignature {
        self.session(Address::ZERO, 0)
            .function(&call.package, &call.module, &call.function)
            .unwrap()
    }

    /// Executes a call as transaction `number`; a failed one changes nothing.
    pub fn execute(
        &mut self,
        sender: Address,
        number: u64,
        call: &Call,
    ) -> Result<Done, ExecutionFailure> {
        let mut lines = Vec::new();
        let result = self.attempt(sender, number, call, &mut lines);
        self.tape.extend(lines);
        let (done, changes) = result?;
        for (id, change) in changes {
            match change {
                Some(object) => {
                    self.objects.insert(id, object);
                }
                None => {
                    self.objects.remove(&id);
                }
            }
        }
        Ok(done)
    }

    /// Executes a call that succeeds, unless a fault is at work.
    pub fn must(&mut self, sender: Address, number: u64, call: &Call) {
        let done = self.execute(sender, number, call);
        assert!(done.is_ok() || self.fault.is_some(), "{:?}", done.err());
    }

    #[expect(clippy::type_complexity, reason = "what happened and what to write")]
    fn attempt(
        &self,
        sender: Address,
        number: u64,
        call: &Call,
        tape: &mut Vec<String>,
    ) -> Result<(Done, Vec<(Address, Option<Object>)>), ExecutionFailure> {
        let mut attempt = Attempt {
            ledger: self,
            session: self.session(sender, number),
            borrowed: BTreeMap::new(),
            consumed: Vec::new(),
        };
        let returned = attempt.call(call);
        let Attempt {
            mut session,
            borrowed,
            consumed,
            ..
        } = attempt;
        tape.extend(session.tape().iter().cloned());
        let mut changes: Vec<_> = consumed.into_iter().map(|id| (id, None)).collect();
        let mut results = Vec::new();
        for (value, kind) in returned? {
            let bytes = session.encode(&value)?;
            if session.abilities(&kind)?.contains(Abilities::KEY) {
                session.transfer(kind, value, Recipient::Address(call.results_to))?;
            }
            results.push(bytes);
        }
        for (id, slot) in borrowed {
            let contents = session.encode(session.value(slot))?;
            let object = &self.objects[&id];
            changes.push((
                id,
                Some(Object {
                    contents,
                    ..object.clone()
                }),
            ));
        }
        let outcome = session.finish()?;
        changes.extend(outcome.deleted.iter().map(|id| (*id, None)));
        for (id, child) in outcome.children {
            match child.change {
                ChildChange::Unchanged => changes.push((id, Some(self.objects[&id].clone()))),
                ChildChange::Removed => changes.push((id, None)),
                ChildChange::Written {
                    parent,
                    kind,
                    contents,
                } => changes.push((
                    id,
                    Some(Object {
                        owner: Owner::Object(parent),
                        tag: kind.struct_tag().unwrap(),
                        contents,
                    }),
                )),
            }
        }
        for (id, transfer) in outcome.transfers {
            let owner = match transfer.recipient {
                Recipient::Address(owner) | Recipient::ConsensusAddress(owner) => {
                    Owner::Address(owner)
                }
                Recipient::Shared => Owner::Shared,
                Recipient::Immutable => Owner::Immutable,
            };
            let object = Object {
                owner,
                tag: transfer.kind.struct_tag().unwrap(),
                contents: transfer.value.encode().unwrap(),
            };
            changes.push((id, Some(object)));
        }
        let done = Done {
            returned: results,
            events: outcome.events,
        };
        Ok((done, changes))
    }
}

/// A transaction that has not been committed.
struct Attempt<'l> {
    ledger: &'l Ledger,
    session: Session<'l>,
    /// Objects given by reference.
    borrowed: BTreeMap<Address, Slot>,
    /// Objects given by value.
    consumed: Vec<Address>,
}

impl Attempt<'_> {
    /// Calls a function, after those whose results it takes; returns values with their types.
    fn call(&mut self, call: &Call) -> Result<Vec<(Value, Type)>, ExecutionFailure> {
        let signature = self
            .session
            .function(&call.package, &call.module, &call.function)?;
        let types = call
            .types
            .iter()
            .map(|tag| self.session.type_of(tag))
            .collect::<Result<Vec<_>, _>>()?;
        let mut arguments = Vec::new();
        for (argument, parameter) in call.arguments.iter().zip(&signature.parameters) {
            arguments.push(self.argument(argument, is_reference(parameter))?);
        }
        let (package, module, function) = (&call.package, &call.module, &call.function);
        let returned = self
            .session
            .call(package, module, function, &types, arguments)?;
        let kinds = signature.returns.iter().map(|kind| kind.substitute(&types));
        Ok(returned
            .into_iter()
            .zip(kinds.map(Result::unwrap))
            .collect())
    }

    fn argument(
        &mut self,
        argument: &Arg,
        by_reference: bool,
    ) -> Result<Argument, ExecutionFailure> {
        Ok(match argument {
            Arg::Pure(value) => Argument::Value(value.clone()),
            Arg::Context => Argument::Reference(self.session.hold_transaction_context()?),
            Arg::Result(call) => {
                let (value, kind) = self.call(call)?.remove(0);
                if by_reference && !is_reference(&kind) {
                    Argument::Reference(self.session.hold(kind, value))
                } else {
                    Argument::Value(value)
                }
            }
            Arg::Object(id) => {
                if let Some(slot) = self.borrowed.get(id) {
                    return Ok(Argument::Reference(*slot));
                }
                let object = &self.ledger.objects[id];
                let kind = self.session.type_of(&object.tag.clone().into())?;
                let value = self.session.decode(&kind, &object.contents)?;
                if by_reference {
                    let slot = self.session.hold(kind, value);
                    self.borrowed.insert(*id, slot);
                    Argument::Reference(slot)
                } else {
                    self.consumed.push(*id);
                    Argument::Value(value)
                }
            }
        })
    }
}

/// A system object that only the framework's test functions make: a fresh id and these contents after it.
pub fn create(
    ledger: &mut Ledger,
    sender: Address,
    number: u64,
    owner: Owner,
    tag: StructTag,
    rest: &[u8],
) -> Address {
    let id = ledger.session(sender, number).fresh_id().unwrap();
    let contents = [id.as_bytes(), rest].concat();
    ledger.insert(
        id,
        Object {
            owner,
            tag,
            contents,
        },
    );
    id
}

pub fn is_reference(kind: &Type) -> bool {
    matches!(kind, Type::Reference(_) | Type::MutableReference(_))
}
