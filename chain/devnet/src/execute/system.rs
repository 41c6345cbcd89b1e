//! Transactions that the chain makes itself: genesis, the clock, randomness, the end of an epoch. They pay no gas.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use floe_move_vm::{Session, TransactionContext};
use sui_sdk_types::{
    Address, Argument, ChangeEpoch, Command, ConsensusCommitPrologueV4,
    ConsensusDeterminedVersionAssignments, Digest, EndOfEpochTransactionKind, ExecutionError,
    ExecutionStatus, GasCostSummary, GasPayment, Identifier, Input, MoveCall, Object, Owner,
    ProgrammableTransaction, RandomnessStateUpdate, SharedInput, Transaction, TransactionEffectsV2,
    TransactionEvents, TransactionExpiration, TransactionKind,
};

use super::{
    Access, Checks, Inputs, Outcome, View,
    changes::{Changes, Write},
    effects, failure, view,
};

/// The Clock object.
pub(crate) const CLOCK: Address = Address::from_static("0x6");
/// The Random object.
pub(crate) const RANDOM: Address = Address::from_static("0x8");
/// Ids of system objects, which the framework gives to objects it shares without creating the id.
const FIXED_IDS: [&str; 9] = [
    "0x5", "0x6", "0x7", "0x8", "0x9", "0xa", "0xc", "0x403", "0xacc",
];
/// Protocol version this chain reports; it changes nothing.
pub(crate) const PROTOCOL_VERSION: u64 = 100;

/// The transaction that opens a checkpoint's window by setting the clock.
pub(crate) fn prologue(epoch: u64, round: u64, timestamp_ms: u64) -> Transaction {
    of_system(TransactionKind::ConsensusCommitPrologueV4(
        ConsensusCommitPrologueV4 {
            epoch,
            round,
            sub_dag_index: None,
            commit_timestamp_ms: timestamp_ms,
            consensus_commit_digest: Digest::ZERO,
            consensus_determined_version_assignments:
                ConsensusDeterminedVersionAssignments::CanceledTransactionsV2 {
                    canceled_transactions: Vec::new(),
                },
            additional_state_digest: Digest::ZERO,
        },
    ))
}

/// The transaction that gives the chain new random bytes.
pub(crate) fn randomness(
    epoch: u64,
    round: u64,
    random_bytes: Vec<u8>,
    initial_version: u64,
) -> Transaction {
    of_system(TransactionKind::RandomnessStateUpdate(
        RandomnessStateUpdate {
            epoch,
            randomness_round: round,
            random_bytes,
            randomness_obj_initial_shared_version: initial_version,
        },
    ))
}

/// The last transaction of an epoch; `spent` is what its transactions paid.
pub(crate) fn change_epoch(next: u64, timestamp_ms: u64, spent: &GasCostSummary) -> Transaction {
    let change = ChangeEpoch {
        epoch: next,
        protocol_version: PROTOCOL_VERSION,
        storage_charge: spent.storage_cost,
        computation_charge: spent.computation_cost,
        storage_rebate: spent.storage_rebate,
        non_refundable_storage_fee: spent.non_refundable_storage_fee,
        epoch_start_timestamp_ms: timestamp_ms,
        system_packages: Vec::new(),
    };
    of_system(TransactionKind::EndOfEpoch(vec![
        EndOfEpochTransactionKind::ChangeEpoch(change),
    ]))
}

pub(crate) fn of_system(kind: TransactionKind) -> Transaction {
    Transaction {
        kind,
        sender: Address::ZERO,
        gas_payment: GasPayment {
            objects: Vec::new(),
            owner: Address::ZERO,
            price: 1,
            budget: 0,
        },
        expiration: TransactionExpiration::None,
    }
}

/// Executes a system transaction. Fails only if the framework packages are not what this chain expects.
pub(crate) fn execute(
    view: &View<'_>,
    transaction: &Transaction,
) -> Result<Outcome, ExecutionError> {
    let calls = match &transaction.kind {
        TransactionKind::ConsensusCommitPrologueV4(prologue) => {
            let time = bcs_bytes(&prologue.commit_timestamp_ms)?;
            framework_call(
                view,
                CLOCK,
                "clock",
                "consensus_commit_prologue",
                vec![time],
            )?
        }
        TransactionKind::RandomnessStateUpdate(update) => {
            let arguments = vec![
                bcs_bytes(&update.randomness_round)?,
                bcs_bytes(&update.random_bytes)?,
            ];
            framework_call(view, RANDOM, "random", "update_randomness_state", arguments)?
        }
        _ => ProgrammableTransaction {
            inputs: Vec::new(),
            commands: Vec::new(),
        },
    };
    run(view, transaction, transaction.digest(), &calls)
}

/// Executes calls with the rights of the system, under a digest from which new ids are derived.
pub(crate) fn run(
    view: &View<'_>,
    transaction: &Transaction,
    digest: Digest,
    calls: &ProgrammableTransaction,
) -> Result<Outcome, ExecutionError> {
    let mut inputs = Inputs::default();
    for input in &calls.inputs {
        if let Input::Shared(shared) = input {
            let object = view
                .object(&shared.object_id())
                .ok_or(ExecutionError::InvariantViolation)?;
            inputs
                .objects
                .insert(shared.object_id(), (object, Access::Shared));
        }
    }
    let context = TransactionContext {
        digest,
        sender: Address::ZERO,
        sponsor: None,
        epoch: view.terms.epoch,
        epoch_timestamp_ms: view.terms.epoch_start_ms,
        reference_gas_price: view.terms.reference_gas_price,
        gas_price: 1,
        gas_budget: 0,
    };
    let mut session = Session::new(view, context, view::limits(STEPS));
    inputs
        .objects
        .keys()
        .for_each(|id| session.shared_input(*id));
    FIXED_IDS
        .into_iter()
        .for_each(|id| session.shared_input(Address::from_static(id)));
    let ran = super::run(&mut session, view, calls, &inputs, None, Checks::System)
        .map_err(|failed| *failed.error)?;
    let finished = session.finish().map_err(failure::error)?;
    let changes = Changes::collect(view, transaction, &inputs, ran, finished)?;
    let object = |write: Write| Arc::new(Object::new(write.data, write.owner, digest, 0));
    let made = Made {
        outputs: changes
            .writes
            .into_iter()
            .map(|(id, write)| (id, object(write)))
            .collect(),
        removed: changes.removed,
        created: changes.created,
        loaded: changes.loaded,
        events: (!changes.events.is_empty()).then_some(TransactionEvents(changes.events)),
    };
    Ok(outcome(view, digest, &inputs, made))
}

/// Interpreter steps of one system transaction; far more than any needs.
const STEPS: u64 = 10_000_000;

/// The outcome of a transaction that only creates `outputs`.
pub(crate) fn created(
    view: &View<'_>,
    digest: Digest,
    outputs: Vec<Arc<Object>>,
    events: Option<TransactionEvents>,
) -> Outcome {
    let ids: BTreeSet<_> = outputs.iter().map(|object| object.object_id()).collect();
    let outputs = outputs
        .into_iter()
        .map(|object| (object.object_id(), object))
        .collect();
    let made = Made {
        outputs,
        removed: BTreeMap::new(),
        created: ids,
        loaded: BTreeSet::new(),
        events,
    };
    outcome(view, digest, &Inputs::default(), made)
}

struct Made {
    outputs: BTreeMap<Address, Arc<Object>>,
    removed: BTreeMap<Address, bool>,
    created: BTreeSet<Address>,
    loaded: BTreeSet<Address>,
    events: Option<TransactionEvents>,
}

fn outcome(view: &View<'_>, digest: Digest, inputs: &Inputs, made: Made) -> Outcome {
    let Made {
        outputs,
        removed,
        created,
        loaded,
        events,
    } = made;
    let touched = outputs.keys().chain(removed.keys()).chain(&loaded);
    let found: BTreeMap<_, _> = touched
        .chain(inputs.objects.keys())
        .filter_map(|id| Some((*id, view.object(id)?)))
        .collect();
    let dependencies: BTreeSet<Digest> = found
        .values()
        .map(|object| object.previous_transaction())
        .collect();
    let effects = TransactionEffectsV2 {
        status: ExecutionStatus::Success,
        epoch: view.terms.epoch,
        gas_used: GasCostSummary::default(),
        transaction_digest: digest,
        gas_object_index: None,
        events_digest: events.as_ref().map(TransactionEvents::digest),
        dependencies: dependencies.into_iter().collect(),
        lamport_version: inputs.lamport(),
        changed_objects: effects::changed_objects(&found, &outputs, &removed, &created),
        unchanged_consensus_objects: Vec::new(),
        auxiliary_data_digest: None,
    };
    Outcome {
        effects,
        events,
        inputs: found.into_values().collect(),
        outputs: outputs.into_values().collect(),
        removed: removed.into_keys().collect(),
        packages: Vec::new(),
        results: Vec::new(),
    }
}

/// One call of a framework function that changes a shared object.
fn framework_call(
    view: &View<'_>,
    object: Address,
    module: &'static str,
    function: &'static str,
    arguments: Vec<Vec<u8>>,
) -> Result<ProgrammableTransaction, ExecutionError> {
    let shared = view
        .object(&object)
        .ok_or(ExecutionError::InvariantViolation)?;
    let Owner::Shared(version) = shared.owner() else {
        return Err(ExecutionError::InvariantViolation);
    };
    let mut inputs = vec![Input::Shared(SharedInput::new(object, *version, true))];
    inputs.extend(arguments.into_iter().map(Input::Pure));
    let arguments = (0..).take(inputs.len()).map(Argument::Input).collect();
    Ok(ProgrammableTransaction {
        inputs,
        commands: vec![call(module, function, arguments)],
    })
}

/// A call of `0x2::module::function`.
pub(crate) fn call(
    module: &'static str,
    function: &'static str,
    arguments: Vec<Argument>,
) -> Command {
    Command::MoveCall(MoveCall {
        package: Address::TWO,
        module: Identifier::from_static(module),
        function: Identifier::from_static(function),
        type_arguments: Vec::new(),
        arguments,
    })
}

fn bcs_bytes<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, ExecutionError> {
    bcs::to_bytes(value).map_err(|_| ExecutionError::InvariantViolation)
}
