//! `sui::transfer`.

use sui_sdk_types::{Address, TypeTag};

use super::{ARGUMENT, Call, Outcome, Table, abort};
use crate::{
    failure::FailureKind,
    objects::{Recipient, Transfer, object_id},
    value::Value,
};

pub(super) const TABLE: Table = &[
    ("transfer", "transfer_impl", transfer),
    ("transfer", "party_transfer_impl", party_transfer),
    ("transfer", "share_object_impl", share),
    ("transfer", "freeze_object_impl", freeze),
    ("transfer", "receive_impl", receive),
];

/// Objects whose ids are fixed: they count as new when genesis shares them.
const SYSTEM_OBJECTS: [Address; 9] = [
    Address::from_static("0x5"),
    Address::from_static("0x6"),
    Address::from_static("0x7"),
    Address::from_static("0x8"),
    Address::from_static("0x9"),
    Address::from_static("0xc"),
    Address::from_static("0xd"),
    Address::from_static("0x403"),
    Address::from_static("0xacc"),
];

const E_SHARED_NON_NEW_OBJECT: u64 = 0;
const E_RECEIVING_TYPE_MISMATCH: u64 = 2;
const E_UNABLE_TO_RECEIVE: u64 = 3;

fn give(call: &mut Call<'_, '_>, value: Value, recipient: Recipient) -> Outcome {
    let transfer = Transfer {
        recipient,
        kind: call.type_argument(0)?.clone(),
        value,
    };
    let machine = &mut *call.machine;
    machine.objects.transfer(transfer, &machine.limits)?;
    Ok(None)
}

fn transfer(call: &mut Call<'_, '_>) -> Outcome {
    let object = call.value()?;
    let recipient = call.address()?;
    give(call, object, Recipient::Address(recipient))
}

/// Sui supports exactly one party with every permission, and none for others.
fn party_transfer(call: &mut Call<'_, '_>) -> Outcome {
    const ALL: u64 = 0b1111;
    let object = call.value()?;
    let others = call.u64()?;
    match (call.value()?, call.value()?) {
        (Value::Vector(addresses), Value::Vector(permissions)) => {
            match (&*addresses, &*permissions) {
                ([Value::Address(owner)], [Value::U64(ALL)]) if others == 0 => {
                    give(call, object, Recipient::ConsensusAddress(*owner))
                }
                _ => Err(FailureKind::IllTyped("a party of several members")),
            }
        }
        _ => Err(ARGUMENT),
    }
}

fn share(call: &mut Call<'_, '_>) -> Outcome {
    let object = call.value()?;
    let id = object_id(&object)?;
    let objects = &call.machine.objects;
    let is_new = objects.created.contains(&id) || SYSTEM_OBJECTS.contains(&id);
    if !is_new && !objects.shared_inputs.contains(&id) {
        return abort(E_SHARED_NON_NEW_OBJECT);
    }
    give(call, object, Recipient::Shared)
}

fn freeze(call: &mut Call<'_, '_>) -> Outcome {
    let object = call.value()?;
    give(call, object, Recipient::Immutable)
}

/// `receive_impl<T>(parent: address, id: ID, version: u64): T`
fn receive(call: &mut Call<'_, '_>) -> Outcome {
    let parent = call.address()?;
    let id: Address = object_id(&call.value()?)?;
    let version = call.u64()?;
    let kind = call.type_argument(0)?.clone();
    if call.machine.objects.received.contains_key(&id) {
        return abort(E_UNABLE_TO_RECEIVE);
    }
    let Some(stored) = call.machine.linker.world().receive(&parent, &id, version) else {
        return abort(E_UNABLE_TO_RECEIVE);
    };
    if kind.tag()? != TypeTag::Struct(Box::new(stored.tag)) {
        return abort(E_RECEIVING_TYPE_MISMATCH);
    }
    let object = call.machine.decode(&kind, &stored.contents)?;
    call.machine.objects.received.insert(id, stored.version);
    Ok(Some(object))
}
