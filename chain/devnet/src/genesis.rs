//! The first transaction of a chain: the framework, the system objects it creates for itself, and all SUI for the faucet.

use std::{collections::BTreeMap, sync::Arc};

use floe_move_vm::{Module, module::Visibility};
use sui_crypto::ed25519::Ed25519PrivateKey;
use sui_sdk_types::{
    Address, Argument, Command, Digest, ExecutionError, GenesisObject, GenesisTransaction,
    Identifier, Input, MoveCall, MovePackage, Object, ObjectData, Owner, ProgrammableTransaction,
    StructTag, Transaction, TransactionKind, TransferObjects, TypeOrigin, UpgradeInfo,
};

use crate::{
    execute::{Outcome, View, system},
    packages::{self, LoadError, Packages},
    store::{Genesis, SystemPackage},
    validators::Secret,
};

/// Why a chain cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// The framework is missing.
    #[error("package {0} is needed: build the Move packages first")]
    MissingPackage(Address),
    /// A package cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The framework's own functions failed.
    #[error("the framework cannot set up the chain: {0:?}")]
    Setup(Box<ExecutionError>),
}

/// The key that owns all SUI at the beginning.
pub(crate) fn faucet_key(secret: &Secret) -> Ed25519PrivateKey {
    Ed25519PrivateKey::new(secret.derive("faucet", 0))
}

/// The system packages as objects.
pub(crate) fn packages(genesis: &Genesis) -> Result<Vec<MovePackage>, GenesisError> {
    for required in [Address::from_static("0x1"), Address::TWO] {
        if !genesis
            .packages
            .iter()
            .any(|package| package.id == required)
        {
            return Err(GenesisError::MissingPackage(required));
        }
    }
    genesis
        .packages
        .iter()
        .map(|package| move_package(package).map_err(GenesisError::Load))
        .collect()
}

fn move_package(package: &SystemPackage) -> Result<MovePackage, LoadError> {
    let mut modules = BTreeMap::new();
    let mut type_origin_table = Vec::new();
    for code in &package.modules {
        let unnamed = Identifier::from_static("unreadable");
        let parsed = Module::parse(code).map_err(|source| LoadError::Module {
            package: package.id,
            name: unnamed,
            source,
        })?;
        type_origin_table.extend(parsed.datatypes().map(|(datatype, _)| TypeOrigin {
            module_name: parsed.name().clone(),
            struct_name: datatype.name.clone(),
            package: package.id,
        }));
        modules.insert(parsed.name().clone(), code.clone());
    }
    let link = |id: &Address| {
        (
            *id,
            UpgradeInfo {
                upgraded_id: *id,
                upgraded_version: 1,
            },
        )
    };
    let linkage_table = package.dependencies.iter().map(link).collect();
    Ok(MovePackage {
        id: package.id,
        version: 1,
        modules,
        type_origin_table,
        linkage_table,
    })
}

/// The genesis transaction and what it does. `view` must already know the packages.
pub(crate) fn execute(
    view: &View<'_>,
    secret: &Secret,
    packages: &[MovePackage],
) -> Result<(Transaction, Outcome), GenesisError> {
    // New ids are derived from this value, since the transaction that contains the new objects has no digest yet.
    let source = Digest::new(secret.derive("genesis", 0));
    let placeholder = system::of_system(TransactionKind::Genesis(GenesisTransaction {
        objects: Vec::new(),
    }));
    let faucet = faucet_key(secret).public_key().derive_address();
    let created = system::run(view, &placeholder, source, &calls(view.packages, faucet))
        .map_err(|error| GenesisError::Setup(Box::new(error)))?;

    let of_package =
        |package: &MovePackage| (ObjectData::Package(package.clone()), Owner::Immutable);
    let of_object = |object: &Arc<Object>| (object.data().clone(), *object.owner());
    let objects: Vec<_> = packages
        .iter()
        .map(of_package)
        .chain(created.outputs.iter().map(of_object))
        .collect();
    let listed = objects
        .iter()
        .map(|(data, owner)| GenesisObject::new(data.clone(), *owner))
        .collect();
    let transaction = system::of_system(TransactionKind::Genesis(GenesisTransaction {
        objects: listed,
    }));
    let outputs = objects
        .into_iter()
        .map(|(data, owner)| Arc::new(Object::new(data, owner, transaction.digest(), 0)))
        .collect();
    let outcome = system::created(view, transaction.digest(), outputs, created.events);
    Ok((transaction, outcome))
}

/// The framework's constructors of system objects, then all SUI in one coin.
fn calls(packages: &Packages, faucet: Address) -> ProgrammableTransaction {
    let mut commands: Vec<_> = constructors(packages)
        .into_iter()
        .map(|module| call(module, "create", vec![], vec![]))
        .collect();
    let next = |commands: &Vec<Command>| {
        Argument::Result(u16::try_from(commands.len()).unwrap_or(u16::MAX))
    };
    let sui = Identifier::from_static("sui");
    let supply = next(&commands);
    commands.push(call(sui, "new", vec![], vec![]));
    let coin = next(&commands);
    commands.push(call(
        Identifier::from_static("coin"),
        "from_balance",
        vec![StructTag::sui().into()],
        vec![supply],
    ));
    commands.push(Command::TransferObjects(TransferObjects {
        objects: vec![coin],
        address: Argument::Input(0),
    }));
    ProgrammableTransaction {
        inputs: vec![Input::Pure(faucet.as_bytes().to_vec())],
        commands,
    }
}

/// Modules of the framework with a private `create(&TxContext)`: each makes one system object.
fn constructors(packages: &Packages) -> Vec<Identifier> {
    let creates = |module: &Module| {
        module.functions().any(|(_, handle, function)| {
            let parameters = module.signature(handle.parameters).map_or(0, <[_]>::len);
            handle.name.as_str() == "create"
                && function.visibility == Visibility::Private
                && parameters == 1
        })
    };
    let framework = packages.get(&Address::TWO);
    let modules = framework
        .into_iter()
        .flat_map(|package| package.modules().values());
    modules
        .filter(|module| creates(module))
        .map(|module| module.name().clone())
        .collect()
}

fn call(
    module: Identifier,
    function: &'static str,
    type_arguments: Vec<sui_sdk_types::TypeTag>,
    arguments: Vec<Argument>,
) -> Command {
    Command::MoveCall(MoveCall {
        package: Address::TWO,
        module,
        function: Identifier::from_static(function),
        type_arguments,
        arguments,
    })
}

/// Registers the packages of a genesis so that they can run.
pub(crate) fn install(packages: &[MovePackage]) -> Result<Packages, GenesisError> {
    let mut installed = Packages::default();
    for package in packages {
        installed.insert(Arc::new(packages::load(package)?));
    }
    Ok(installed)
}
