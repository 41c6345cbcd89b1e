//! Whatever parses runs to a result or a typed failure, within its limits.
//!
//! The input is a module, in practice a mutated one of the framework: it replaces its namesake, and
//! every function of it is called with zeroes. `SEEDS` must name a directory of real modules (the
//! corpus itself will do), which the mutated one is linked against.
#![no_main]

#[path = "../../tests/support/zeroes.rs"]
mod zeroes;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
};

use floe_move_vm::{
    Limits, Module, Package, PackageInfo, Session, StoredObject, TransactionContext, World,
};
use libfuzzer_sys::fuzz_target;
use sui_sdk_types::{Address, Digest};

static REAL: LazyLock<BTreeMap<Address, Vec<Arc<Module>>>> = LazyLock::new(|| {
    let directory = std::env::var("SEEDS").expect("SEEDS names a directory of modules");
    let mut packages: BTreeMap<Address, Vec<Arc<Module>>> = BTreeMap::new();
    for entry in std::fs::read_dir(directory).expect("SEEDS can be read") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        if let Ok(module) = Module::parse(&bytes) {
            let modules = packages.entry(*module.address()).or_default();
            if modules.iter().all(|known| known.name() != module.name()) {
                modules.push(Arc::new(module));
            }
        }
    }
    packages
});

struct Mutated(HashMap<Address, Arc<Package>>);

impl World for Mutated {
    fn package(&self, storage: &Address) -> Option<Arc<Package>> {
        self.0.get(storage).cloned()
    }

    fn child(&self, _: &Address, _: &Address) -> Option<StoredObject> {
        None
    }

    fn receive(&self, _: &Address, _: &Address, _: u64) -> Option<StoredObject> {
        None
    }
}

fn world(module: &Arc<Module>) -> Mutated {
    let mut packages = REAL.clone();
    let own = packages.entry(*module.address()).or_default();
    own.retain(|real| real.name() != module.name());
    own.push(module.clone());
    let package = |(id, modules)| {
        let info = PackageInfo {
            storage: id,
            original: id,
            version: 1,
            linkage: BTreeMap::new(),
            origins: BTreeMap::new(),
            modules,
        };
        (id, Arc::new(Package::new(info).expect("one module of each name")))
    };
    Mutated(packages.into_iter().map(package).collect())
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(module) = Module::parse(bytes) else {
        return;
    };
    let module = Arc::new(module);
    let world = world(&module);
    for (_, handle, _) in module.functions() {
        let limits = Limits {
            steps: 40_000,
            memory: 20_000,
            ..Limits::default()
        };
        let transaction = TransactionContext {
            digest: Digest::ZERO,
            sender: Address::TWO,
            sponsor: None,
            epoch: 1,
            epoch_timestamp_ms: 2,
            reference_gas_price: 3,
            gas_price: 4,
            gas_budget: 5,
        };
        let mut session = Session::new(&world, transaction, limits);
        let _ = zeroes::call_with_zeroes(&mut session, &module, &handle.name);
        let _ = session.finish();
    }
});
