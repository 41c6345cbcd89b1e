//! Budget estimation and choice of gas coins.

use std::{collections::BTreeSet, sync::Arc};

use sui_sdk_types::{
    Address, Digest, GasCostSummary, Input, MoveStruct, Object, ObjectData, ObjectReference, Owner,
    StructTag, Transaction, TransactionKind,
};

use super::run;
use crate::{
    coin,
    execute::{Checks, Refusal, View, gas},
    limits,
};

/// Id of the coin that is lent to simulations; no transaction can create it.
const LENT_COIN: Address = Address::new([0xff; 32]);
/// What it holds: all SUI there is would be more.
const LENT_BALANCE: u64 = 1_000_000_000_000_000_000;

/// A view in which `owner` has a coin that pays for any simulation.
pub(super) fn lend<'a>(view: &View<'a>, owner: Address) -> (View<'a>, ObjectReference) {
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

/// Sets the budget from a trial run, and picks the payer's richest coins until they cover it.
pub(super) fn select(
    view: &View<'_>,
    transaction: &mut Transaction,
    coins: bool,
    budget: bool,
    checks: Checks,
) -> Result<(), Refusal> {
    if budget {
        let (lent, coin) = lend(view, transaction.gas_payment.owner);
        let mut trial = transaction.clone();
        trial.gas_payment.objects = vec![coin];
        trial.gas_payment.budget = gas::MAXIMUM_BUDGET;
        let outcome = run(&lent, &trial, checks)?;
        transaction.gas_payment.budget =
            estimate(&outcome.effects.gas_used, transaction.gas_payment.price);
    }
    if coins {
        transaction.gas_payment.objects = pick(view, transaction)?;
    }
    Ok(())
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
