/// What users touch: room is reserved, blobs are registered, certified, extended and deleted here.
/// Prices, committee and epoch come from `floe::epoch`; this module never changes them by itself.
module floe::system;

use floe::blob::{Self, Blob};
use floe::bls::{Self, KeyRing};
use floe::encoding;
use floe::events;
use floe::ledger::{Self, Ledger};
use floe::resource::{Self, Storage};
use floe::statement::{Self, Domain};
use floe::terms::{Self, Terms};
use std::string::String;
use std::type_name;
use sui::balance::Balance;
use sui::coin::Coin;
use sui::dynamic_field as df;
use sui::package::UpgradeCap;
use wal::wal::WAL;

/// This package version is not the one the system runs on.
const EVersion: u64 = 1;
/// There is no committee before epoch 1.
const ENotStarted: u64 = 2;
/// A resource of zero bytes.
const EEmpty: u64 = 3;
/// The storage does not cover the running epoch or is too small for the blob.
const EStorage: u64 = 4;
/// The certificate is from another epoch: collect confirmations of the running one.
const EStaleEpoch: u64 = 5;
/// Storage can extend a blob only if it begins where the blob ends and has the same size.
const EExtension: u64 = 6;

const VERSION: u64 = 1;
/// Prices are per this many encoded bytes, begun units counted in full.
const UNIT: u64 = 1 << 20;

/// The hot object: about 2 KB. The committee's keys sit in a dynamic field that `certify` only reads.
public struct System has key {
    id: UID,
    version: u64,
    /// The newest package of this system.
    package: ID,
    chain_id: vector<u8>,
    shards: u16,
    staking: ID,
    /// The type of the WAL coin.
    wal: String,
    epoch: u32,
    terms: Terms,
    ledger: Ledger,
    /// Rests here until governance exists.
    upgrade_cap: Option<UpgradeCap>,
}

/// Field name of the running committee's `KeyRing`.
public struct KeyRingKey() has copy, drop, store;

/// The system before its first committee.
public(package) fun new(
    chain_id: vector<u8>,
    shards: u16,
    horizon: u32,
    upgrade_cap: UpgradeCap,
    ctx: &mut TxContext,
): System {
    let mut id = object::new(ctx);
    df::add(&mut id, KeyRingKey(), bls::key_ring(0, shards, vector[], vector[]));
    System {
        id,
        version: VERSION,
        package: upgrade_cap.package(),
        chain_id,
        shards,
        staking: @0x0.to_id(),
        wal: type_name::with_original_ids<WAL>().into_string().to_string(),
        epoch: 0,
        terms: terms::closed(),
        ledger: ledger::new(horizon),
        upgrade_cap: option::some(upgrade_cap),
    }
}

/// Tells a new system where its stake is kept.
public(package) fun set_staking(self: &mut System, staking: ID) { self.staking = staking; }

#[allow(lint(share_owned))]
public(package) fun share(self: System) {
    transfer::share_object(self);
}

// === Storage ===

/// Buys room for `bytes` encoded bytes in every epoch of `start_epoch..end_epoch`.
public fun reserve(
    self: &mut System,
    bytes: u64,
    start_epoch: u32,
    end_epoch: u32,
    payment: &mut Coin<WAL>,
    ctx: &mut TxContext,
): Storage {
    self.check_started();
    assert!(bytes > 0, EEmpty);
    self.sell(bytes, start_epoch, end_epoch, payment.balance_mut());
    resource::new(start_epoch, end_epoch, bytes, ctx)
}

/// Adds to what the nodes of `epoch` will earn.
public fun add_funds(self: &mut System, epoch: u32, funds: Coin<WAL>) {
    self.check_version();
    self.ledger.add(epoch, funds.into_balance());
}

// === Blobs ===

/// Registers a blob of `size` bytes with the given root: the nodes accept its slivers from now on.
/// `encoding` must be the one for the system's number of shards, and the encoded size must fit `storage`.
public fun register(
    self: &mut System,
    storage: Storage,
    root: vector<u8>,
    size: u64,
    encoding: u8,
    deletable: bool,
    payment: &mut Coin<WAL>,
    ctx: &mut TxContext,
): Blob {
    self.check_started();
    let encoded = encoding::encoded_size(self.shards, size);
    assert!(encoded <= storage.bytes(), EStorage);
    assert!(storage.start_epoch() <= self.epoch && self.epoch < storage.end_epoch(), EStorage);
    let price = per_units(self.terms.write_price(), encoded);
    self.ledger.charge(self.epoch, self.epoch + 1, price, payment.balance_mut());

    let blob_id = encoding::blob_id(encoding, self.shards, size, root);
    let end_epoch = storage.end_epoch();
    let blob = blob::new(blob_id, size, encoding, deletable, self.epoch, storage, ctx);
    let object = object::id(&blob);
    events::blob_registered(self.epoch, blob_id, size, encoding, end_epoch, deletable, object);
    blob
}

/// Certifies the blob with the signatures of a quorum of epoch `epoch` under its `Available` statement.
public fun certify(
    self: &System,
    blob: &mut Blob,
    epoch: u32,
    signers: vector<u8>,
    signature: vector<u8>,
) {
    self.check_started();
    assert!(epoch == self.epoch, EStaleEpoch);
    blob.certify(epoch);
    let (blob_id, size, encoding) = (blob.blob_id(), blob.size(), blob.encoding());
    let statement = self.domain().available(epoch, blob_id, size, encoding, blob.named_object());
    self.key_ring().verify(&statement, &signers, &signature, bls::quorum(self.shards));
    let (end_epoch, deletable, object) = (blob.end_epoch(), blob.is_deletable(), object::id(blob));
    events::blob_certified(epoch, blob_id, size, encoding, end_epoch, deletable, object);
}

/// Buys `epochs` more epochs for a certified blob.
public fun extend(self: &mut System, blob: &mut Blob, epochs: u32, payment: &mut Coin<WAL>) {
    self.extend_from(blob, epochs, payment.balance_mut());
}

/// Extends a certified blob with storage that begins where the blob ends and is just as large.
public fun extend_with(self: &System, blob: &mut Blob, storage: Storage) {
    self.check_started();
    let own = blob.extendable_storage(self.epoch);
    assert!(storage.start_epoch() == own.end_epoch(), EExtension);
    assert!(storage.bytes() == own.bytes(), EExtension);
    own.fuse(storage);
    self.announce_extension(blob);
}

/// Deletes a deletable blob; its room comes back from the next epoch on.
public fun delete(self: &System, blob: Blob): Storage {
    self.check_started();
    let (blob_id, certified, object) = (blob.blob_id(), blob.is_certified(), object::id(&blob));
    let storage = blob.delete(self.epoch);
    events::blob_deleted(self.epoch, blob_id, certified, object);
    storage
}

/// Declares a blob invalid on the word of members of whom at least one is honest.
public fun mark_inconsistent(
    self: &System,
    blob_id: vector<u8>,
    epoch: u32,
    signers: vector<u8>,
    signature: vector<u8>,
) {
    self.check_started();
    assert!(epoch == self.epoch, EStaleEpoch);
    let statement = self.domain().inconsistent(epoch, blob_id);
    self.key_ring().verify(&statement, &signers, &signature, bls::validity(self.shards));
    events::blob_inconsistent(epoch, blob_id);
}

public fun epoch(self: &System): u32 { self.epoch }

public fun shards(self: &System): u16 { self.shards }

public fun terms(self: &System): Terms { self.terms }

// === For this package ===

/// `extend` for whoever holds the money in another form than a coin.
public(package) fun extend_from(
    self: &mut System,
    blob: &mut Blob,
    epochs: u32,
    payment: &mut Balance<WAL>,
) {
    self.check_started();
    let storage = blob.extendable_storage(self.epoch);
    let end_epoch = storage.end_epoch();
    self.sell(storage.bytes(), end_epoch, end_epoch + epochs, payment);
    storage.extend(epochs);
    self.announce_extension(blob);
}

/// Ends the running epoch and begins the next with its committee and terms. Returns what was earned.
public(package) fun begin_epoch(self: &mut System, ring: KeyRing, terms: Terms): Balance<WAL> {
    self.check_version();
    let earned = self.ledger.close();
    self.epoch = self.epoch + 1;
    self.terms = terms;
    *df::borrow_mut(&mut self.id, KeyRingKey()) = ring;
    earned
}

/// What is carried over from the last epoch.
public(package) fun carry(self: &mut System, funds: Balance<WAL>) {
    self.ledger.add(self.epoch, funds);
}

/// Where this system's statements count.
public(package) fun domain(self: &System): Domain { statement::domain(self.chain_id, object::id(self)) }

/// Parent of the derived addresses: one `EpochCommittee` per epoch, keyed by the epoch.
public(package) fun uid_mut(self: &mut System): &mut UID { &mut self.id }

fun sell(
    self: &mut System,
    bytes: u64,
    start_epoch: u32,
    end_epoch: u32,
    payment: &mut Balance<WAL>,
) {
    let price = per_units(self.terms.storage_price(), bytes);
    self.ledger.reserve(start_epoch, end_epoch, bytes, self.terms.capacity());
    self.ledger.charge(start_epoch, end_epoch, price, payment);
}

fun per_units(price: u64, bytes: u64): u128 {
    (price as u128) * (bytes.divide_and_round_up(UNIT) as u128)
}

fun announce_extension(self: &System, blob: &Blob) {
    let (deletable, object) = (blob.is_deletable(), object::id(blob));
    events::blob_extended(self.epoch, blob.blob_id(), blob.end_epoch(), deletable, object);
}

fun key_ring(self: &System): &KeyRing { df::borrow(&self.id, KeyRingKey()) }

fun check_started(self: &System) {
    self.check_version();
    assert!(self.epoch > 0, ENotStarted);
}

fun check_version(self: &System) {
    assert!(self.version == VERSION, EVersion);
}

#[test_only]
public fun ledger(self: &System): &Ledger { &self.ledger }

#[test_only]
public fun set_version_for_testing(self: &mut System, version: u64) { self.version = version; }
