//! Packages ready to run: the parsed form of every package object, kept beside the objects.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use floe_move_vm::{Module, Package, PackageError, PackageInfo, ParseError};
use sui_sdk_types::{Address, Digest, Identifier, MovePackage, hash::Hasher};

/// Why stored modules cannot run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A module does not parse.
    #[error("module {name} of package {package}: {source}")]
    Module {
        /// Package.
        package: Address,
        /// Module.
        name: Identifier,
        /// What the parser said.
        source: ParseError,
    },
    /// The modules do not belong together.
    #[error("package {package}: {source}")]
    Package {
        /// Package.
        package: Address,
        /// What is wrong.
        source: Box<PackageError>,
    },
}

/// All packages of the chain by storage id, and the versions of each.
#[derive(Default)]
pub(crate) struct Packages {
    by_id: HashMap<Address, Arc<Package>>,
    versions: HashMap<Address, BTreeMap<u64, Address>>,
}

impl Packages {
    /// A package by storage id.
    pub(crate) fn get(&self, id: &Address) -> Option<&Arc<Package>> {
        self.by_id.get(id)
    }

    /// Storage ids of all versions of the package first published at `original`, by version.
    pub(crate) fn versions(&self, original: &Address) -> impl Iterator<Item = (u64, Address)> {
        let versions = self.versions.get(original).into_iter().flatten();
        versions.map(|(version, id)| (*version, *id))
    }

    /// Adds a package.
    pub(crate) fn insert(&mut self, package: Arc<Package>) {
        let versions = self.versions.entry(package.original()).or_default();
        versions.insert(package.version(), package.storage());
        self.by_id.insert(package.storage(), package);
    }
}

/// Parses a package whose modules already carry its own address.
pub(crate) fn load(package: &MovePackage) -> Result<Package, LoadError> {
    let mut modules = Vec::with_capacity(package.modules.len());
    for (name, code) in &package.modules {
        let wrong = |source| LoadError::Module {
            package: package.id,
            name: name.clone(),
            source,
        };
        modules.push(Arc::new(Module::parse(code).map_err(wrong)?));
    }
    let info = PackageInfo {
        storage: package.id,
        original: modules
            .first()
            .map_or(package.id, |module| *module.address()),
        version: package.version,
        linkage: package
            .linkage_table
            .iter()
            .map(|(original, info)| (*original, info.upgraded_id))
            .collect(),
        origins: origins(package),
        modules,
    };
    Package::new(info).map_err(|source| LoadError::Package {
        package: package.id,
        source: Box::new(source),
    })
}

/// The version that introduced each datatype.
pub(crate) fn origins(package: &MovePackage) -> BTreeMap<(Identifier, Identifier), Address> {
    let origin = |origin: &sui_sdk_types::TypeOrigin| {
        (
            (origin.module_name.clone(), origin.struct_name.clone()),
            origin.package,
        )
    };
    package.type_origin_table.iter().map(origin).collect()
}

/// Digest of a package's modules and dependencies, as upgrade tickets and the Move compiler compute it:
/// BLAKE2b-256 over the sorted sequence of BLAKE2b-256(module) and dependency ids.
pub(crate) fn digest(modules: &[Vec<u8>], dependencies: &[Address]) -> Digest {
    let modules = modules
        .iter()
        .map(|module| Hasher::digest(module).into_inner());
    let mut parts: Vec<[u8; 32]> = modules
        .chain(dependencies.iter().map(|id| id.into_inner()))
        .collect();
    parts.sort_unstable();
    let mut hasher = Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}
