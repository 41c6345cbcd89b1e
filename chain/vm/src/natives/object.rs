//! `sui::object`.

use super::{Call, Outcome, Table};
use crate::value::Value;

pub(super) const TABLE: Table = &[
    ("object", "borrow_uid", borrow_uid),
    ("object", "delete_impl", delete),
    ("object", "record_new_uid", record_new),
];

/// The first field of an object is its `UID`.
fn borrow_uid(call: &mut Call<'_, '_>) -> Outcome {
    let mut object = call.reference()?;
    object.enter(0)?;
    Ok(Some(Value::Reference(object)))
}

fn delete(call: &mut Call<'_, '_>) -> Outcome {
    let id = call.address()?;
    let machine = &mut *call.machine;
    machine.objects.delete(id, &machine.limits)?;
    Ok(None)
}

fn record_new(call: &mut Call<'_, '_>) -> Outcome {
    let id = call.address()?;
    let machine = &mut *call.machine;
    machine.objects.create(id, &machine.limits)?;
    Ok(None)
}
