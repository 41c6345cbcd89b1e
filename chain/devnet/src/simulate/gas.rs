//! Budget estimation and choice of gas coins.

use std::{collections::BTreeSet, sync::Arc};

use sui_sdk_types::{
    Address, Digest, ExecutionError, ExecutionStatus, GasCostSummary, Input, MoveStruct, Object,
    ObjectData, ObjectReference, Owner, StructTag, Transaction, TransactionKind,
};

use super::run;
use crate::{
    coin,
    execute::{Checks, Outcome, Refusal, View, gas},
    limits,
};

/// Id of the coin that is lent to simulations; no transaction can create it.
const LENT_COIN: Address = Address::new([0xff; 32]);
/// What it holds: all SUI there is would be more.
const LENT_BALANCE: u64 = 1_000_000_000_000_000_000;

/// A view in which `owner` has a coin that pays for any simulation.
fn lend<'a>(view: &View<'a>, owner: Address) -> (View<'a>, ObjectReference) {
    let contents = coin::encode(LENT_COIN, LENT_BALANCE);
    let body = MoveStruct::new(StructTag::gas_coin(), true, 1, contents)
        .expect("a coin begins with an id");
    let coin = Arc::new(Object::new(
        ObjectData::Struct(body),
        Owner::Address(owner),
        Digest::ZERO,
        0,
    ));
    let reference = ObjectReference::new(LENT_COIN, coin.version(), coin.digest());
    let mut view = view.clone();
    view.overlay.insert(LENT_COIN, coin);
    (view, reference)
}

/// What of the gas payment is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// The coins: the payer's richest are picked until they cover the budget.
    pub coins: bool,
    /// The budget: a trial run tells it.
    pub budget: bool,
}

/// Completes the gas payment and runs the transaction with it.
///
/// Budget and coins are part of the digest that ids of new objects are made of, and what code costs may depend on ids: the run can be
/// dearer than the trial. The budget then grows until the run can pay, so that what is signed is what was seen to succeed.
pub(super) fn complete(
    view: &View<'_>,
    transaction: &mut Transaction,
    open: Open,
    checks: Checks,
) -> Result<Outcome, Refusal> {
    let mut payable = false;
    if open.budget {
        let mut trial = transaction.clone();
        trial.gas_payment.budget = gas::MAXIMUM_BUDGET;
        let outcome = run_lent(view, &mut trial, checks)?;
        payable = !starved(&outcome);
        transaction.gas_payment.budget =
            estimate(&outcome.effects.gas_used, transaction.gas_payment.price);
    }
    loop {
        if open.coins {
            transaction.gas_payment.objects = pick(view, transaction)?;
        } else if transaction.gas_payment.objects.is_empty() {
            return run_lent(view, transaction, checks);
        }
        let outcome = run(view, transaction, checks)?;
        let budget = &mut transaction.gas_payment.budget;
        if !payable || *budget == gas::MAXIMUM_BUDGET || !starved(&outcome) {
            return Ok(outcome);
        }
        *budget = budget.saturating_mul(2).min(gas::MAXIMUM_BUDGET);
    }
}

/// Runs with a coin that does not exist, so that the caller need not own any.
fn run_lent(
    view: &View<'_>,
    transaction: &mut Transaction,
    checks: Checks,
) -> Result<Outcome, Refusal> {
    let (lent, coin) = lend(view, transaction.gas_payment.owner);
    transaction.gas_payment.objects = vec![coin];
    if transaction.gas_payment.budget == 0 {
        transaction.gas_payment.budget = gas::MAXIMUM_BUDGET;
    }
    run(&lent, transaction, checks)
}

/// Whether the budget was too small.
fn starved(outcome: &Outcome) -> bool {
    let status = &outcome.effects.status;
    matches!(
        status,
        ExecutionStatus::Failure {
            error: ExecutionError::InsufficientGas,
            ..
        }
    )
}

/// A budget with room for the state to change a little before the transaction is executed.
fn estimate(cost: &GasCostSummary, price: u64) -> u64 {
    let computation = cost
        .computation_cost
        .saturating_add(gas::minimum_budget(price));
    let storage = cost.storage_cost.saturating_sub(cost.storage_rebate);
    computation.saturating_add(storage).min(gas::MAXIMUM_BUDGET)
}

fn pick(view: &View<'_>, transaction: &Transaction) -> Result<Vec<ObjectReference>, Refusal> {
    let used = used(transaction);
    let needed = transaction.gas_payment.budget;
    let mut balance: u64 = 0;
    let mut picked = Vec::new();
    for object in view
        .objects
        .coins(&transaction.gas_payment.owner, &StructTag::sui())
    {
        let id = object.object_id();
        if used.contains(&id) {
            continue;
        }
        balance = balance.saturating_add(object.as_struct().and_then(coin::balance).unwrap_or(0));
        picked.push(ObjectReference::new(id, object.version(), object.digest()));
        if balance >= needed {
            return Ok(picked);
        }
        if picked.len() == limits::GAS_COINS {
            break;
        }
    }
    Err(Refusal::GasBalance { balance, needed })
}

/// Objects that the transaction already names.
fn used(transaction: &Transaction) -> BTreeSet<Address> {
    let TransactionKind::ProgrammableTransaction(programmable) = &transaction.kind else {
        return BTreeSet::new();
    };
    let ids = programmable.inputs.iter().filter_map(|input| match input {
        Input::ImmutableOrOwned(reference) | Input::Receiving(reference) => {
            Some(*reference.object_id())
        }
        _ => None,
    });
    ids.chain(
        transaction
            .gas_payment
            .objects
            .iter()
            .map(|reference| *reference.object_id()),
    )
    .collect()
}
