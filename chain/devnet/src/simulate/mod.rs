//! What a transaction would do: resolves what its author left open, picks gas, and executes without committing.

mod draft;
mod gas;
mod resolve;

use sui_sdk_types::Transaction;

pub(crate) use self::draft::Draft;
use crate::execute::{self, Checks, Inputs, Outcome, Refusal, View, check};

/// How to simulate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Allow any call and return value; gas is not paid for.
    pub relaxed: bool,
    /// Estimate the budget and pick coins that cover it.
    pub select_gas: bool,
}

/// A transaction as it would have to be signed, and what it would do.
pub(crate) struct Simulated {
    /// The transaction, complete.
    pub transaction: Transaction,
    /// What it would do now.
    pub outcome: Outcome,
}

/// Simulates a draft.
pub(crate) fn simulate(
    view: &View<'_>,
    draft: Draft,
    options: Options,
) -> Result<Simulated, Refusal> {
    let checks = if options.relaxed {
        Checks::Relaxed
    } else {
        Checks::Simulate
    };
    let open_gas = draft.gas_objects.is_empty();
    let open_budget = draft.gas_budget.is_none();
    let mut transaction = resolve::resolve(view, draft)?;
    if options.select_gas && (open_gas || open_budget) {
        gas::select(view, &mut transaction, open_gas, open_budget, checks)?;
    }
    if transaction.gas_payment.objects.is_empty() {
        return run_with_lent_gas(view, transaction, checks);
    }
    let outcome = run(view, &transaction, checks)?;
    Ok(Simulated {
        transaction,
        outcome,
    })
}

fn run(view: &View<'_>, transaction: &Transaction, checks: Checks) -> Result<Outcome, Refusal> {
    check::transaction(transaction, &view.terms)?;
    let inputs = Inputs::load(view, transaction, checks)?;
    execute::execute(view, transaction, &inputs, checks)
}

/// Runs with a coin that does not exist, so that the caller need not own any.
fn run_with_lent_gas(
    view: &View<'_>,
    mut transaction: Transaction,
    checks: Checks,
) -> Result<Simulated, Refusal> {
    let (view, coin) = gas::lend(view, transaction.gas_payment.owner);
    transaction.gas_payment.objects = vec![coin];
    if transaction.gas_payment.budget == 0 {
        transaction.gas_payment.budget = execute::gas::MAXIMUM_BUDGET;
    }
    let outcome = run(&view, &transaction, checks)?;
    Ok(Simulated {
        transaction,
        outcome,
    })
}
