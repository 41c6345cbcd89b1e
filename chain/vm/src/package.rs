//! Packages and the world a session reads from. Who stores them is the caller's business.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sui_sdk_types::{Address, Identifier, StructTag};

use crate::module::Module;

/// One published version of a package, with everything needed to link its code.
///
/// An upgrade lives at a new storage id, while its bytecode keeps naming the package by its
/// original id; the two tables lead from one to the other.
#[derive(Debug)]
pub struct Package {
    storage: Address,
    original: Address,
    version: u64,
    modules: BTreeMap<Identifier, Arc<Module>>,
    linkage: BTreeMap<Address, Address>,
    origins: BTreeMap<(Identifier, Identifier), Address>,
}

/// The parts of a [`Package`].
#[derive(Debug)]
pub struct PackageInfo {
    /// Where this version is stored.
    pub storage: Address,
    /// Where the first version is stored: the self address of its modules.
    pub original: Address,
    /// 1 for the first version.
    pub version: u64,
    /// Original id to storage id of every dependency, indirect ones included.
    pub linkage: BTreeMap<Address, Address>,
    /// The version that introduced each (module, datatype). A datatype that is missing here counts
    /// as introduced by this version.
    pub origins: BTreeMap<(Identifier, Identifier), Address>,
    /// Its modules.
    pub modules: Vec<Arc<Module>>,
}

/// Why modules do not form a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// A module that carries another self address than the package's original id.
    #[error("module {module} has address {address}, the package is {original}")]
    Address {
        /// The module.
        module: Identifier,
        /// Its self address.
        address: Address,
        /// The package's original id.
        original: Address,
    },
    /// Two modules of one name.
    #[error("two modules named {0}")]
    Duplicate(Identifier),
}

impl Package {
    /// A package of these parts.
    pub fn new(info: PackageInfo) -> Result<Self, PackageError> {
        let mut modules = BTreeMap::new();
        for module in info.modules {
            let name = module.name().clone();
            if *module.address() != info.original {
                return Err(PackageError::Address {
                    module: name,
                    address: *module.address(),
                    original: info.original,
                });
            }
            if modules.insert(name.clone(), module).is_some() {
                return Err(PackageError::Duplicate(name));
            }
        }
        Ok(Self {
            storage: info.storage,
            original: info.original,
            version: info.version,
            modules,
            linkage: info.linkage,
            origins: info.origins,
        })
    }

    /// The first version of a package whose dependencies are first versions too.
    pub fn first(id: Address, modules: Vec<Module>) -> Result<Self, PackageError> {
        let dependencies: BTreeSet<Address> =
            modules.iter().flat_map(Module::dependencies).collect();
        Self::new(PackageInfo {
            storage: id,
            original: id,
            version: 1,
            linkage: dependencies.into_iter().map(|id| (id, id)).collect(),
            origins: BTreeMap::new(),
            modules: modules.into_iter().map(Arc::new).collect(),
        })
    }

    /// Where this version is stored.
    pub fn storage(&self) -> Address {
        self.storage
    }

    /// Where the first version is stored.
    pub fn original(&self) -> Address {
        self.original
    }

    /// 1 for the first version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All modules by name.
    pub fn modules(&self) -> &BTreeMap<Identifier, Arc<Module>> {
        &self.modules
    }

    /// The module of this name.
    pub fn module(&self, name: &str) -> Option<&Arc<Module>> {
        // Identifiers order as their text does; `BTreeMap` cannot look one up by `str`.
        let name = Identifier::new(name).ok()?;
        self.modules.get(&name)
    }

    /// The storage id that this version's code uses for a package. Itself maps to itself; a
    /// package the table does not name, to its first version.
    pub fn link(&self, original: &Address) -> Address {
        if *original == self.original {
            self.storage
        } else {
            self.linkage.get(original).copied().unwrap_or(*original)
        }
    }

    /// Original id to storage id of every dependency.
    pub fn linkage(&self) -> &BTreeMap<Address, Address> {
        &self.linkage
    }

    /// The storage id of the version that introduced a datatype.
    pub fn origin(&self, module: &Identifier, datatype: &Identifier) -> Address {
        self.origins
            .get(&(module.clone(), datatype.clone()))
            .copied()
            .unwrap_or(self.storage)
    }
}

/// An object as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Its version.
    pub version: u64,
    /// Its type, by defining ids.
    pub tag: StructTag,
    /// Its BCS bytes.
    pub contents: Vec<u8>,
}

/// What a session may read. Answers must not change while a session lives.
pub trait World {
    /// The package stored at this id.
    fn package(&self, storage: &Address) -> Option<Arc<Package>>;

    /// The object `id`, if `parent` owns it (a dynamic field).
    fn child(&self, parent: &Address, id: &Address) -> Option<StoredObject>;

    /// The object `id` at `version`, if it was sent to the object `owner` and may be received in
    /// this transaction.
    fn receive(&self, owner: &Address, id: &Address, version: u64) -> Option<StoredObject>;
}
