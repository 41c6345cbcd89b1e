//! What execution may see of the ledger, and how the interpreter reads it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use floe_move_vm::{Limits, Package, Session, StoredObject, TransactionContext, World};
use sui_sdk_types::{Address, Digest, MovePackage, Object, ObjectData, Owner, Version};

use crate::{ledger::Objects, limits, packages::Packages};

/// The terms a transaction is executed under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Id of the chain: digest of its first checkpoint.
    pub chain: Digest,
    /// Current epoch.
    pub epoch: u64,
    /// When it began, in milliseconds since the Unix epoch.
    pub epoch_start_ms: u64,
    /// Time of the current checkpoint, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// MIST per unit of computation.
    pub reference_gas_price: u64,
}

/// A consistent view of the ledger.
#[derive(Clone)]
pub(crate) struct View<'a> {
    /// Live objects.
    pub objects: &'a Objects,
    /// Packages.
    pub packages: &'a Packages,
    /// Owned object versions that a transaction of this epoch has used.
    pub locks: &'a HashMap<(Address, Version), Digest>,
    /// Terms.
    pub terms: Terms,
    /// Objects that a simulation puts in place of the live ones.
    pub overlay: BTreeMap<Address, Arc<Object>>,
}

impl View<'_> {
    /// The live object with this id.
    pub(crate) fn object(&self, id: &Address) -> Option<Arc<Object>> {
        self.overlay
            .get(id)
            .or_else(|| self.objects.get(id))
            .cloned()
    }

    /// The transaction that used an owned object at this version.
    pub(crate) fn locked_by(&self, id: &Address, version: Version) -> Option<Digest> {
        self.locks.get(&(*id, version)).copied()
    }

    /// A package, ready to run.
    pub(crate) fn package(&self, id: &Address) -> Option<Arc<Package>> {
        self.packages.get(id).cloned()
    }

    /// A package as it is stored.
    pub(crate) fn move_package(&self, id: &Address) -> Option<MovePackage> {
        match self.object(id)?.data() {
            ObjectData::Package(package) => Some(package.clone()),
            ObjectData::Struct(_) => None,
        }
    }
}

impl View<'_> {
    /// A session that only looks at types and signatures.
    pub(crate) fn session_for_types(&self) -> Session<'_> {
        let context = TransactionContext {
            digest: Digest::ZERO,
            sender: Address::ZERO,
            sponsor: None,
            epoch: self.terms.epoch,
            epoch_timestamp_ms: self.terms.epoch_start_ms,
            reference_gas_price: self.terms.reference_gas_price,
            gas_price: self.terms.reference_gas_price,
            gas_budget: 0,
        };
        Session::new(self, context, limits(0))
    }
}

impl World for View<'_> {
    fn package(&self, storage: &Address) -> Option<Arc<Package>> {
        self.packages.get(storage).cloned()
    }

    fn child(&self, parent: &Address, id: &Address) -> Option<StoredObject> {
        stored(
            self.object(id)
                .filter(|object| *object.owner() == Owner::Object(*parent))?,
        )
    }

    fn receive(&self, owner: &Address, id: &Address, version: u64) -> Option<StoredObject> {
        let sent = |object: &Arc<Object>| {
            *object.owner() == Owner::Address(*owner) && object.version() == version
        };
        stored(self.object(id).filter(sent)?)
    }
}

fn stored(object: Arc<Object>) -> Option<StoredObject> {
    let body = object.as_struct()?;
    Some(StoredObject {
        version: body.version(),
        tag: body.object_type().clone(),
        contents: body.contents().to_vec(),
    })
}

/// Limits of one session.
pub(super) fn limits(steps: u64) -> Limits {
    Limits {
        steps,
        created_ids: limits::NEW_IDS,
        deleted_ids: limits::DELETED_IDS,
        transfers: limits::TRANSFERS,
        events: limits::EVENTS,
        event_bytes: limits::EVENT_BYTES,
        children: limits::CHILD_OBJECTS,
        object_bytes: limits::OBJECT_BYTES,
        ..Limits::default()
    }
}
