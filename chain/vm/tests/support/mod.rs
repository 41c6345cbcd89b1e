//! Bytecode built by `chain/move/build.sh` and a world to run it in.
#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise; each uses its part"
)]

pub mod judge;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use floe_move_vm::{
    Limits, Module, Package, Session, StoredObject, TransactionContext, World, relocate,
};
use sui_sdk_types::{Address, Digest, Identifier};

/// The modules of `target/move/<name>.json`.
pub fn bytecode(name: &str) -> Vec<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/move")
        .join(format!("{name}.json"));
    #[expect(clippy::disallowed_methods, reason = "tests read what the build wrote")]
    let text = std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}\nrun: chain/move/build.sh && chain/move/build.sh chain/vm/tests/move/*",
            path.display()
        )
    });
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    json["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| {
            data_encoding::BASE64
                .decode(module.as_str().unwrap().as_bytes())
                .unwrap()
        })
        .collect()
}

/// The framework's two packages, 0x1 and 0x2.
pub fn framework() -> Vec<Arc<Package>> {
    let mut packages: BTreeMap<Address, Vec<Module>> = BTreeMap::new();
    for bytes in bytecode("framework") {
        let module = Module::parse(&bytes).unwrap();
        packages.entry(*module.address()).or_default().push(module);
    }
    packages
        .into_iter()
        .map(|(id, modules)| Arc::new(Package::first(id, modules).unwrap()))
        .collect()
}

/// A package published at `id`.
pub fn package(name: &str, id: Address) -> Arc<Package> {
    let modules = bytecode(name)
        .into_iter()
        .map(|mut bytes| {
            relocate(&mut bytes, &Address::ZERO, &id).unwrap();
            Module::parse(&bytes).unwrap()
        })
        .collect();
    Arc::new(Package::first(id, modules).unwrap())
}

/// Packages and dynamic fields in memory.
#[derive(Clone, Default)]
pub struct MemoryWorld {
    pub packages: HashMap<Address, Arc<Package>>,
    pub children: HashMap<Address, (Address, StoredObject)>,
}

impl MemoryWorld {
    pub fn with(packages: impl IntoIterator<Item = Arc<Package>>) -> Self {
        Self {
            packages: packages
                .into_iter()
                .map(|package| (package.storage(), package))
                .collect(),
            children: HashMap::new(),
        }
    }
}

impl World for MemoryWorld {
    fn package(&self, storage: &Address) -> Option<Arc<Package>> {
        self.packages.get(storage).cloned()
    }

    fn child(&self, parent: &Address, id: &Address) -> Option<StoredObject> {
        let (owner, object) = self.children.get(id)?;
        (owner == parent).then(|| object.clone())
    }

    fn receive(&self, owner: &Address, id: &Address, _: u64) -> Option<StoredObject> {
        self.child(owner, id)
    }
}

pub fn transaction(sender: Address, digest: Digest) -> TransactionContext {
    TransactionContext {
        digest,
        sender,
        sponsor: None,
        epoch: 0,
        epoch_timestamp_ms: 0,
        reference_gas_price: 1_000,
        gas_price: 1_000,
        gas_budget: 1_000_000_000,
    }
}

pub fn session(world: &MemoryWorld) -> Session<'_> {
    let sender = Address::from_static("0xa11ce");
    Session::new(world, transaction(sender, Digest::ZERO), Limits::default())
}

pub fn name(text: &str) -> Identifier {
    Identifier::new(text).unwrap()
}
