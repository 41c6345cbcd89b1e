//! Publishing and upgrading packages: addresses, linkage, type origins, `init`, tickets and receipts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use floe_move_vm::{Argument as CallArgument, Module, Package, PackageInfo, Type, Value, relocate};
use sui_sdk_types::{
    Address, ExecutionError, Identifier, MovePackage, PackageUpgradeError, StructTag, TypeOrigin,
    Upgrade, UpgradeInfo,
};

use super::{
    commands::{Machine, Step},
    compatibility::{self, Policy},
    failure,
};
use crate::{limits, packages};

impl Machine<'_, '_, '_> {
    /// Publishes modules under a fresh id, runs their `init` functions and returns the upgrade capability.
    pub(super) fn publish(
        &mut self,
        modules: &[Vec<u8>],
        dependencies: &[Address],
    ) -> Step<Vec<(Type, Value)>> {
        let id = self.session.fresh_id().map_err(failure::error)?;
        let (parsed, code) = parse(modules, id)?;
        let linkage = self.link(&parsed, id, dependencies)?;
        let origins = origins(&parsed, &BTreeMap::new(), id);
        let initialisers = initialisers(&parsed)?;
        self.install(
            MovePackage {
                id,
                version: 1,
                modules: code,
                type_origin_table: origins,
                linkage_table: linkage,
            },
            id,
            parsed,
        )?;
        for (module, witness) in initialisers {
            self.run_init(id, &module, witness)?;
        }
        let capability = self.session.fresh_id().map_err(failure::error)?;
        let contents = bcs::to_bytes(&(capability, id, 1_u64, Policy::Compatible.number()))
            .map_err(|_| ExecutionError::InvariantViolation)?;
        self.framework_value("UpgradeCap", &contents)
            .map(|value| vec![value])
    }

    /// Publishes the next version of a package against a ticket and returns the receipt.
    pub(super) fn upgrade(&mut self, upgrade: &Upgrade) -> Step<Vec<(Type, Value)>> {
        let wrong = |kind| ExecutionError::PackageUpgradeError { kind };
        let ticket_type = self
            .session
            .type_of(&framework_type("UpgradeTicket").into())
            .map_err(failure::error)?;
        let ticket = self.by_value(0, upgrade.ticket, &ticket_type)?;
        let bytes = self.session.encode(&ticket).map_err(failure::error)?;
        let (capability, package, policy, digest): (Address, Address, u8, Vec<u8>) =
            bcs::from_bytes(&bytes).map_err(|_| ExecutionError::InvariantViolation)?;
        if package != upgrade.package {
            return Err(wrong(PackageUpgradeError::PackageIdDoesNotMatch {
                package_id: upgrade.package,
                ticket_id: package,
            }));
        }
        let actual = packages::digest(&upgrade.modules, &upgrade.dependencies);
        if digest != actual.as_bytes() {
            return Err(wrong(PackageUpgradeError::DigestDoesNotMatch {
                digest: actual,
            }));
        }
        let policy = Policy::from_number(policy)
            .ok_or_else(|| wrong(PackageUpgradeError::UnknownUpgradePolicy { policy }))?;
        let current = self.view.package(&package).ok_or_else(|| {
            wrong(PackageUpgradeError::UnableToFetchPackage {
                package_id: package,
            })
        })?;
        let stored = self
            .view
            .move_package(&package)
            .ok_or_else(|| wrong(PackageUpgradeError::NotAPackage { object_id: package }))?;

        let id = self.session.fresh_id().map_err(failure::error)?;
        let (parsed, code) = parse(&upgrade.modules, current.original())?;
        if !compatibility::check(&current, &parsed, policy) {
            return Err(wrong(PackageUpgradeError::IncompatibleUpgrade));
        }
        let known = stored.type_origin_table.iter().map(|origin| {
            (
                (origin.module_name.clone(), origin.struct_name.clone()),
                origin.package,
            )
        });
        let origins = origins(&parsed, &known.collect(), id);
        let linkage = self.link(&parsed, current.original(), &upgrade.dependencies)?;
        let package = MovePackage {
            id,
            version: current.version() + 1,
            modules: code,
            type_origin_table: origins,
            linkage_table: linkage,
        };
        self.install(package, current.original(), parsed)?;
        let contents =
            bcs::to_bytes(&(capability, id)).map_err(|_| ExecutionError::InvariantViolation)?;
        self.framework_value("UpgradeReceipt", &contents)
            .map(|value| vec![value])
    }

    fn framework_value(&mut self, name: &'static str, contents: &[u8]) -> Step<(Type, Value)> {
        let type_ = self
            .session
            .type_of(&framework_type(name).into())
            .map_err(failure::error)?;
        let value = self
            .session
            .decode(&type_, contents)
            .map_err(failure::error)?;
        Ok((type_, value))
    }

    /// The table from original to storage id for every dependency; all of them must be named, none older than another one needs.
    fn link(
        &self,
        modules: &[Arc<Module>],
        own: Address,
        dependencies: &[Address],
    ) -> Step<BTreeMap<Address, UpgradeInfo>> {
        let mut table = BTreeMap::new();
        let mut packages = Vec::new();
        for id in dependencies {
            let package = self.dependency(id)?;
            table.insert(
                package.original(),
                UpgradeInfo {
                    upgraded_id: *id,
                    upgraded_version: package.version(),
                },
            );
            packages.push(package);
        }
        if table.len() != dependencies.len() {
            return Err(ExecutionError::InvalidLinkage);
        }
        let needed: BTreeSet<Address> = modules
            .iter()
            .flat_map(|module| module.dependencies())
            .filter(|id| *id != own)
            .collect();
        if needed.iter().any(|original| !table.contains_key(original)) {
            return Err(ExecutionError::PublishUpgradeMissingDependency);
        }
        for package in packages {
            for (original, storage) in package.linkage() {
                let wanted = self.dependency(storage)?;
                match table.get(original) {
                    None => return Err(ExecutionError::PublishUpgradeMissingDependency),
                    Some(given) if given.upgraded_version < wanted.version() => {
                        return Err(ExecutionError::PublishUpgradeDependencyDowngrade);
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(table)
    }

    fn dependency(&self, id: &Address) -> Step<Arc<Package>> {
        let new = self
            .published
            .iter()
            .find(|(package, _)| package.id == *id)
            .map(|(_, package)| package.clone());
        new.or_else(|| self.view.package(id))
            .ok_or(ExecutionError::PublishUpgradeMissingDependency)
    }

    fn install(
        &mut self,
        package: MovePackage,
        original: Address,
        modules: Vec<Arc<Module>>,
    ) -> Step<()> {
        let size: usize = package
            .modules
            .iter()
            .map(|(name, code)| name.as_str().len() + code.len())
            .sum();
        if size > limits::PACKAGE_BYTES {
            let bytes = |number| u64::try_from(number).unwrap_or(u64::MAX);
            return Err(ExecutionError::PackageTooBig {
                object_size: bytes(size),
                max_object_size: bytes(limits::PACKAGE_BYTES),
            });
        }
        // Parsing and linking cost something, too: a step for every byte.
        let steps = u64::try_from(size).unwrap_or(u64::MAX);
        self.session.charge(steps).map_err(failure::error)?;
        let runnable = Package::new(PackageInfo {
            storage: package.id,
            original,
            version: package.version,
            linkage: package
                .linkage_table
                .iter()
                .map(|(original, info)| (*original, info.upgraded_id))
                .collect(),
            origins: packages::origins(&package),
            modules,
        });
        let runnable =
            Arc::new(runnable.map_err(|_| ExecutionError::VmVerificationOrDeserializationError)?);
        self.session.publish(runnable.clone());
        self.published.push((package, runnable));
        Ok(())
    }

    fn run_init(
        &mut self,
        package: Address,
        module: &Identifier,
        witness: Option<Identifier>,
    ) -> Step<()> {
        let mut arguments = Vec::new();
        if let Some(name) = witness {
            let tag = StructTag::new(package, module.clone(), name, vec![]);
            let type_ = self.session.type_of(&tag.into()).map_err(failure::error)?;
            // A struct without fields is one byte: `false`.
            let value = self.session.decode(&type_, &[0]).map_err(failure::error)?;
            arguments.push(CallArgument::Value(value));
        }
        arguments.push(self.context()?);
        let outcome = self.session.call(&package, module, &INIT, &[], arguments);
        self.attribute_events(package, module);
        outcome.map(drop).map_err(failure::error)
    }
}

/// Name of the function that runs once, when its module is published.
const INIT: Identifier = Identifier::from_static("init");

/// `0x2::package::name`
fn framework_type(name: &'static str) -> StructTag {
    StructTag::new(
        Address::TWO,
        Identifier::from_static("package"),
        Identifier::from_static(name),
        vec![],
    )
}

/// Modules ready to run, and their code by name.
type Parsed = (Vec<Arc<Module>>, BTreeMap<Identifier, Vec<u8>>);

/// Parses modules that were compiled for address 0, after moving them to `address`.
fn parse(modules: &[Vec<u8>], address: Address) -> Step<Parsed> {
    let mut parsed = Vec::with_capacity(modules.len());
    let mut code = BTreeMap::new();
    for bytes in modules {
        let broken = |_| ExecutionError::VmVerificationOrDeserializationError;
        if *Module::parse(bytes).map_err(broken)?.address() != Address::ZERO {
            return Err(ExecutionError::PublishErrorNonZeroAddress);
        }
        let mut bytes = bytes.clone();
        relocate(&mut bytes, &Address::ZERO, &address).map_err(broken)?;
        let module = Module::parse(&bytes).map_err(broken)?;
        if code.insert(module.name().clone(), bytes).is_some() {
            return Err(ExecutionError::VmVerificationOrDeserializationError);
        }
        parsed.push(Arc::new(module));
    }
    Ok((parsed, code))
}

/// Which package version introduced each datatype: as `known`, else this one.
fn origins(
    modules: &[Arc<Module>],
    known: &BTreeMap<(Identifier, Identifier), Address>,
    id: Address,
) -> Vec<TypeOrigin> {
    let all = modules.iter().flat_map(|module| {
        module
            .datatypes()
            .map(move |(datatype, _)| (module.name().clone(), datatype.name.clone()))
    });
    all.map(|path| {
        let package = known.get(&path).copied().unwrap_or(id);
        TypeOrigin {
            module_name: path.0,
            struct_name: path.1,
            package,
        }
    })
    .collect()
}

/// Modules with an `init` function, in order, each with its one-time witness if `init` takes one.
fn initialisers(modules: &[Arc<Module>]) -> Step<Vec<(Identifier, Option<Identifier>)>> {
    let mut found = Vec::new();
    for module in modules {
        let init = module
            .function_named(&INIT)
            .and_then(|index| module.function(index));
        let Some(init) = init.and_then(|function| module.function_handle(function.handle)) else {
            continue;
        };
        let witness = match module.signature(init.parameters).map_or(0, <[_]>::len) {
            1 => None,
            2 => Some(
                Identifier::new(module.name().as_str().to_uppercase())
                    .map_err(|_| ExecutionError::SuiMoveVerificationError)?,
            ),
            _ => return Err(ExecutionError::SuiMoveVerificationError),
        };
        found.push((module.name().clone(), witness));
    }
    Ok(found)
}
