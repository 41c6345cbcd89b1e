//! Runs one transaction against a view of the ledger. Pure: the same view and transaction give the same outcome; nothing is written here.

mod arguments;
mod cells;
mod changes;
pub(crate) mod check;
mod coins;
mod commands;
mod compatibility;
mod effects;
mod failure;
pub(crate) mod gas;
mod inputs;
mod output;
mod publish;
mod refusal;
pub(crate) mod system;
mod view;

use std::sync::Arc;

use floe_move_vm::{Package, Session, TransactionContext};
use sui_sdk_types::{Address, Object, Transaction, TransactionEffectsV2, TransactionEvents};

use self::{
    changes::Changes,
    commands::{Failed, Machine},
};
pub(crate) use self::{
    check::Authorized,
    inputs::{Access, Inputs},
    output::{CommandOutput, TypedBytes},
    refusal::Refusal,
    view::{Terms, View},
};

/// How strictly a transaction is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// It will be committed.
    Commit,
    /// It is only simulated, under the same rules.
    Simulate,
    /// It is only simulated, and may call and return anything.
    Relaxed,
    /// It is the system's own and may call anything.
    System,
}

impl Checks {
    /// Whether the rules for users hold.
    fn enforced(self) -> bool {
        matches!(self, Self::Commit | Self::Simulate)
    }

    /// Whether to collect what commands return.
    fn simulated(self) -> bool {
        matches!(self, Self::Simulate | Self::Relaxed)
    }
}

/// What a transaction did, ready to be committed.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The effects.
    pub effects: TransactionEffectsV2,
    /// Events, if execution succeeded and there were any.
    pub events: Option<TransactionEvents>,
    /// Objects as they were found.
    pub inputs: Vec<Arc<Object>>,
    /// Objects as they were left.
    pub outputs: Vec<Arc<Object>>,
    /// Objects that are no longer live.
    pub removed: Vec<Address>,
    /// New packages, ready to run.
    pub packages: Vec<Arc<Package>>,
    /// What each command returned; filled in simulations.
    pub results: Vec<CommandOutput>,
}

/// Executes a user's transaction whose inputs have been checked.
pub(crate) fn execute(
    view: &View<'_>,
    transaction: &Transaction,
    inputs: &Inputs,
    checks: Checks,
) -> Result<Outcome, Refusal> {
    let programmable = check::programmable(transaction)?;
    let payment = &transaction.gas_payment;
    let digest = transaction.digest();
    let context = TransactionContext {
        digest,
        sender: transaction.sender,
        sponsor: (payment.owner != transaction.sender).then_some(payment.owner),
        epoch: view.terms.epoch,
        epoch_timestamp_ms: view.terms.epoch_start_ms,
        reference_gas_price: view.terms.reference_gas_price,
        gas_price: payment.price,
        gas_budget: payment.budget,
    };
    let mut session = Session::new(
        view,
        context,
        view::limits(gas::step_limit(payment.budget, payment.price)),
    );
    for (id, (_, access)) in &inputs.objects {
        if matches!(access, Access::Shared | Access::SharedReadOnly) {
            session.shared_input(*id);
        }
    }
    let gas_id = inputs
        .gas
        .first()
        .copied()
        .ok_or(Refusal::Unsupported("transactions without a gas coin"))?;
    let ran = run(
        &mut session,
        view,
        programmable,
        inputs,
        Some((gas_id, inputs.gas_balance)),
        checks,
    );
    let steps = session.steps_used();
    let ran = ran.and_then(|ran| {
        let failed = Failed::outside;
        let finished = session.finish().map_err(failure::error).map_err(failed)?;
        Changes::collect(view, transaction, inputs, ran, finished).map_err(failed)
    });
    Ok(effects::settle(
        view,
        transaction,
        digest,
        inputs,
        steps,
        ran,
    ))
}

/// What the commands left behind, apart from what the session knows.
struct Ran {
    remaining: std::collections::BTreeMap<Address, Vec<u8>>,
    emitters: Vec<(Address, sui_sdk_types::Identifier)>,
    published: Vec<(sui_sdk_types::MovePackage, Arc<Package>)>,
    results: Vec<CommandOutput>,
}

fn run(
    session: &mut Session<'_>,
    view: &View<'_>,
    programmable: &sui_sdk_types::ProgrammableTransaction,
    inputs: &Inputs,
    gas: Option<(Address, u64)>,
    checks: Checks,
) -> Result<Ran, Failed> {
    let mut machine = Machine::new(session, view, programmable, inputs, gas, checks)?;
    machine.run(programmable)?;
    let remaining = machine
        .remaining(inputs, programmable)
        .map_err(Failed::outside)?;
    Ok(Ran {
        remaining,
        emitters: machine.emitters,
        published: machine.published,
        results: machine.outputs,
    })
}
