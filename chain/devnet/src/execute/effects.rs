//! Charges gas and writes effects: new versions, deletions, deposits, dependencies.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sui_sdk_types::{
    Address, ChangedObject, Command, Digest, ExecutionError, ExecutionStatus, GasCostSummary,
    IdOperation, Object, ObjectData, ObjectIn, ObjectOut, Transaction, TransactionEffectsV2,
    TransactionEvents, TransactionKind, UnchangedConsensusKind, UnchangedConsensusObject,
};

use super::{
    Access, Inputs, Outcome, View,
    changes::{Changes, Write, data},
    commands::Failed,
    gas,
};
use crate::{coin, limits};

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
