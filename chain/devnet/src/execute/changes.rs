//! What a successful execution changed, gathered from the session: writes, removals, new ids, events, packages.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use floe_move_vm::{
    Abilities, ChildChange, Outcome as Finished, Package, Recipient, Session, Type,
};
use sui_sdk_types::{
    Address, Event, ExecutionError, MoveStruct, ObjectData, Owner, StructTag, Transaction, TypeTag,
    Version,
};

use super::{Access, CommandOutput, Inputs, Ran, View, failure};
use crate::limits;

/// A new version of an object, before it has a storage deposit.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) data: ObjectData,
    pub(super) owner: Owner,
}

/// Everything a successful execution changed.
pub(super) struct Changes {
    pub(super) writes: BTreeMap<Address, Write>,
    /// Objects that are gone; true if their id was deleted, false if they were wrapped.
    pub(super) removed: BTreeMap<Address, bool>,
    pub(super) created: BTreeSet<Address>,
    pub(super) events: Vec<Event>,
    pub(super) packages: Vec<Arc<Package>>,
    pub(super) loaded: BTreeSet<Address>,
    pub(super) results: Vec<CommandOutput>,
}

impl Changes {
    pub(super) fn collect(
        view: &View<'_>,
        transaction: &Transaction,
        inputs: &Inputs,
        ran: Ran,
        finished: Finished,
    ) -> Result<Self, ExecutionError> {
        let lamport = inputs.lamport();
        let types = &mut Types::new(view, &ran);
        let mut changes = Self {
            writes: BTreeMap::new(),
            removed: BTreeMap::new(),
            created: finished.created.clone(),
            events: events(transaction, &ran, &finished)?,
            packages: ran
                .published
                .iter()
                .map(|(_, package)| package.clone())
                .collect(),
            loaded: finished
                .children
                .iter()
                .filter(|(_, child)| child.before.is_some())
                .map(|(id, _)| *id)
                .collect(),
            results: ran.results,
        };
        changes.keep_inputs(inputs, &ran.remaining, lamport)?;
        changes.add_transfers(view, &finished, types, lamport)?;
        changes.add_children(&finished, types, lamport)?;
        for (package, _) in ran.published {
            changes.created.insert(package.id);
            changes.writes.insert(
                package.id,
                Write {
                    data: ObjectData::Package(package),
                    owner: Owner::Immutable,
                },
            );
        }
        changes.remove_missing(view, inputs, &finished)?;
        changes.check_sizes()?;
        Ok(changes)
    }

    /// Mutable inputs that were not moved away keep their owner.
    pub(super) fn keep_inputs(
        &mut self,
        inputs: &Inputs,
        remaining: &BTreeMap<Address, Vec<u8>>,
        lamport: Version,
    ) -> Result<(), ExecutionError> {
        for (id, contents) in remaining {
            let Some((object, access)) = inputs.objects.get(id) else {
                continue;
            };
            if access.is_mutable() {
                let body = object
                    .as_struct()
                    .ok_or(ExecutionError::InvariantViolation)?;
                let data = data(
                    body.object_type().clone(),
                    body.has_public_transfer(),
                    lamport,
                    contents.clone(),
                )?;
                self.writes.insert(
                    *id,
                    Write {
                        data,
                        owner: *object.owner(),
                    },
                );
            }
        }
        Ok(())
    }

    fn add_transfers(
        &mut self,
        view: &View<'_>,
        finished: &Finished,
        types: &mut Types<'_>,
        lamport: Version,
    ) -> Result<(), ExecutionError> {
        for (id, transfer) in &finished.transfers {
            let owner = match transfer.recipient {
                Recipient::Address(address) => Owner::Address(address),
                Recipient::Immutable => Owner::Immutable,
                Recipient::Shared => match view.object(id).map(|object| *object.owner()) {
                    Some(shared @ Owner::Shared(_)) => shared,
                    _ => Owner::Shared(lamport),
                },
                Recipient::ConsensusAddress(owner) => Owner::ConsensusAddress {
                    start_version: lamport,
                    owner,
                },
            };
            let contents = transfer
                .value
                .encode()
                .map_err(|_| ExecutionError::InvariantViolation)?;
            self.writes.insert(
                *id,
                Write {
                    data: types.data(&transfer.kind, lamport, contents)?,
                    owner,
                },
            );
        }
        Ok(())
    }

    fn add_children(
        &mut self,
        finished: &Finished,
        types: &mut Types<'_>,
        lamport: Version,
    ) -> Result<(), ExecutionError> {
        for (id, child) in &finished.children {
            match &child.change {
                ChildChange::Written {
                    parent,
                    kind,
                    contents,
                } => {
                    let data = types.data(kind, lamport, contents.clone())?;
                    self.writes.insert(
                        *id,
                        Write {
                            data,
                            owner: Owner::Object(*parent),
                        },
                    );
                }
                ChildChange::Removed if !self.writes.contains_key(id) => {
                    self.removed.insert(*id, false);
                }
                ChildChange::Removed | ChildChange::Unchanged => {}
            }
        }
        Ok(())
    }

    /// Inputs and received objects that are not written any more, and deleted ids.
    fn remove_missing(
        &mut self,
        view: &View<'_>,
        inputs: &Inputs,
        finished: &Finished,
    ) -> Result<(), ExecutionError> {
        for (id, (_, access)) in &inputs.objects {
            let received = *access == Access::Receiving && finished.received.contains_key(id);
            if (access.is_mutable() || received) && !self.writes.contains_key(id) {
                let deleted = finished.deleted.contains(id);
                if *access == Access::Shared && !deleted {
                    return Err(ExecutionError::ConsensusObjectOperationNotAllowed);
                }
                self.removed.insert(*id, deleted);
            }
        }
        for id in &finished.deleted {
            if self.created.remove(id) {
                self.removed.remove(id);
            } else {
                self.removed.insert(*id, true);
            }
        }
        // A child that never was an object of its own (it was added and removed here) leaves no trace.
        self.removed
            .retain(|id, deleted| *deleted || view.object(id).is_some());
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), ExecutionError> {
        let size = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let mut total = 0;
        for write in self.writes.values() {
            if let ObjectData::Struct(body) = &write.data {
                let object_size = size(body.contents().len());
                if body.contents().len() > limits::OBJECT_BYTES {
                    return Err(ExecutionError::ObjectTooBig {
                        object_size,
                        max_object_size: size(limits::OBJECT_BYTES),
                    });
                }
                total += object_size;
            }
        }
        if total > size(limits::WRITTEN_BYTES) {
            return Err(ExecutionError::WrittenObjectsTooLarge {
                object_size: total,
                max_object_size: size(limits::WRITTEN_BYTES),
            });
        }
        Ok(())
    }
}

/// Looks up types after the session that made the values is over.
struct Types<'v>(Session<'v>);

impl<'v> Types<'v> {
    fn new(view: &'v View<'_>, ran: &Ran) -> Self {
        let mut session = view.session_for_types();
        ran.published
            .iter()
            .for_each(|(_, package)| session.publish(package.clone()));
        Self(session)
    }

    fn data(
        &mut self,
        kind: &Type,
        version: Version,
        contents: Vec<u8>,
    ) -> Result<ObjectData, ExecutionError> {
        let tag = kind
            .struct_tag()
            .map_err(|_| ExecutionError::InvariantViolation)?;
        let public = self
            .0
            .abilities(kind)
            .map_err(failure::error)?
            .contains(Abilities::STORE);
        data(tag, public, version, contents)
    }
}

pub(super) fn data(
    tag: StructTag,
    public: bool,
    version: Version,
    contents: Vec<u8>,
) -> Result<ObjectData, ExecutionError> {
    let body = MoveStruct::new(tag, public, version, contents)
        .ok_or(ExecutionError::InvariantViolation)?;
    Ok(ObjectData::Struct(body))
}

fn events(
    transaction: &Transaction,
    ran: &Ran,
    finished: &Finished,
) -> Result<Vec<Event>, ExecutionError> {
    let mut events = Vec::with_capacity(finished.events.len());
    for (event, (package, module)) in finished.events.iter().zip(&ran.emitters) {
        let TypeTag::Struct(type_) = &event.tag else {
            return Err(ExecutionError::InvariantViolation);
        };
        events.push(Event {
            package_id: *package,
            module: module.clone(),
            sender: transaction.sender,
            type_: (**type_).clone(),
            contents: event.contents.clone(),
        });
    }
    Ok(events)
}
