/// Every event the protocol emits, each with the epoch it happened in.
/// One module, so that a node filters on one module of one package; it decides nothing.
module floe::events;

use sui::event;

// === Blobs ===

/// A blob was registered: its storage is paid for, slivers may be uploaded.
public struct BlobRegistered has copy, drop {
    epoch: u32,
    blob_id: vector<u8>,
    size: u64,
    encoding: u8,
    end_epoch: u32,
    deletable: bool,
    object: ID,
}

/// A quorum of the committee holds the blob; nodes keep it until `end_epoch`.
public struct BlobCertified has copy, drop {
    epoch: u32,
    blob_id: vector<u8>,
    size: u64,
    encoding: u8,
    end_epoch: u32,
    deletable: bool,
    object: ID,
}

/// A certified blob now lives until `end_epoch`.
public struct BlobExtended has copy, drop {
    epoch: u32,
    blob_id: vector<u8>,
    end_epoch: u32,
    deletable: bool,
    object: ID,
}

public struct BlobDeleted has copy, drop {
    epoch: u32,
    blob_id: vector<u8>,
    certified: bool,
    object: ID,
}

/// The committee proved that the blob's slivers do not belong to one blob: it is invalid for ever.
public struct BlobInconsistent has copy, drop {
    epoch: u32,
    blob_id: vector<u8>,
}

// === Epochs ===

/// The committee of epoch `next` is known: `committee` is its immutable `EpochCommittee`.
public struct CommitteeSelected has copy, drop {
    epoch: u32,
    next: u32,
    committee: ID,
}

/// Epoch `epoch` began at `at_ms`; shards move from the last committee to this one.
public struct EpochStarted has copy, drop {
    epoch: u32,
    at_ms: u64,
    storage_price: u64,
    write_price: u64,
    capacity: u64,
    burned: u64,
}

/// A member holds all its shards of this epoch.
public struct NodeSynced has copy, drop {
    epoch: u32,
    node: ID,
    weight: u16,
}

/// A quorum of the committee is synced.
public struct EpochOpened has copy, drop {
    epoch: u32,
    at_ms: u64,
}

// === Stake ===

public struct NodeRegistered has copy, drop {
    epoch: u32,
    node: ID,
}

/// A node's name, addresses, keys, votes or commission changed: read its pool.
public struct NodeUpdated has copy, drop {
    epoch: u32,
    node: ID,
}

public struct Staked has copy, drop {
    epoch: u32,
    node: ID,
    stake: ID,
    amount: u64,
    from_epoch: u32,
}

public struct ExitRequested has copy, drop {
    epoch: u32,
    node: ID,
    stake: ID,
    shares: u128,
    at_epoch: u32,
}

public struct Withdrawn has copy, drop {
    epoch: u32,
    node: ID,
    stake: ID,
    amount: u64,
}

/// A pool received its pay for the epoch before `epoch`, `commission` of it for the operator.
public struct PoolSettled has copy, drop {
    epoch: u32,
    node: ID,
    pay: u64,
    commission: u64,
}

public(package) fun blob_registered(
    epoch: u32,
    blob_id: vector<u8>,
    size: u64,
    encoding: u8,
    end_epoch: u32,
    deletable: bool,
    object: ID,
) {
    event::emit(BlobRegistered { epoch, blob_id, size, encoding, end_epoch, deletable, object });
}

public(package) fun blob_certified(
    epoch: u32,
    blob_id: vector<u8>,
    size: u64,
    encoding: u8,
    end_epoch: u32,
    deletable: bool,
    object: ID,
) {
    event::emit(BlobCertified { epoch, blob_id, size, encoding, end_epoch, deletable, object });
}

public(package) fun blob_extended(
    epoch: u32,
    blob_id: vector<u8>,
    end_epoch: u32,
    deletable: bool,
    object: ID,
) {
    event::emit(BlobExtended { epoch, blob_id, end_epoch, deletable, object });
}

public(package) fun blob_deleted(epoch: u32, blob_id: vector<u8>, certified: bool, object: ID) {
    event::emit(BlobDeleted { epoch, blob_id, certified, object });
}

public(package) fun blob_inconsistent(epoch: u32, blob_id: vector<u8>) {
    event::emit(BlobInconsistent { epoch, blob_id });
}

public(package) fun committee_selected(epoch: u32, next: u32, committee: ID) {
    event::emit(CommitteeSelected { epoch, next, committee });
}

public(package) fun epoch_started(
    epoch: u32,
    at_ms: u64,
    storage_price: u64,
    write_price: u64,
    capacity: u64,
    burned: u64,
) {
    event::emit(EpochStarted { epoch, at_ms, storage_price, write_price, capacity, burned });
}

public(package) fun node_synced(epoch: u32, node: ID, weight: u16) {
    event::emit(NodeSynced { epoch, node, weight });
}

public(package) fun epoch_opened(epoch: u32, at_ms: u64) {
    event::emit(EpochOpened { epoch, at_ms });
}

public(package) fun node_registered(epoch: u32, node: ID) {
    event::emit(NodeRegistered { epoch, node });
}

public(package) fun node_updated(epoch: u32, node: ID) {
    event::emit(NodeUpdated { epoch, node });
}

public(package) fun staked(epoch: u32, node: ID, stake: ID, amount: u64, from_epoch: u32) {
    event::emit(Staked { epoch, node, stake, amount, from_epoch });
}

public(package) fun exit_requested(epoch: u32, node: ID, stake: ID, shares: u128, at_epoch: u32) {
    event::emit(ExitRequested { epoch, node, stake, shares, at_epoch });
}

public(package) fun withdrawn(epoch: u32, node: ID, stake: ID, amount: u64) {
    event::emit(Withdrawn { epoch, node, stake, amount });
}

public(package) fun pool_settled(epoch: u32, node: ID, pay: u64, commission: u64) {
    event::emit(PoolSettled { epoch, node, pay, commission });
}
