//! Loads the objects a transaction names and checks that it may use them as it says.

use std::{collections::BTreeMap, sync::Arc};

use sui_sdk_types::{
    Address, Input, Object, ObjectReference, Owner, StructTag, Transaction, Version,
};

use super::{Checks, Refusal, View, check};
use crate::coin;

/// How a transaction may use an input object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Owned by sender or sponsor: may be changed, moved, deleted.
    Owned,
    /// Frozen: may be read.
    Immutable,
    /// Shared and asked for as mutable.
    Shared,
    /// Shared and asked for as read-only.
    SharedReadOnly,
    /// Sent to an object, to be received during execution.
    Receiving,
}

impl Access {
    /// Whether using the object makes a new version of it.
    pub(crate) fn is_mutable(self) -> bool {
        matches!(self, Self::Owned | Self::Shared)
    }
}

/// The objects of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// Every named object once, by id.
    pub objects: BTreeMap<Address, (Arc<Object>, Access)>,
    /// Gas coins in order; the first pays, the others are merged into it.
    pub gas: Vec<Address>,
    /// What the gas coins hold together, in MIST.
    pub gas_balance: u64,
}

impl Inputs {
    /// Loads and checks the inputs of a user's transaction. With relaxed checks, anybody's objects may be given.
    pub(crate) fn load(
        view: &View<'_>,
        transaction: &Transaction,
        checks: Checks,
    ) -> Result<Self, Refusal> {
        let mut inputs = Self::default();
        let payment = &transaction.gas_payment;
        for reference in &payment.objects {
            let object = exact(view, reference)?;
            owned_by(&object, payment.owner)?;
            let not_gas = || Refusal::NotGas(*reference.object_id());
            let body = object
                .as_struct()
                .filter(|body| *body.object_type() == StructTag::gas_coin())
                .ok_or_else(not_gas)?;
            let balance = coin::balance(body).ok_or_else(not_gas)?;
            inputs.gas_balance = inputs.gas_balance.saturating_add(balance);
            inputs.gas.push(*reference.object_id());
            inputs.insert(object, Access::Owned)?;
        }
        if inputs.gas_balance < payment.budget {
            return Err(Refusal::GasBalance {
                balance: inputs.gas_balance,
                needed: payment.budget,
            });
        }
        for input in &check::programmable(transaction)?.inputs {
            inputs.add(view, transaction.sender, input, checks)?;
        }
        Ok(inputs)
    }

    fn add(
        &mut self,
        view: &View<'_>,
        sender: Address,
        input: &Input,
        checks: Checks,
    ) -> Result<(), Refusal> {
        match input {
            Input::ImmutableOrOwned(reference) => {
                let object = exact(view, reference)?;
                let access = match object.owner() {
                    Owner::Immutable => Access::Immutable,
                    Owner::Shared(_) | Owner::ConsensusAddress { .. } => {
                        return Err(Refusal::IsShared(object.object_id()));
                    }
                    _ => {
                        if checks.enforced() {
                            owned_by(&object, sender)?;
                        }
                        Access::Owned
                    }
                };
                self.insert(object, access)
            }
            Input::Shared(shared) => {
                let id = shared.object_id();
                let object = view.object(&id).ok_or(Refusal::ObjectNotFound(id))?;
                let expected = match object.owner() {
                    Owner::Shared(version) => *version,
                    Owner::ConsensusAddress {
                        start_version,
                        owner,
                    } if *owner == sender => *start_version,
                    _ => return Err(Refusal::NotShared(id)),
                };
                if shared.version() != expected {
                    return Err(Refusal::SharedVersion {
                        id,
                        given: shared.version(),
                        expected,
                    });
                }
                let mutable = shared.mutability().is_mutable();
                if mutable && READ_ONLY.contains(&id) {
                    return Err(Refusal::ReadOnly(id));
                }
                self.insert(
                    object,
                    if mutable {
                        Access::Shared
                    } else {
                        Access::SharedReadOnly
                    },
                )
            }
            Input::Receiving(reference) => {
                let object = exact(view, reference)?;
                match object.owner() {
                    Owner::Address(_) => self.insert(object, Access::Receiving),
                    owner => Err(Refusal::Owner {
                        id: object.object_id(),
                        owner: format!("{owner:?}"),
                        expected: sender,
                    }),
                }
            }
            _ => Ok(()),
        }
    }

    fn insert(&mut self, object: Arc<Object>, access: Access) -> Result<(), Refusal> {
        let id = object.object_id();
        if self.objects.insert(id, (object, access)).is_some() {
            Err(Refusal::Duplicate(id))
        } else {
            Ok(())
        }
    }

    /// The version every object written by this transaction gets: one more than the highest among its inputs.
    pub(crate) fn lamport(&self) -> Version {
        self.objects
            .values()
            .map(|(object, _)| object.version())
            .max()
            .unwrap_or(0)
            + 1
    }

    /// Owned objects at exact versions: what this transaction locks. Objects to be received are not among them, since a transaction may
    /// leave them where they are.
    pub(crate) fn locks(&self) -> impl Iterator<Item = (Address, Version)> {
        let owned = self
            .objects
            .values()
            .filter(|(_, access)| *access == Access::Owned);
        owned.map(|(object, _)| (object.object_id(), object.version()))
    }
}

/// The live object if it is exactly the one that was signed.
fn exact(view: &View<'_>, reference: &ObjectReference) -> Result<Arc<Object>, Refusal> {
    let (id, version) = (*reference.object_id(), reference.version());
    if let Some(by) = view.locked_by(&id, version) {
        return Err(Refusal::Locked { id, version, by });
    }
    let object = view.object(&id).ok_or(Refusal::ObjectNotFound(id))?;
    if object.as_struct().is_none() {
        return Err(Refusal::Kind(id));
    }
    if object.version() != version {
        return Err(Refusal::Version {
            id,
            given: version,
            current: object.version(),
        });
    }
    let expected = object.digest();
    if expected != *reference.digest() {
        return Err(Refusal::ObjectDigest {
            id,
            version,
            given: *reference.digest(),
            expected,
        });
    }
    Ok(object)
}

fn owned_by(object: &Object, expected: Address) -> Result<(), Refusal> {
    match object.owner() {
        Owner::Address(owner) if *owner == expected => Ok(()),
        owner => Err(Refusal::Owner {
            id: object.object_id(),
            owner: describe(owner),
            expected,
        }),
    }
}

fn describe(owner: &Owner) -> String {
    match owner {
        Owner::Address(address) => format!("address {address}"),
        Owner::Object(parent) => format!("object {parent}"),
        Owner::Shared(_) => "everyone (shared)".into(),
        Owner::Immutable => "nobody (immutable)".into(),
        other => format!("{other:?}"),
    }
}

/// `0x6` (Clock) and `0x8` (Random): only the system changes them.
const READ_ONLY: [Address; 2] = [Address::from_static("0x6"), Address::from_static("0x8")];
