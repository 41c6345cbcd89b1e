//! Puts the contract on a chain: publishes its packages and creates its one system.
//!
//! What to publish and with which settings is the caller's; afterwards nobody holds a special right.

use std::collections::BTreeMap;
use std::sync::Arc;

use floe_codec::ShardCount;
use sui_sdk_types::{Identifier, Object, ObjectChange, Owner, StructTag, TypeTag};
use sui_transaction_builder::{Function, ObjectInput, TransactionBuilder};

use super::assemble::{CLOCK, COIN_REGISTRY};
use super::contract::{object_id, sui_address};
use super::endpoints::{ClientSettings, Endpoints};
use super::error::ChainError;
use super::fetch;
use super::state::Params;
use super::submit::{Parts, Recipe, Submitter};
use super::trust::Trust;
use super::wallet::Wallet;
use crate::id::{Address, ChainId, ObjectId, SystemId};
use crate::light::{Executed, TrustAnchor};

/// A compiled package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Bytecode of its modules, in dependency order.
    pub modules: Vec<Vec<u8>>,
    /// Packages it depends on, all of them.
    pub dependencies: Vec<ObjectId>,
}

impl Package {
    /// Names a published package where the compiler put a placeholder: an address that ends in the
    /// package's name in ASCII.
    ///
    /// # Errors
    /// No dependency has that placeholder.
    pub fn link(&mut self, name: &str, published: ObjectId) -> Result<(), ChainError> {
        let placeholder = placeholder(name);
        let named = self.dependencies.iter_mut().find(|id| **id == placeholder);
        *named.ok_or_else(|| ChainError::Build {
            reason: format!("the package does not depend on `{name}`"),
        })? = published;
        for module in &mut self.modules {
            // The address stands once in a module's address table. Thirty-two bytes that are zero
            // up to the name occur nowhere else in compiled code.
            let (from, to) = (placeholder.as_bytes(), published.as_bytes());
            if let Some(at) = module
                .windows(ObjectId::LEN)
                .position(|window| window == from)
            {
                module[at..at + ObjectId::LEN].copy_from_slice(to);
            }
        }
        Ok(())
    }
}

fn placeholder(name: &str) -> ObjectId {
    let mut bytes = [0; ObjectId::LEN];
    for (byte, letter) in bytes.iter_mut().rev().zip(name.bytes().rev()) {
        *byte = letter;
    }
    ObjectId::from_bytes(bytes)
}

/// A package on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where it is.
    pub package: ObjectId,
    /// What its initializers created, by type (`module::Name`, without package or arguments).
    created: BTreeMap<String, ObjectId>,
}

impl Published {
    /// An object that its initializers created.
    ///
    /// # Errors
    /// There is none of that type.
    pub fn created(&self, of: &str) -> Result<ObjectId, ChainError> {
        self.created
            .get(of)
            .copied()
            .ok_or_else(|| ChainError::NotFound {
                what: "object created by the package",
                id: of.to_owned(),
            })
    }
}

/// What a system is created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenesisSettings {
    /// The number of shards, for ever.
    pub shards: ShardCount,
    /// Epochs that can be paid ahead, the running one included, for ever.
    pub horizon: u32,
    /// Length of epoch 0, which has no committee, in milliseconds.
    pub epoch_zero_ms: u64,
    /// What governance may change later.
    pub params: Params,
}

/// An account that deploys.
pub struct Publisher {
    endpoints: Arc<Endpoints>,
    submitter: Submitter,
    chain: ChainId,
}

impl Publisher {
    /// Connects to a chain.
    ///
    /// # Errors
    /// An address or the anchor is malformed.
    pub fn new(
        urls: &[String],
        chain: ChainId,
        anchor: Option<&str>,
        wallet: Wallet,
    ) -> Result<Self, ChainError> {
        let endpoints = Arc::new(Endpoints::new(urls, chain, ClientSettings::default())?);
        let anchor = anchor.map(TrustAnchor::from_hex).transpose()?;
        let trust = Arc::new(Trust::new(Arc::clone(&endpoints), anchor)?);
        let submitter = Submitter::new(Arc::clone(&endpoints), trust, wallet, None);
        Ok(Self {
            endpoints,
            submitter,
            chain,
        })
    }

    /// The account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.submitter.address()
    }

    /// Publishes a package; the right to upgrade it goes to the account.
    ///
    /// # Errors
    /// The chain does not accept it.
    pub async fn publish(&self, package: &Package) -> Result<Published, ChainError> {
        let executed = self.submitter.submit(package).await?;
        let objects = self.created(&executed).await?;
        let is_package = |object: &&Object| object.as_struct().is_none();
        let package = objects
            .iter()
            .find(is_package)
            .map(|object| object_id(object.object_id()));
        let package = package.ok_or_else(|| ChainError::NotFound {
            what: "package",
            id: "published".to_owned(),
        })?;
        let typed = objects.iter().filter_map(|object| {
            let tag = object.as_struct()?.object_type();
            let name = format!("{}::{}", tag.module(), tag.name());
            Some((name, object_id(object.object_id())))
        });
        Ok(Published {
            package,
            created: typed.collect(),
        })
    }

    /// Makes the WAL currency known to the chain's registry, so that WAL can be burned.
    ///
    /// # Errors
    /// The package is not WAL, or somebody did it before.
    pub async fn register_currency(&self, wal: &Published) -> Result<(), ChainError> {
        let currency = wal.created("coin_registry::Currency")?;
        self.submitter
            .submit(&RegisterCurrency {
                currency,
                wal: wal.package,
            })
            .await
            .map(drop)
    }

    /// Creates the system of a published contract and gives it to everybody.
    ///
    /// # Errors
    /// The contract refuses the settings, or its system exists.
    pub async fn initialize(
        &self,
        floe: &Published,
        settings: &GenesisSettings,
    ) -> Result<SystemId, ChainError> {
        let recipe = Initialize {
            package: floe.package,
            init_cap: floe.created("epoch::InitCap")?,
            upgrade_cap: floe.created("package::UpgradeCap")?,
            chain: self.chain,
            settings: *settings,
        };
        let executed = self.submitter.submit(&recipe).await?;
        let objects = self.created(&executed).await?;
        let system = objects.iter().find(|object| {
            let tag = object.as_struct().map(|s| s.object_type());
            tag.is_some_and(|tag| tag.module() == "system" && tag.name() == "System")
                && matches!(object.owner(), Owner::Shared(_))
        });
        let missing = || ChainError::NotFound {
            what: "System object",
            id: "created".to_owned(),
        };
        let system = system.ok_or_else(missing)?;
        Ok(SystemId::from_bytes(system.object_id().into_inner()))
    }

    async fn created(&self, executed: &Executed) -> Result<Vec<Object>, ChainError> {
        let effects = executed.effects().object_changes();
        let ids: Vec<_> = effects
            .filter_map(|change| match change {
                ObjectChange::Created { object_id, .. } => Some(*object_id),
                _ => None,
            })
            .collect();
        let ask = |source| {
            let ids = ids.clone();
            async move { fetch::objects(&source, ids).await }
        };
        let objects = self.endpoints.ask("created objects", ask).await?;
        Ok(objects.into_values().collect())
    }
}

impl Recipe for Package {
    fn objects(&self) -> Vec<ObjectId> {
        Vec::new()
    }

    fn write(&self, parts: &Parts, tx: &mut TransactionBuilder) -> Result<(), ChainError> {
        let dependencies = self.dependencies.iter().copied().map(sui_address).collect();
        let upgrade_cap = tx.publish(self.modules.clone(), dependencies);
        let to = tx.pure(&parts.sender());
        tx.transfer_objects(vec![upgrade_cap], to);
        Ok(())
    }
}

struct RegisterCurrency {
    currency: ObjectId,
    wal: ObjectId,
}

impl Recipe for RegisterCurrency {
    fn objects(&self) -> Vec<ObjectId> {
        vec![self.currency, COIN_REGISTRY]
    }

    fn write(&self, parts: &Parts, tx: &mut TransactionBuilder) -> Result<(), ChainError> {
        let coin = StructTag::new(
            sui_address(self.wal),
            Identifier::from_static("wal"),
            Identifier::from_static("WAL"),
            Vec::new(),
        );
        let function = Function::new(
            sui_sdk_types::Address::TWO,
            Identifier::from_static("coin_registry"),
            Identifier::from_static("finalize_registration"),
        );
        let function = function.with_type_args(vec![TypeTag::Struct(Box::new(coin))]);
        let registry = tx.object(ObjectInput::from(parts.get(COIN_REGISTRY)?).with_mutable(true));
        let currency = parts.get(self.currency)?;
        let (id, version) = (currency.object_id(), currency.version());
        let currency = tx.object(ObjectInput::receiving(id, version, currency.digest()));
        tx.move_call(function, vec![registry, currency]);
        Ok(())
    }
}

struct Initialize {
    package: ObjectId,
    init_cap: ObjectId,
    upgrade_cap: ObjectId,
    chain: ChainId,
    settings: GenesisSettings,
}

impl Recipe for Initialize {
    fn objects(&self) -> Vec<ObjectId> {
        vec![self.init_cap, self.upgrade_cap, CLOCK]
    }

    fn write(&self, parts: &Parts, tx: &mut TransactionBuilder) -> Result<(), ChainError> {
        let function = |module, name| {
            let (module, name) = (
                Identifier::from_static(module),
                Identifier::from_static(name),
            );
            Function::new(sui_address(self.package), module, name)
        };
        let Params {
            epoch_ms,
            select_bps,
            burn_bps,
            cap_bps,
            max_nodes,
            min_stake,
        } = self.settings.params;
        let args = vec![
            tx.pure(&epoch_ms),
            tx.pure(&select_bps),
            tx.pure(&burn_bps),
            tx.pure(&cap_bps),
            tx.pure(&max_nodes),
            tx.pure(&min_stake),
        ];
        let params = tx.move_call(function("params", "new"), args);
        let args = vec![
            tx.object(ObjectInput::from(parts.get(self.init_cap)?)),
            tx.object(ObjectInput::from(parts.get(self.upgrade_cap)?)),
            tx.pure(&self.chain.as_bytes().to_vec()),
            tx.pure(&self.settings.shards),
            tx.pure(&self.settings.horizon),
            tx.pure(&self.settings.epoch_zero_ms),
            params,
            tx.object(ObjectInput::from(parts.get(CLOCK)?).with_mutable(false)),
        ];
        tx.move_call(function("epoch", "initialize"), args);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_once_in_each_module() {
        let wal = placeholder("wal");
        assert_eq!(wal.to_string(), format!("0x{:0>64}", "77616c"));
        let module = [b"magic".as_slice(), wal.as_bytes(), b"code"].concat();
        let mut package = Package {
            modules: vec![module, b"other".to_vec()],
            dependencies: vec![ObjectId::from_bytes([2; 32]), wal],
        };
        let published = ObjectId::from_bytes([9; 32]);
        package.link("wal", published).unwrap();
        assert_eq!(
            package.modules[0],
            [b"magic".as_slice(), &[9; 32], b"code"].concat()
        );
        assert_eq!(package.modules[1], b"other");
        assert_eq!(package.dependencies[1], published);
        assert!(package.link("wal", published).is_err());
    }
}
