//! `sui::dynamic_field`, and the settings of `sui::config` that read through it.

use sui_sdk_types::{Address, TypeTag};

use super::{ARGUMENT, Call, Outcome, Table, abort, returns};
use crate::{
    failure::{FailureKind, Limit},
    limits::within,
    memory::Memory,
    objects::{Child, Loaded, object_id},
    types::Type,
    value::{Reference, Root, Value},
};

pub(super) const TABLE: Table = &[
    ("dynamic_field", "hash_type_and_key", hash_type_and_key),
    ("dynamic_field", "add_child_object", add),
    ("dynamic_field", "borrow_child_object", borrow),
    ("dynamic_field", "borrow_child_object_mut", borrow),
    ("dynamic_field", "remove_child_object", remove),
    ("dynamic_field", "has_child_object", has),
    ("dynamic_field", "has_child_object_with_ty", has_with_type),
];

const E_ALREADY_EXISTS: u64 = 0;
const E_DOES_NOT_EXIST: u64 = 1;
const E_TYPE_MISMATCH: u64 = 2;

const PRICE: u64 = 50;

fn hash_type_and_key(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE)?;
    let parent = call.address()?;
    let key = call.value()?;
    let bytes = call.encode(&key)?;
    let tag = call.type_argument(0)?.tag()?;
    #[cfg(feature = "testing")]
    if call.machine.narrow {
        return returns(crate::testing::narrow_child_id(&parent, &tag, &bytes));
    }
    returns(parent.derive_dynamic_child_id(&tag, &bytes))
}

/// Position of a child among those touched, loading it on first touch.
fn touch(call: &mut Call<'_, '_>, parent: Address, id: Address) -> Result<usize, FailureKind> {
    call.charge(PRICE)?;
    if let Some(position) = call.machine.objects.children_by_id.get(&id) {
        return Ok(*position);
    }
    let machine = &mut *call.machine;
    let position = machine.objects.children.len();
    within(Limit::Children, position + 1, machine.limits.children)?;
    let (kind, value, loaded) = match machine.linker.world().child(&parent, &id) {
        None => (Type::Bool, Value::Empty, None),
        Some(stored) => {
            let tag = TypeTag::Struct(Box::new(stored.tag));
            let kind = machine.linker.type_of(&tag)?;
            let value = machine.decode(&kind, &stored.contents)?;
            let loaded = Loaded {
                parent,
                version: stored.version,
                contents: stored.contents,
            };
            (kind, value, Some(loaded))
        }
    };
    machine.memory.children.push(value);
    machine.objects.children.push(Child {
        id,
        parent,
        kind,
        loaded,
    });
    machine.objects.children_by_id.insert(id, position);
    Ok(position)
}

fn is_present(memory: &Memory, child: &Child, position: usize, parent: Address) -> bool {
    child.parent == parent
        && memory
            .children
            .get(position)
            .is_some_and(|value| !matches!(value, Value::Empty))
}

/// Position of a child that is present and of the type asked for.
fn find(call: &mut Call<'_, '_>, parent: Address, id: Address) -> Result<usize, FailureKind> {
    let position = touch(call, parent, id)?;
    let machine = &*call.machine;
    let child = machine.objects.children.get(position).ok_or(ARGUMENT)?;
    if !is_present(&machine.memory, child, position, parent) {
        return abort(E_DOES_NOT_EXIST);
    }
    if child.kind != *call.type_argument(0)? {
        return abort(E_TYPE_MISMATCH);
    }
    Ok(position)
}

fn add(call: &mut Call<'_, '_>) -> Outcome {
    let parent = call.address()?;
    let value = call.value()?;
    let id = object_id(&value)?;
    let kind = call.type_argument(0)?.clone();
    let position = touch(call, parent, id)?;
    let machine = &mut *call.machine;
    let child = machine.objects.children.get_mut(position).ok_or(ARGUMENT)?;
    let place = machine.memory.children.get_mut(position).ok_or(ARGUMENT)?;
    if !matches!(place, Value::Empty) {
        return abort(E_ALREADY_EXISTS);
    }
    child.parent = parent;
    child.kind = kind;
    *place = value;
    Ok(None)
}

/// `borrow_child_object<Child>(object: &UID, id: address): &Child`
fn borrow(call: &mut Call<'_, '_>) -> Outcome {
    let uid = call.reference()?;
    let parent = object_id(call.machine.memory.value(&uid)?)?;
    let id = call.address()?;
    let position = find(call, parent, id)?;
    let root = Root::Child(u32::try_from(position).map_err(|_| ARGUMENT)?);
    Ok(Some(Value::Reference(Reference::new(root))))
}

fn remove(call: &mut Call<'_, '_>) -> Outcome {
    let parent = call.address()?;
    let id = call.address()?;
    let position = find(call, parent, id)?;
    let machine = &mut *call.machine;
    #[cfg(feature = "testing")]
    if machine.breaks(crate::testing::Fault::RemovedChildStays) {
        return Ok(machine.memory.children.get(position).cloned());
    }
    let place = machine.memory.children.get_mut(position);
    Ok(place.map(|place| std::mem::replace(place, Value::Empty)))
}

fn has(call: &mut Call<'_, '_>) -> Outcome {
    let parent = call.address()?;
    let id = call.address()?;
    let position = touch(call, parent, id)?;
    let machine = &*call.machine;
    let child = machine.objects.children.get(position).ok_or(ARGUMENT)?;
    returns(is_present(&machine.memory, child, position, parent))
}

fn has_with_type(call: &mut Call<'_, '_>) -> Outcome {
    let parent = call.address()?;
    let id = call.address()?;
    match find(call, parent, id) {
        Ok(_) => returns(true),
        Err(FailureKind::Abort { .. }) => returns(false),
        Err(other) => Err(other),
    }
}
