//! Which packages are the contract: the one that defined it first, and its upgrades.
//!
//! A type names the package that defined it for ever, so events of several packages are ours. Those
//! of before the start are an endpoint's word, like the system object that names the newest; an
//! upgrade that happens while events are followed is proved by the transaction that made it.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use sui_sdk_types::{Address, Object, ObjectData, ObjectOut, TransactionEffects};

use crate::light::Executed;

/// The packages of one deployment.
#[derive(Debug)]
pub(crate) struct Packages {
    origin: Address,
    /// An upgrade's transaction writes it: there the right to upgrade rests.
    system: Address,
    known: RwLock<BTreeSet<Address>>,
}

impl Packages {
    /// The package that first defined the contract.
    pub(crate) fn new(origin: Address, system: Address) -> Self {
        Self {
            origin,
            system,
            known: RwLock::new(BTreeSet::from([origin])),
        }
    }

    /// The package that first defined the contract.
    pub(crate) fn origin(&self) -> Address {
        self.origin
    }

    /// Whether a package is known to be the contract or an upgrade of it.
    pub(crate) fn contain(&self, package: &Address) -> bool {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(package)
    }

    /// The package in a transaction that may be an upgrade of the contract.
    pub(crate) fn upgrade_in(&self, executed: &Executed) -> Option<Address> {
        let TransactionEffects::V2(effects) = executed.effects() else {
            return None;
        };
        let changed = || effects.changed_objects.iter();
        changed().find(|change| change.object_id == self.system)?;
        changed()
            .find(|change| matches!(change.output_state, ObjectOut::PackageWrite { version, .. } if version > 1))
            .map(|change| change.object_id)
    }

    /// Takes in a package, if it is an upgrade, and every package whose types it still has.
    pub(crate) fn learn(&self, object: &Object) {
        let ObjectData::Package(package) = object.data() else {
            return;
        };
        let defining = package
            .type_origin_table
            .iter()
            .map(|defined| defined.package);
        let defining: BTreeSet<_> = defining.collect();
        // Only an upgrade has types that another package defined.
        if defining.contains(&self.origin) {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.extend(defining);
            known.insert(package.id);
        }
    }
}
