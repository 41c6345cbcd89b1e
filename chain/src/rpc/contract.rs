//! BCS mirrors of the Move structs, and their way into plain values.
//!
//! Field order is that of the Move sources; a changed struct is a changed decoder here.

use std::collections::BTreeMap;

use floe_codec::{BlobId, Encoding, ShardCount};
use serde::Deserialize;
use sui_sdk_types::{Identifier, Object, StructTag, TypeTag};

use super::error::ChainError;
use super::state::{EpochState, Node, NodeCap, Params, Stake, StorageResource, SystemState, Vote};
use super::worth::ShareRate;
use crate::amount::Wal;
use crate::blob::Registration;
use crate::cost::Prices;
use crate::epoch::{Epoch, Schedule};
use crate::event::blob_id;
use crate::id::{Address, ChainId, NetworkId, NodeId, ObjectId, SystemId};
use crate::keys::{BlsPublicKey, IdentityPublicKey};

pub(crate) fn sui_address(id: ObjectId) -> sui_sdk_types::Address {
    sui_sdk_types::Address::new(*id.as_bytes())
}

pub(crate) fn object_id(address: sui_sdk_types::Address) -> ObjectId {
    ObjectId::from_bytes(address.into_inner())
}

/// A struct of the contract, by the package that first defined it.
pub(crate) fn struct_tag(origin: ObjectId, module: &'static str, name: &'static str) -> StructTag {
    StructTag::new(
        sui_address(origin),
        Identifier::from_static(module),
        Identifier::from_static(name),
        Vec::new(),
    )
}

/// BCS contents of a Move object of this type.
fn contents<'o, T: Deserialize<'o>>(
    object: &'o Object,
    module: &str,
    name: &str,
) -> Result<T, ChainError> {
    let id = object.object_id();
    let content = object
        .as_struct()
        .filter(|s| s.object_type().module() == module && s.object_type().name() == name)
        .ok_or_else(|| {
            ChainError::malformed(format!("object {id}"), format!("no {module}::{name}"))
        })?;
    bcs::from_bytes(content.contents())
        .map_err(|error| ChainError::malformed(format!("{name} {id}"), error))
}

/// A `0x2::dynamic_field::Field` whose name is an empty struct.
#[derive(Deserialize)]
struct Field<T> {
    _id: ObjectId,
    _name: bool,
    value: T,
}

/// Id of the field of `parent` named by an empty struct of the contract.
pub(crate) fn field_id(
    parent: ObjectId,
    origin: ObjectId,
    module: &'static str,
    key: &'static str,
) -> ObjectId {
    let tag = TypeTag::Struct(Box::new(struct_tag(origin, module, key)));
    // An empty Move struct has one hidden boolean, false.
    object_id(sui_address(parent).derive_dynamic_child_id(&tag, &[0]))
}

fn field<T: serde::de::DeserializeOwned>(object: &Object) -> Result<T, ChainError> {
    contents::<Field<T>>(object, "dynamic_field", "Field").map(|field| field.value)
}

#[derive(Deserialize)]
struct Terms {
    prices: Prices,
    capacity: u64,
}

#[derive(Deserialize)]
struct Ledger {
    epoch: Epoch,
    _owed: Vec<u64>,
    used: Vec<u64>,
    _pot: u64,
}

#[derive(Deserialize)]
struct UpgradeCap {
    _id: ObjectId,
    _package: ObjectId,
    _version: u64,
    _policy: u8,
}

#[derive(Deserialize)]
struct System {
    id: ObjectId,
    _version: u64,
    package: ObjectId,
    chain_id: Vec<u8>,
    shards: u16,
    staking: ObjectId,
    wal: String,
    epoch: Epoch,
    terms: Terms,
    ledger: Ledger,
    _upgrade_cap: Option<UpgradeCap>,
}

/// Reads the `System` object.
pub(crate) fn system(object: &Object) -> Result<SystemState, ChainError> {
    let system: System = contents(object, "system", "System")?;
    let wrong = |reason: String| ChainError::WrongSystem {
        object: system.id,
        reason,
    };
    let chain: [u8; 32] = system
        .chain_id
        .as_slice()
        .try_into()
        .map_err(|_| wrong(format!("its chain id has {} bytes", system.chain_id.len())))?;
    let origin = object.as_struct().map(|s| *s.object_type().address());
    let origin = origin.ok_or_else(|| wrong("it is a package".to_owned()))?;
    let Ledger { epoch, used, .. } = system.ledger;
    // Slot `epoch % horizon` of the ring belongs to the running epoch.
    let horizon = used.len().max(1);
    let first = usize::try_from(epoch.get()).unwrap_or(0) % horizon;
    Ok(SystemState {
        network: NetworkId {
            chain: ChainId::from_bytes(chain),
            system: SystemId::from_bytes(*system.id.as_bytes()),
        },
        package: system.package,
        origin: object_id(origin),
        staking: system.staking,
        wal_type: format!("0x{}", system.wal),
        shards: ShardCount::new(system.shards).map_err(|error| wrong(error.to_string()))?,
        epoch: system.epoch,
        prices: system.terms.prices,
        capacity: system.terms.capacity,
        used: used
            .iter()
            .cycle()
            .skip(first)
            .take(used.len())
            .copied()
            .collect(),
    })
}

#[derive(Deserialize)]
struct Staking {
    _id: ObjectId,
    _version: u64,
    _domain: (Vec<u8>, ObjectId),
    _shards: u16,
    params: Params,
    schedule: Schedule,
    _to_burn: u64,
}

#[derive(Deserialize)]
struct Rank {
    nodes: Vec<NodeId>,
    weights: Vec<Wal>,
}

/// Reads the `Staking` object, its rank, and whether a payout is pending.
pub(crate) fn epoch_state(
    staking: &Object,
    rank: &Object,
    payout: Option<&Object>,
) -> Result<EpochState, ChainError> {
    let Staking {
        params, schedule, ..
    } = contents(staking, "staking", "Staking")?;
    let Rank { nodes, weights } = field(rank)?;
    Ok(EpochState {
        schedule,
        params,
        unsettled: payout.is_some(),
        candidates: nodes.into_iter().zip(weights).collect(),
    })
}

#[derive(Deserialize)]
struct Pool {
    id: NodeId,
    name: String,
    addresses: Vec<String>,
    keys: (Vec<u8>, Vec<u8>),
    governance: Address,
    vote: Vote,
    commission: (u16, u16, Epoch),
    epoch: Epoch,
    _vault: u64,
    active: Wal,
    shares: u128,
    _flows: Vec<(u32, u64, u128)>,
    rates: (ObjectId, u64),
    _commission_held: u64,
    commission_free: Wal,
}

/// Reads a `Pool`.
pub(crate) fn node(object: &Object) -> Result<Node, ChainError> {
    pool(object).map(|(node, _)| node)
}

/// Reads a `Pool`, and which table keeps its rates.
pub(crate) fn pool(object: &Object) -> Result<(Node, ObjectId), ChainError> {
    let pool: Pool = contents(object, "pool", "Pool")?;
    let (rates, _) = pool.rates;
    let wrong = |reason: String| ChainError::malformed(format!("Pool {}", pool.id), reason);
    let bls = pool.keys.0.as_slice().try_into();
    let identity = pool.keys.1.as_slice().try_into();
    let (bps, next, from) = pool.commission;
    let changes = from > pool.epoch && next != bps;
    let node = Node {
        bls_key: bls
            .map_err(|_| wrong("length of its BLS key".to_owned()))
            .and_then(|bytes| BlsPublicKey::from_bytes(bytes).map_err(|e| wrong(e.to_string())))?,
        identity: identity
            .map_err(|_| wrong("length of its Ed25519 key".to_owned()))
            .and_then(|bytes| {
                IdentityPublicKey::from_bytes(bytes).map_err(|e| wrong(e.to_string()))
            })?,
        id: pool.id,
        name: pool.name,
        addresses: pool.addresses,
        governance: pool.governance,
        vote: pool.vote,
        commission_bps: if from > pool.epoch { bps } else { next },
        next_commission: changes.then_some((next, from)),
        settled: pool.epoch,
        active: pool.active,
        shares: pool.shares,
        commission: pool.commission_free,
    };
    Ok((node, rates))
}

/// Id of the entry of a table of rates.
pub(crate) fn rate_id(rates: ObjectId, epoch: Epoch) -> ObjectId {
    let key = epoch.get().to_le_bytes();
    object_id(sui_address(rates).derive_dynamic_child_id(&TypeTag::U32, &key))
}

/// Reads an entry of a table of rates.
pub(crate) fn rate(object: &Object) -> Result<ShareRate, ChainError> {
    contents::<(ObjectId, Epoch, ShareRate)>(object, "dynamic_field", "Field").map(|f| f.2)
}

#[derive(Deserialize)]
struct Storage {
    id: ObjectId,
    start: Epoch,
    end: Epoch,
    bytes: u64,
}

/// Reads a `Storage`.
pub(crate) fn storage(object: &Object) -> Result<StorageResource, ChainError> {
    let Storage {
        id,
        start,
        end,
        bytes,
    } = contents(object, "resource", "Storage")?;
    Ok(StorageResource {
        object: id,
        period: start..end,
        bytes,
    })
}

#[derive(Deserialize)]
struct Blob {
    id: ObjectId,
    #[serde(with = "blob_id")]
    blob: BlobId,
    size: u64,
    encoding: Encoding,
    deletable: bool,
    registered: Epoch,
    certified: Option<Epoch>,
    storage: Storage,
}

#[derive(Deserialize)]
struct SharedBlob {
    _id: ObjectId,
    blob: Blob,
    _funds: u64,
}

/// Reads a `Blob`, or the one inside a `SharedBlob`.
pub(crate) fn blob(object: &Object) -> Result<Registration, ChainError> {
    let shared = object
        .as_struct()
        .is_some_and(|s| s.object_type().name() == "SharedBlob");
    let blob: Blob = if shared {
        contents::<SharedBlob>(object, "shared_blob", "SharedBlob")?.blob
    } else {
        contents(object, "blob", "Blob")?
    };
    Ok(Registration {
        object: blob.id,
        blob: blob.blob,
        size: blob.size,
        encoding: blob.encoding,
        deletable: blob.deletable,
        registered: blob.registered,
        certified: blob.certified,
        period: blob.storage.start..blob.storage.end,
        bytes: blob.storage.bytes,
    })
}

/// Reads the attributes of a blob.
pub(crate) fn attributes(object: &Object) -> Result<BTreeMap<String, String>, ChainError> {
    field::<Vec<(String, String)>>(object).map(|list| list.into_iter().collect())
}

/// Reads a `Stake`.
pub(crate) fn stake(object: &Object) -> Result<Stake, ChainError> {
    contents(object, "stake", "Stake")
}

/// Reads a `NodeCap`.
pub(crate) fn node_cap(object: &Object) -> Result<NodeCap, ChainError> {
    contents(object, "staking", "NodeCap")
}

/// Units in a `0x2::coin::Coin`.
pub(crate) fn coin(object: &Object) -> Result<u64, ChainError> {
    contents::<(ObjectId, u64)>(object, "coin", "Coin").map(|(_, units)| units)
}
