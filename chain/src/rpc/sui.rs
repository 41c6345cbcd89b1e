//! The chain over Sui's gRPC: the same code for the main network and a local devnet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::BoxStream;
use sui_sdk_types::{Address as SuiAddress, Object, ObjectChange, StructTag, TypeTag};

use super::assemble::Operations;
use super::contract::{self, field_id, object_id, struct_tag, sui_address};
use super::endpoints::{ClientSettings, Endpoints};
use super::error::ChainError;
use super::follow::Follower;
use super::operation::{ObjectKind, Operation, Receipt};
use super::packages::Packages;
use super::state::{Balance, EpochState, Node, NodeCap, Stake, StorageResource, SystemState};
use super::submit::Submitter;
use super::tail::tail;
use super::trust::Trust;
use super::wallet::Wallet;
use super::worth::StakeWorth;
use super::{ChainEvents, ChainRead, ChainWrite, CheckpointEvents, NetworkConfig, fetch};
use crate::amount::{Sui, Wal};
use crate::blob::Registration;
use crate::committee::Committee;
use crate::epoch::Epoch;
use crate::event::{ChainEvent, EventCursor};
use crate::id::{Address, NetworkId, NodeId, ObjectId, TransactionDigest};
use crate::light::{Executed, TrustAnchor, epoch_committee_id};

/// Committees kept: the running one, its neighbours, and some that old certificates need.
const MAX_COMMITTEES: usize = 16;

/// A deployment on a Sui chain. Clones share connections and what was proved.
#[derive(Clone)]
pub struct SuiChain {
    shared: Arc<Shared>,
}

struct Shared {
    endpoints: Arc<Endpoints>,
    trust: Arc<Trust>,
    packages: Arc<Packages>,
    /// As the system object said at the start; only `package` can change.
    system: SystemState,
    wal: TypeTag,
    committees: Mutex<BTreeMap<Epoch, Committee>>,
}

/// An account on a Sui chain.
#[derive(Clone)]
pub struct SuiAccount {
    chain: SuiChain,
    submitter: Arc<Submitter>,
}

impl std::fmt::Debug for SuiChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SuiChain({}, {:?})",
            self.shared.system.network.system, self.shared.endpoints
        )
    }
}

impl std::fmt::Debug for SuiAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SuiAccount({}, {:?})",
            self.submitter.address(),
            self.chain
        )
    }
}

impl SuiChain {
    /// Connects to the network and reads its system object.
    ///
    /// # Errors
    /// No endpoint answers, they serve another chain, the object is not a system of that chain, or
    /// the trust anchor is malformed.
    pub async fn connect(config: &NetworkConfig) -> Result<Self, ChainError> {
        Self::connect_with(config, ClientSettings::default()).await
    }

    /// As [`connect`](Self::connect), with other patience.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(
        config: &NetworkConfig,
        settings: ClientSettings,
    ) -> Result<Self, ChainError> {
        let endpoints = Arc::new(Endpoints::new(&config.urls, config.chain_id, settings)?);
        let anchor = config
            .trust_anchor
            .as_deref()
            .map(TrustAnchor::from_hex)
            .transpose()?;
        let trust = Arc::new(Trust::new(Arc::clone(&endpoints), anchor)?);
        let id: ObjectId = config.system_object.into();
        let wrong = |reason: String| ChainError::WrongSystem { object: id, reason };
        let ask = |source| async move { fetch::object(&source, sui_address(id), None).await };
        let object = endpoints.ask("the system object", ask).await?;
        let object = object.ok_or_else(|| wrong("it does not exist".to_owned()))?;
        let system = contract::system(&object).map_err(|error| match error {
            ChainError::Malformed { reason, .. } => wrong(reason),
            error => error,
        })?;
        if system.network.chain != config.chain_id {
            let chain = system.network.chain;
            return Err(wrong(format!("it was made for chain {chain}")));
        }
        let wal = system
            .wal_type
            .parse()
            .map_err(|error| wrong(format!("WAL type: {error}")))?;
        let packages = Packages::new(sui_address(system.origin), sui_address(id));
        let committees = Mutex::default();
        let chain = Self {
            shared: Arc::new(Shared {
                endpoints,
                trust,
                packages: Arc::new(packages),
                system,
                wal,
                committees,
            }),
        };
        chain.learn(chain.shared.system.package).await?;
        Ok(chain)
    }

    /// Makes sure that the newest package is known, and those before it.
    async fn learn(&self, newest: ObjectId) -> Result<(), ChainError> {
        let packages = &self.shared.packages;
        if !packages.contain(&sui_address(newest)) {
            let missing = || ChainError::NotFound {
                what: "package",
                id: newest.to_string(),
            };
            packages.learn(&self.object(newest).await?.ok_or_else(missing)?);
        }
        Ok(())
    }

    /// Acts in the name of an account.
    #[must_use]
    pub fn account(&self, wallet: Wallet) -> SuiAccount {
        let (endpoints, trust, packages) = self.parts();
        let submitter = Submitter::new(endpoints, trust, wallet, Some(packages));
        SuiAccount {
            chain: self.clone(),
            submitter: Arc::new(submitter),
        }
    }

    /// Events from a checkpoint on, as a server chooses to show them: for tools, not for nodes.
    #[must_use]
    pub fn tail(
        &self,
        checkpoint: u64,
    ) -> BoxStream<'static, Result<(EventCursor, ChainEvent), ChainError>> {
        let Shared {
            endpoints,
            packages,
            ..
        } = &*self.shared;
        tail(&endpoints.client(), packages.origin(), checkpoint)
    }

    pub(super) fn endpoints(&self) -> &Endpoints {
        &self.shared.endpoints
    }

    fn parts(&self) -> (Arc<Endpoints>, Arc<Trust>, Arc<Packages>) {
        let Shared {
            endpoints,
            trust,
            packages,
            ..
        } = &*self.shared;
        (
            Arc::clone(endpoints),
            Arc::clone(trust),
            Arc::clone(packages),
        )
    }

    async fn object(&self, id: ObjectId) -> Result<Option<Object>, ChainError> {
        let ask = |source| async move { fetch::object(&source, sui_address(id), None).await };
        self.shared.endpoints.ask("an object", ask).await
    }

    pub(super) async fn objects(
        &self,
        ids: &[ObjectId],
    ) -> Result<Vec<Option<Object>>, ChainError> {
        let ids: Vec<_> = ids.iter().copied().map(sui_address).collect();
        let ask = |source| {
            let ids = ids.clone();
            async move { fetch::objects(&source, ids).await }
        };
        let mut objects = self.shared.endpoints.ask("objects", ask).await?;
        Ok(ids.iter().map(|id| objects.remove(id)).collect())
    }

    async fn owned<T>(
        &self,
        owner: Address,
        module: &'static str,
        name: &'static str,
        read: fn(&Object) -> Result<T, ChainError>,
    ) -> Result<Vec<T>, ChainError> {
        let owner = SuiAddress::new(*owner.as_bytes());
        let of = struct_tag(self.shared.system.origin, module, name).to_string();
        let ask = |source| {
            let of = of.clone();
            async move { fetch::owned(&source, owner, of).await }
        };
        let objects = self.shared.endpoints.ask("owned objects", ask).await?;
        objects.iter().map(read).collect()
    }

    async fn receipt(&self, executed: &Executed) -> Result<Receipt, ChainError> {
        let of_ours = |tag: &StructTag| self.shared.packages.contain(tag.address());
        let events = executed.events().iter().filter(|e| of_ours(&e.type_));
        let events = events.map(|event| {
            ChainEvent::decode(event.type_.name().as_str(), &event.contents)
                .map_err(|error| ChainError::malformed("event", error))
        });
        let effects = executed.effects();
        let digest = effects.transaction_digest().into_inner();
        let cost = u64::try_from(effects.gas_summary().net_gas_usage()).unwrap_or(0);
        Ok(Receipt {
            digest: TransactionDigest::from_bytes(digest),
            checkpoint: executed.checkpoint(),
            at: executed.at(),
            gas: Sui::from_units(cost),
            events: events.collect::<Result<_, _>>()?,
            created: self.created(executed).await?,
        })
    }

    /// The kinds of the objects that a transaction created; effects tell only their ids.
    async fn created(
        &self,
        executed: &Executed,
    ) -> Result<Vec<(ObjectKind, ObjectId)>, ChainError> {
        let created = executed
            .effects()
            .object_changes()
            .filter_map(|change| match change {
                ObjectChange::Created { object_id: id, .. } => Some(object_id(*id)),
                _ => None,
            });
        let ids: Vec<_> = created.collect();
        let objects = self.objects(&ids).await?;
        let kinds = objects
            .iter()
            .map(|object| object.as_ref().map_or(ObjectKind::Other, kind));
        Ok(kinds.zip(ids).collect())
    }
}

fn kind(object: &Object) -> ObjectKind {
    let Some(content) = object.as_struct() else {
        return ObjectKind::Other;
    };
    let tag = content.object_type();
    match (tag.module().as_str(), tag.name().as_str()) {
        ("blob", "Blob") => ObjectKind::Blob,
        ("shared_blob", "SharedBlob") => ObjectKind::SharedBlob,
        ("resource", "Storage") => ObjectKind::Storage,
        ("stake", "Stake") => ObjectKind::Stake,
        ("staking", "NodeCap") => ObjectKind::NodeCap,
        ("committee", "EpochCommittee") => ObjectKind::EpochCommittee,
        _ => ObjectKind::Other,
    }
}

#[async_trait]
impl ChainRead for SuiChain {
    fn network(&self) -> NetworkId {
        self.shared.system.network
    }

    async fn system(&self) -> Result<SystemState, ChainError> {
        let id: ObjectId = self.network().system.into();
        let missing = || ChainError::NotFound {
            what: "system object",
            id: id.to_string(),
        };
        let system = contract::system(&self.object(id).await?.ok_or_else(missing)?)?;
        self.learn(system.package).await?;
        Ok(system)
    }

    async fn epoch_state(&self) -> Result<EpochState, ChainError> {
        let SystemState {
            staking, origin, ..
        } = self.shared.system;
        let rank = field_id(staking, origin, "staking", "RankKey");
        let payout = field_id(staking, origin, "staking", "PayoutKey");
        let found = self.objects(&[staking, rank, payout]).await?;
        match found.as_slice() {
            [Some(staking), Some(rank), payout] => {
                contract::epoch_state(staking, rank, payout.as_ref())
            }
            _ => Err(ChainError::NotFound {
                what: "staking object",
                id: staking.to_string(),
            }),
        }
    }

    async fn committee(&self, epoch: Epoch) -> Result<Option<Committee>, ChainError> {
        let cache = || {
            self.shared
                .committees
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(committee) = cache().get(&epoch) {
            return Ok(Some(committee.clone()));
        }
        let SystemState {
            origin, network, ..
        } = self.shared.system;
        let id = epoch_committee_id(network.system.into(), epoch);
        let Some((proven, _)) = self.shared.trust.object(sui_address(id), None).await? else {
            return Ok(None);
        };
        let tag = struct_tag(origin, "committee", "EpochCommittee");
        let contents = proven.immutable(id, &tag)?;
        let committee: Committee = contents
            .get(ObjectId::LEN..)
            .ok_or(bcs::Error::Eof)
            .and_then(bcs::from_bytes)
            .map_err(|error| ChainError::malformed(format!("committee of epoch {epoch}"), error))?;
        let mut cache = cache();
        cache.insert(epoch, committee.clone());
        while cache.len() > MAX_COMMITTEES {
            cache.pop_first();
        }
        Ok(Some(committee))
    }

    async fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Option<Node>>, ChainError> {
        let ids: Vec<ObjectId> = ids.iter().map(|id| (*id).into()).collect();
        let objects = self.objects(&ids).await?;
        objects
            .iter()
            .map(|o| o.as_ref().map(contract::node).transpose())
            .collect()
    }

    async fn blob(&self, object: ObjectId) -> Result<Option<Registration>, ChainError> {
        self.object(object)
            .await?
            .as_ref()
            .map(contract::blob)
            .transpose()
    }

    async fn attributes(&self, object: ObjectId) -> Result<BTreeMap<String, String>, ChainError> {
        let field = field_id(object, self.shared.system.origin, "blob", "AttributesKey");
        let attributes = self.object(field).await?;
        Ok(attributes
            .as_ref()
            .map(contract::attributes)
            .transpose()?
            .unwrap_or_default())
    }

    async fn owned_blobs(&self, owner: Address) -> Result<Vec<Registration>, ChainError> {
        self.owned(owner, "blob", "Blob", contract::blob).await
    }

    async fn owned_storage(&self, owner: Address) -> Result<Vec<StorageResource>, ChainError> {
        self.owned(owner, "resource", "Storage", contract::storage)
            .await
    }

    async fn owned_stakes(&self, owner: Address) -> Result<Vec<Stake>, ChainError> {
        self.owned(owner, "stake", "Stake", contract::stake).await
    }

    async fn worth(&self, stakes: &[Stake]) -> Result<Vec<StakeWorth>, ChainError> {
        self.appraise(stakes).await
    }

    async fn owned_node_caps(&self, owner: Address) -> Result<Vec<NodeCap>, ChainError> {
        self.owned(owner, "staking", "NodeCap", contract::node_cap)
            .await
    }

    async fn balance(&self, owner: Address) -> Result<Balance, ChainError> {
        let owner = SuiAddress::new(*owner.as_bytes());
        let balance = |coin: String| async move {
            let ask = |source| {
                let coin = coin.clone();
                async move { fetch::balance(&source, owner, coin).await }
            };
            self.shared.endpoints.ask("a balance", ask).await
        };
        let sui = balance(StructTag::sui().to_string()).await?;
        let wal = balance(self.shared.wal.to_string()).await?;
        Ok(Balance {
            sui: Sui::from_units(sui),
            wal: Wal::from_units(wal),
        })
    }
}

#[async_trait]
impl ChainEvents for SuiChain {
    fn follow(
        &self,
        from: EventCursor,
    ) -> BoxStream<'static, Result<CheckpointEvents, ChainError>> {
        let (endpoints, trust, packages) = self.parts();
        Follower::new(endpoints, trust, packages, from).stream()
    }

    /// The end of the checkpoint before the one that created the system object, proved: its
    /// creation is in the effects of a certified checkpoint, so no event of ours came before.
    async fn start(&self) -> Result<EventCursor, ChainError> {
        let id: ObjectId = self.network().system.into();
        let missing = || ChainError::NotFound {
            what: "system object",
            id: id.to_string(),
        };
        let object = self.object(id).await?.ok_or_else(missing)?;
        let sui_sdk_types::Owner::Shared(first) = *object.owner() else {
            let reason = "it is not shared".to_owned();
            return Err(ChainError::WrongSystem { object: id, reason });
        };
        let proof = self
            .shared
            .trust
            .object(sui_address(id), Some(first))
            .await?;
        let (_, executed) = proof.ok_or_else(missing)?;
        let created = executed.effects().object_changes().any(|change| {
            matches!(change, ObjectChange::Created { object_id, .. } if *object_id == sui_address(id))
        });
        if !created {
            let reason = "its first version was not its creation".to_owned();
            return Err(ChainError::WrongSystem { object: id, reason });
        }
        Ok(executed
            .checkpoint()
            .checked_sub(1)
            .map_or(EventCursor::START, EventCursor::end_of))
    }
}

#[async_trait]
impl ChainWrite for SuiAccount {
    fn address(&self) -> Address {
        self.submitter.address()
    }

    async fn execute(&self, operations: Vec<Operation>) -> Result<Receipt, ChainError> {
        let Shared { system, wal, .. } = &*self.chain.shared;
        let recipe = Operations {
            list: &operations,
            system,
            wal: wal.clone(),
        };
        let executed = self.submitter.submit(&recipe).await?;
        self.chain.receipt(&executed).await
    }
}
