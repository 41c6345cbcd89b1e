//! `sui::address`.

use ruint::aliases::U256;
use sui_sdk_types::Address;

use super::{ARGUMENT, Call, Outcome, Table, abort, returns};
use crate::value::Value;

pub(super) const TABLE: Table = &[
    ("address", "to_u256", to_u256),
    ("address", "from_u256", from_u256),
    ("address", "from_bytes", from_bytes),
];

const E_ADDRESS_LENGTH: u64 = 0;

fn to_u256(call: &mut Call<'_, '_>) -> Outcome {
    let address = call.address()?.into_inner();
    Ok(Some(Value::U256(U256::from_be_bytes(address))))
}

fn from_u256(call: &mut Call<'_, '_>) -> Outcome {
    match call.value()? {
        Value::U256(number) => returns(Address::new(number.to_be_bytes::<32>())),
        _ => Err(ARGUMENT),
    }
}

fn from_bytes(call: &mut Call<'_, '_>) -> Outcome {
    match Address::from_bytes(call.bytes()?) {
        Ok(address) => returns(address),
        Err(_) => abort(E_ADDRESS_LENGTH),
    }
}
