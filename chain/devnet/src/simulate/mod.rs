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
    let open = gas::Open {
        coins: options.select_gas && draft.gas_objects.is_empty(),
        budget: options.select_gas && draft.gas_budget.is_none(),
    };
    let mut transaction = resolve::resolve(view, draft)?;
    let outcome = gas::complete(view, &mut transaction, open, checks)?;
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
