//! What execution and storage cost. Storage follows Sui's formula; computation is a model in interpreter steps, not Sui's.

use sui_sdk_types::{GasCostSummary, Object, ObjectData, Owner};

use crate::limits;

/// MIST per unit of computation that this chain asks for in every epoch.
pub(crate) const REFERENCE_PRICE: u64 = 1_000;
/// MIST for one byte in storage: 100 units at 76 MIST, as on Sui.
const STORAGE_BYTE_PRICE: u64 = 7_600;
/// Share of a storage deposit that is paid back, in basis points.
const REBATE_BPS: u64 = 9_900;
/// Interpreter steps in one unit of computation.
const STEPS_PER_UNIT: u64 = 20;
/// Computation is charged in multiples of this many units, and at least one of them, as on Sui.
const ROUNDING: u64 = 1_000;
/// Units one transaction may use at most, as on Sui.
const MAXIMUM_UNITS: u64 = 5_000_000;
/// Bytes that Sui counts for an object beside its contents and type: owner 40, digest 32, rebate 8.
const OBJECT_OVERHEAD: u64 = 80;

/// The least a transaction can cost at a price, in MIST.
pub(crate) fn minimum_budget(price: u64) -> u64 {
    ROUNDING.saturating_mul(price)
}

/// Interpreter steps that a budget pays for.
pub(crate) fn step_limit(budget: u64, price: u64) -> u64 {
    (budget / price.max(1)).min(MAXIMUM_UNITS) * STEPS_PER_UNIT
}

/// Cost of running for `steps`, in MIST and never above the budget.
pub(crate) fn computation_cost(steps: u64, price: u64, budget: u64) -> u64 {
    let units = steps.div_ceil(STEPS_PER_UNIT);
    let charged = units.clamp(1, MAXIMUM_UNITS).next_multiple_of(ROUNDING);
    charged.saturating_mul(price).min(budget)
}

/// Deposit for keeping an object, in MIST.
pub(crate) fn storage_cost(data: &ObjectData) -> u64 {
    (bytes(data) + OBJECT_OVERHEAD) * STORAGE_BYTE_PRICE
}

/// Size of an object as limits and storage price count it.
pub(crate) fn bytes(data: &ObjectData) -> u64 {
    let count = match data {
        // Without the length prefix of the contents and the variant number of the data.
        ObjectData::Struct(body) => {
            let empty = Object::new(
                data.clone(),
                Owner::Immutable,
                sui_sdk_types::Digest::ZERO,
                0,
            );
            let whole = bcs::serialized_size(&empty).unwrap_or(usize::MAX);
            whole.saturating_sub(1 + prefix(body.contents().len()) + 1 + 33 + 8)
        }
        ObjectData::Package(package) => {
            let modules: usize = package
                .modules
                .iter()
                .map(|(name, code)| name.as_str().len() + code.len())
                .sum();
            let origins: usize = package
                .type_origin_table
                .iter()
                .map(|origin| {
                    origin.module_name.as_str().len() + origin.struct_name.as_str().len() + 32
                })
                .sum();
            modules + origins + package.linkage_table.len() * (32 + 32 + 8) + 8
        }
    };
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Bytes of the ULEB128 prefix of a vector of this length.
fn prefix(length: usize) -> usize {
    let bits = usize::BITS - length.max(1).leading_zeros();
    usize::try_from(bits.div_ceil(7)).unwrap_or(usize::MAX)
}

/// Splits deposits that are freed into what the payer gets back and what is kept.
pub(crate) fn rebate(freed: u64) -> (u64, u64) {
    let back = u64::try_from(u128::from(freed) * u128::from(REBATE_BPS) / 10_000).unwrap_or(freed);
    (back, freed - back)
}

/// What the payer's coin holds after paying `cost`; `None` if the net cost exceeds budget or balance.
pub(crate) fn pay(balance: u64, budget: u64, cost: &GasCostSummary) -> Option<u64> {
    let owed = cost.computation_cost.checked_add(cost.storage_cost)?;
    if owed > cost.storage_rebate {
        let net = owed - cost.storage_rebate;
        if net > budget {
            None
        } else {
            balance.checked_sub(net)
        }
    } else {
        balance.checked_add(cost.storage_rebate - owed)
    }
}

/// The largest budget Sui accepts, in MIST.
pub(crate) const MAXIMUM_BUDGET: u64 = limits::GAS_BUDGET;

#[cfg(test)]
mod tests {
    use sui_sdk_types::{Address, MoveStruct, StructTag};

    use super::*;

    #[test]
    fn a_gas_coin_costs_what_it_costs_on_sui() {
        let body = MoveStruct::new(
            StructTag::gas_coin(),
            true,
            1,
            crate::coin::encode(Address::TWO, 5),
        )
        .unwrap();
        assert_eq!(storage_cost(&ObjectData::Struct(body)), 988_000);
    }

    #[test]
    fn computation_is_rounded_up_and_stops_at_the_budget() {
        assert_eq!(computation_cost(0, 1_000, u64::MAX), 1_000_000);
        assert_eq!(computation_cost(20_000, 1_000, u64::MAX), 1_000_000);
        assert_eq!(computation_cost(20_001, 1_000, u64::MAX), 2_000_000);
        assert_eq!(computation_cost(u64::MAX, 1_000, u64::MAX), 5_000_000_000);
        assert_eq!(computation_cost(u64::MAX, 1_000, 7), 7);
        assert_eq!(step_limit(2_000_000, 1_000), 40_000);
        assert_eq!(step_limit(u64::MAX, 0), 100_000_000);
    }

    #[test]
    fn paying_respects_budget_and_balance() {
        let cost = GasCostSummary::new(10, 20, 5, 0);
        assert_eq!(pay(100, 25, &cost), Some(75));
        assert_eq!(pay(100, 24, &cost), None);
        assert_eq!(pay(24, 25, &cost), None);
        assert_eq!(pay(1, 0, &GasCostSummary::new(1, 1, 50, 0)), Some(49));
        assert_eq!(rebate(1_000), (990, 10));
        assert_eq!(rebate(u64::MAX).0 + rebate(u64::MAX).1, u64::MAX);
    }
}
