//! What a session does to objects: ids, transfers, events, dynamic fields. Values of dynamic fields
//! live in [`Memory`](crate::memory::Memory), where references find them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sui_sdk_types::{Address, Digest, TypeTag};

use crate::{
    failure::{FailureKind, Limit},
    limits::{Limits, within},
    types::Type,
    value::Value,
};

/// Who gets an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// An address, which may be that of an object.
    Address(Address),
    /// An address, through consensus.
    ConsensusAddress(Address),
    /// Everybody, mutably.
    Shared,
    /// Everybody, immutably.
    Immutable,
}

/// An object that was given away.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Who gets it.
    pub recipient: Recipient,
    /// Its type.
    pub kind: Type,
    /// Its value.
    pub value: Value,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmittedEvent {
    /// Its type, by defining ids.
    pub tag: TypeTag,
    /// Its BCS bytes.
    pub contents: Vec<u8>,
}

/// A dynamic field touched by the session.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) id: Address,
    pub(crate) parent: Address,
    pub(crate) kind: Type,
    /// What was stored, if anything.
    pub(crate) loaded: Option<Loaded>,
}

/// A dynamic field as it was stored.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) parent: Address,
    pub(crate) version: u64,
    pub(crate) contents: Vec<u8>,
}

/// The objects of a session.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) created: BTreeSet<Address>,
    pub(crate) deleted: BTreeSet<Address>,
    pub(crate) ids_derived: u64,
    pub(crate) last_id: Option<Address>,
    pub(crate) transfers: BTreeMap<Address, Transfer>,
    pub(crate) events: Vec<EmittedEvent>,
    event_bytes: usize,
    pub(crate) children: Vec<Child>,
    pub(crate) children_by_id: HashMap<Address, usize>,
    /// Objects received from other objects, with their versions.
    pub(crate) received: BTreeMap<Address, u64>,
    /// Inputs that are shared already, and so may be shared again.
    pub(crate) shared_inputs: BTreeSet<Address>,
}

impl Objects {
    /// The next id derived from the transaction.
    pub(crate) fn fresh_id(
        &mut self,
        transaction: &Digest,
        limits: &Limits,
    ) -> Result<Address, FailureKind> {
        let id = Address::derive_id(*transaction, self.ids_derived);
        self.ids_derived += 1;
        self.last_id = Some(id);
        self.create(id, limits)?;
        Ok(id)
    }

    pub(crate) fn create(&mut self, id: Address, limits: &Limits) -> Result<(), FailureKind> {
        // A derived object may be deleted and created again in one transaction.
        if !self.deleted.remove(&id) {
            self.created.insert(id);
        }
        within(Limit::CreatedIds, self.created.len(), limits.created_ids)
    }

    pub(crate) fn delete(&mut self, id: Address, limits: &Limits) -> Result<(), FailureKind> {
        // What was created in this session leaves no trace.
        if !self.created.remove(&id) {
            self.deleted.insert(id);
        }
        within(Limit::DeletedIds, self.deleted.len(), limits.deleted_ids)
    }

    pub(crate) fn transfer(
        &mut self,
        transfer: Transfer,
        limits: &Limits,
    ) -> Result<(), FailureKind> {
        let id = object_id(&transfer.value)?;
        self.transfers.insert(id, transfer);
        within(Limit::Transfers, self.transfers.len(), limits.transfers)
    }

    pub(crate) fn emit(&mut self, event: EmittedEvent, limits: &Limits) -> Result<(), FailureKind> {
        within(Limit::EventBytes, event.contents.len(), limits.event_bytes)?;
        self.event_bytes += event.contents.len();
        within(
            Limit::EventBytesTotal,
            self.event_bytes,
            limits.event_bytes_total,
        )?;
        within(Limit::Events, self.events.len() + 1, limits.events)?;
        self.events.push(event);
        Ok(())
    }
}

/// The id of an object: the address that its first field wraps.
pub(crate) fn object_id(object: &Value) -> Result<Address, FailureKind> {
    let mut value = object;
    loop {
        value = match value {
            Value::Struct(fields) => match fields.first() {
                Some(first) => first,
                None => return Err(NO_OBJECT),
            },
            Value::Address(id) => return Ok(*id),
            _ => return Err(NO_OBJECT),
        };
    }
}

const NO_OBJECT: FailureKind = FailureKind::IllTyped("an object without an id");
