//! `sui::tx_context` and `sui::protocol_config`: what code may know of its transaction and network.

use sui_sdk_types::{Address, Digest};

use super::{ARGUMENT, Call, Outcome, Table, returns};
use crate::value::Value;

pub(super) const TABLE: Table = &[
    ("tx_context", "native_sender", |call| {
        returns(call.machine.transaction.sender)
    }),
    ("tx_context", "native_epoch", |call| {
        returns(call.machine.transaction.epoch)
    }),
    ("tx_context", "native_epoch_timestamp_ms", |call| {
        returns(call.machine.transaction.epoch_timestamp_ms)
    }),
    ("tx_context", "native_rgp", |call| {
        returns(call.machine.transaction.reference_gas_price)
    }),
    ("tx_context", "native_gas_price", |call| {
        returns(call.machine.transaction.gas_price)
    }),
    ("tx_context", "native_gas_budget", |call| {
        returns(call.machine.transaction.gas_budget)
    }),
    ("tx_context", "native_ids_created", |call| {
        returns(call.machine.objects.ids_derived)
    }),
    ("tx_context", "native_sponsor", sponsor),
    ("tx_context", "fresh_id", fresh_id),
    ("tx_context", "derive_id", derive_id),
    // No optional feature of the protocol is there.
    ("protocol_config", "is_feature_enabled", |_| returns(false)),
];

fn sponsor(call: &mut Call<'_, '_>) -> Outcome {
    let sponsor = call.machine.transaction.sponsor.map(Value::Address);
    Ok(Some(Value::vector(sponsor.into_iter().collect())?))
}

fn fresh_id(call: &mut Call<'_, '_>) -> Outcome {
    let machine = &mut *call.machine;
    #[cfg(feature = "testing")]
    if machine.breaks(crate::testing::Fault::IdSkipped) {
        machine.objects.ids_derived += 1;
    }
    returns(
        machine
            .objects
            .fresh_id(&machine.transaction.digest, &machine.limits)?,
    )
}

fn derive_id(call: &mut Call<'_, '_>) -> Outcome {
    let digest = Digest::from_bytes(call.bytes()?).map_err(|_| ARGUMENT)?;
    returns(Address::derive_id(digest, call.u64()?))
}
