//! From what execution did to effects: new versions, owners, deletions, gas, dependencies.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use floe_move_vm::{
    Abilities, ChildChange, Outcome as Finished, Package, Recipient, Session, Type,
};
use sui_sdk_types::{
    Address, ChangedObject, Command, Digest, Event, ExecutionError, ExecutionStatus,
    GasCostSummary, IdOperation, MoveStruct, Object, ObjectData, ObjectIn, ObjectOut, Owner,
    StructTag, Transaction, TransactionEffectsV2, TransactionEvents, TransactionKind, TypeTag,
    UnchangedConsensusKind, UnchangedConsensusObject, Version,
};

use super::{Access, CommandOutput, Inputs, Outcome, Ran, View, commands::Failed, failure, gas};
use crate::{coin, limits};

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
    fn keep_inputs(
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

fn data(
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

/// Charges gas and builds the effects. If the changes cannot be paid for, they are dropped and the transaction fails.
pub(super) fn settle(
    view: &View<'_>,
    transaction: &Transaction,
    digest: Digest,
    inputs: &Inputs,
    steps: u64,
    ran: Result<Changes, Failed>,
) -> Outcome {
    let bill = Bill {
        transaction,
        digest,
        inputs,
        view,
    };
    let computation = gas::computation_cost(
        steps,
        transaction.gas_payment.price,
        transaction.gas_payment.budget,
    );
    match ran {
        Ok(changes) => match bill.charge(&changes, computation) {
            Some(paid) => {
                let outcome = bill.outcome(changes, paid, ExecutionStatus::Success);
                match oversize(&outcome.effects) {
                    None => outcome,
                    Some(error) => bill.failed(computation, error, None),
                }
            }
            None => bill.failed(computation, ExecutionError::InsufficientGas, None),
        },
        Err(Failed { error, command }) => bill.failed(computation, *error, command),
    }
}

/// The error if effects are larger than Sui allows.
fn oversize(effects: &TransactionEffectsV2) -> Option<ExecutionError> {
    let size = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let (current_size, max_size) = (
        size(bcs::serialized_size(effects).ok()?),
        size(limits::EFFECTS_BYTES),
    );
    (current_size > max_size).then_some(ExecutionError::EffectsTooLarge {
        current_size,
        max_size,
    })
}

/// Objects with their deposits after gas was paid.
struct Paid {
    outputs: BTreeMap<Address, Arc<Object>>,
    cost: GasCostSummary,
}

struct Bill<'a> {
    transaction: &'a Transaction,
    digest: Digest,
    inputs: &'a Inputs,
    view: &'a View<'a>,
}

impl Bill<'_> {
    /// Pays for changes: gas coins are merged, deposits taken and given back.
    fn charge(&self, changes: &Changes, computation: u64) -> Option<Paid> {
        let mut writes = changes.writes.clone();
        let mut removed = changes.removed.clone();
        let gas = *self.inputs.gas.first()?;
        removed.extend(self.inputs.gas.iter().skip(1).map(|id| (*id, true)));
        for id in removed.keys() {
            writes.remove(id);
        }
        let storage: u64 = writes
            .values()
            .map(|write| gas::storage_cost(&write.data))
            .sum();
        let changed = writes.keys().chain(removed.keys());
        let freed = changed
            .filter_map(|id| self.view.object(id))
            .map(|object| object.storage_rebate())
            .sum();
        let (rebate, kept) = gas::rebate(freed);
        let cost = GasCostSummary::new(computation, storage, rebate, kept);

        let write = writes.get_mut(&gas)?;
        let ObjectData::Struct(body) = &write.data else {
            return None;
        };
        let left = gas::pay(
            coin::balance(body)?,
            self.transaction.gas_payment.budget,
            &cost,
        )?;
        write.data = data(
            body.object_type().clone(),
            true,
            body.version(),
            coin::encode(gas, left),
        )
        .ok()?;
        let object = |(id, write): (Address, Write)| {
            let deposit = gas::storage_cost(&write.data);
            (
                id,
                Arc::new(Object::new(write.data, write.owner, self.digest, deposit)),
            )
        };
        Some(Paid {
            outputs: writes.into_iter().map(object).collect(),
            cost,
        })
    }

    /// Drops all changes: mutable inputs get a new version with their old contents, and gas is paid as far as it reaches.
    fn failed(&self, computation: u64, error: ExecutionError, command: Option<usize>) -> Outcome {
        let lamport = self.inputs.lamport();
        let mut changes = Changes {
            writes: BTreeMap::new(),
            removed: BTreeMap::new(),
            created: BTreeSet::new(),
            events: Vec::new(),
            packages: Vec::new(),
            loaded: BTreeSet::new(),
            results: Vec::new(),
        };
        let remaining =
            self.inputs.objects.iter().filter_map(|(id, (object, _))| {
                Some((*id, object.as_struct()?.contents().to_vec()))
            });
        let mut remaining: BTreeMap<_, _> = remaining.collect();
        if let Some(gas) = self.inputs.gas.first() {
            remaining.insert(*gas, coin::encode(*gas, self.inputs.gas_balance));
        }
        changes
            .keep_inputs(self.inputs, &remaining, lamport)
            .expect("inputs were read as objects before");
        let budget = self.transaction.gas_payment.budget;
        let paid = self
            .charge(&changes, computation)
            .unwrap_or_else(|| self.charge_budget(&changes, budget));
        let command = command.and_then(|index| u64::try_from(index).ok());
        self.outcome(changes, paid, ExecutionStatus::Failure { error, command })
    }

    /// Takes the whole budget as computation and leaves all deposits as they are.
    fn charge_budget(&self, changes: &Changes, budget: u64) -> Paid {
        let gas = self.inputs.gas.first();
        let spent: BTreeSet<_> = self.inputs.gas.iter().skip(1).collect();
        let writes = changes.writes.iter().filter(|(id, _)| !spent.contains(id));
        let outputs = writes.map(|(id, write)| {
            let deposit = self
                .view
                .object(id)
                .map_or(0, |object| object.storage_rebate());
            let mut data_after = write.data.clone();
            if Some(id) == gas
                && let ObjectData::Struct(body) = &write.data
            {
                let contents = coin::encode(*id, self.inputs.gas_balance.saturating_sub(budget));
                data_after = data(body.object_type().clone(), true, body.version(), contents)
                    .expect("a coin is an object");
            }
            (
                *id,
                Arc::new(Object::new(data_after, write.owner, self.digest, deposit)),
            )
        });
        Paid {
            outputs: outputs.collect(),
            cost: GasCostSummary::new(budget, 0, 0, 0),
        }
    }

    fn outcome(&self, changes: Changes, paid: Paid, status: ExecutionStatus) -> Outcome {
        let mut removed = changes.removed;
        removed.extend(self.inputs.gas.iter().skip(1).map(|id| (*id, true)));
        let mut found: BTreeMap<Address, Arc<Object>> = self
            .inputs
            .objects
            .iter()
            .map(|(id, (object, _))| (*id, object.clone()))
            .collect();
        for id in changes
            .loaded
            .iter()
            .chain(paid.outputs.keys())
            .chain(removed.keys())
        {
            if let Some(object) = self.view.object(id) {
                found.insert(*id, object);
            }
        }
        let events = (!changes.events.is_empty()).then_some(TransactionEvents(changes.events));
        let changed = changed_objects(&found, &paid.outputs, &removed, &changes.created);
        let gas = self.inputs.gas.first();
        let effects = TransactionEffectsV2 {
            status,
            epoch: self.view.terms.epoch,
            gas_used: paid.cost,
            transaction_digest: self.digest,
            gas_object_index: gas
                .and_then(|gas| changed.iter().position(|change| change.object_id == *gas))
                .and_then(|index| u32::try_from(index).ok()),
            events_digest: events.as_ref().map(TransactionEvents::digest),
            dependencies: self.dependencies(&found),
            lamport_version: self.inputs.lamport(),
            changed_objects: changed,
            unchanged_consensus_objects: unchanged(self.inputs),
            auxiliary_data_digest: None,
        };
        Outcome {
            effects,
            events,
            inputs: found.into_values().collect(),
            outputs: paid.outputs.into_values().collect(),
            removed: removed.into_keys().collect(),
            packages: changes.packages,
            results: changes.results,
        }
    }

    /// Transactions that made what this one read: objects and packages.
    fn dependencies(&self, found: &BTreeMap<Address, Arc<Object>>) -> Vec<Digest> {
        let mut dependencies: BTreeSet<Digest> = found
            .values()
            .map(|object| object.previous_transaction())
            .collect();
        if let TransactionKind::ProgrammableTransaction(programmable) = &self.transaction.kind {
            for command in &programmable.commands {
                let packages = match command {
                    Command::MoveCall(call) => std::slice::from_ref(&call.package),
                    Command::Publish(publish) => &publish.dependencies,
                    Command::Upgrade(upgrade) => &upgrade.dependencies,
                    _ => &[],
                };
                dependencies.extend(
                    packages
                        .iter()
                        .filter_map(|id| self.view.object(id))
                        .map(|package| package.previous_transaction()),
                );
            }
        }
        dependencies.into_iter().collect()
    }
}

/// The list of changes, by ascending id.
pub(super) fn changed_objects(
    found: &BTreeMap<Address, Arc<Object>>,
    outputs: &BTreeMap<Address, Arc<Object>>,
    removed: &BTreeMap<Address, bool>,
    created: &BTreeSet<Address>,
) -> Vec<ChangedObject> {
    let before = |id: &Address| match found.get(id) {
        Some(object) => ObjectIn::Exist {
            version: object.version(),
            digest: object.digest(),
            owner: *object.owner(),
        },
        None => ObjectIn::NotExist,
    };
    let written = outputs.iter().map(|(id, object)| ChangedObject {
        object_id: *id,
        input_state: before(id),
        output_state: match object.data() {
            ObjectData::Package(package) => ObjectOut::PackageWrite {
                version: package.version,
                digest: object.digest(),
            },
            ObjectData::Struct(_) => ObjectOut::ObjectWrite {
                digest: object.digest(),
                owner: *object.owner(),
            },
        },
        id_operation: if created.contains(id) {
            IdOperation::Created
        } else {
            IdOperation::None
        },
    });
    let gone = removed.iter().map(|(id, deleted)| ChangedObject {
        object_id: *id,
        input_state: before(id),
        output_state: ObjectOut::NotExist,
        id_operation: if *deleted {
            IdOperation::Deleted
        } else {
            IdOperation::None
        },
    });
    let mut changed: Vec<_> = written.chain(gone).collect();
    changed.sort_by_key(|change| change.object_id);
    changed
}

fn unchanged(inputs: &Inputs) -> Vec<UnchangedConsensusObject> {
    let read = inputs
        .objects
        .iter()
        .filter(|(_, (_, access))| *access == Access::SharedReadOnly);
    read.map(|(id, (object, _))| UnchangedConsensusObject {
        object_id: *id,
        kind: UnchangedConsensusKind::ReadOnlyRoot {
            version: object.version(),
            digest: object.digest(),
        },
    })
    .collect()
}
