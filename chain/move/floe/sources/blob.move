/// A blob on the chain: what was promised, for how long, and whether the committee confirmed it.
/// Owns the object and its rules of life; money and certificates are `floe::system`'s.
module floe::blob;

use floe::resource::Storage;
use std::string::String;
use sui::dynamic_field as df;
use sui::vec_map::{Self, VecMap};

/// The blob is already certified.
const EAlreadyCertified: u64 = 1;
/// The blob is not certified yet.
const ENotCertified: u64 = 2;
/// The blob's last epoch is over.
const EExpired: u64 = 3;
/// The blob is permanent: it cannot be deleted.
const EPermanent: u64 = 4;
/// Too many attributes, or one that is too long.
const EAttribute: u64 = 5;

const MAX_ATTRIBUTES: u64 = 64;
const MAX_ATTRIBUTE_KEY: u64 = 64;
const MAX_ATTRIBUTE_VALUE: u64 = 1024;

/// `blob_id` is derived from root, size, encoding and the number of shards, never given.
public struct Blob has key, store {
    id: UID,
    blob_id: vector<u8>,
    size: u64,
    encoding: u8,
    deletable: bool,
    registered_epoch: u32,
    certified_epoch: Option<u32>,
    storage: Storage,
}

/// Field name of a blob's attributes: `VecMap<String, String>`.
public struct AttributesKey() has copy, drop, store;

public(package) fun new(
    blob_id: vector<u8>,
    size: u64,
    encoding: u8,
    deletable: bool,
    registered_epoch: u32,
    storage: Storage,
    ctx: &mut TxContext,
): Blob {
    Blob {
        id: object::new(ctx),
        blob_id,
        size,
        encoding,
        deletable,
        registered_epoch,
        certified_epoch: option::none(),
        storage,
    }
}

/// Marks the blob certified in `epoch`.
public(package) fun certify(self: &mut Blob, epoch: u32) {
    assert!(self.certified_epoch.is_none(), EAlreadyCertified);
    self.check_live(epoch);
    self.certified_epoch = option::some(epoch);
}

/// The storage of a blob that may be extended.
public(package) fun extendable_storage(self: &mut Blob, epoch: u32): &mut Storage {
    assert!(self.certified_epoch.is_some(), ENotCertified);
    self.check_live(epoch);
    &mut self.storage
}

/// Ends the blob in `epoch`. Its slivers occupy the nodes until the epoch is over, so the room comes back
/// from the next one on; otherwise registering and deleting in a loop would fill disks for one price.
public(package) fun delete(self: Blob, epoch: u32): Storage {
    assert!(self.deletable, EPermanent);
    self.check_live(epoch);
    let mut storage = self.into_storage();
    storage.start_from(epoch + 1);
    storage
}

/// Destroys the object and nothing else: the nodes keep a certified blob until its end.
public fun burn(self: Blob) {
    self.into_storage().destroy();
}

/// Sets one attribute, replacing its old value.
public fun set_attribute(self: &mut Blob, key: String, value: String) {
    assert!(key.length() <= MAX_ATTRIBUTE_KEY && value.length() <= MAX_ATTRIBUTE_VALUE, EAttribute);
    if (!df::exists_(&self.id, AttributesKey())) {
        df::add(&mut self.id, AttributesKey(), vec_map::empty<String, String>());
    };
    let attributes: &mut VecMap<String, String> = df::borrow_mut(&mut self.id, AttributesKey());
    if (attributes.contains(&key)) { attributes.remove(&key); };
    assert!(attributes.length() < MAX_ATTRIBUTES, EAttribute);
    attributes.insert(key, value);
}

/// Removes one attribute; one that is not there is no error.
public fun remove_attribute(self: &mut Blob, key: String) {
    if (!df::exists_(&self.id, AttributesKey())) return;
    let attributes: &mut VecMap<String, String> = df::borrow_mut(&mut self.id, AttributesKey());
    if (attributes.contains(&key)) { attributes.remove(&key); };
}

public fun attribute(self: &Blob, key: String): Option<String> {
    if (!df::exists_(&self.id, AttributesKey())) return option::none();
    let attributes: &VecMap<String, String> = df::borrow(&self.id, AttributesKey());
    attributes.try_get(&key)
}

public fun blob_id(self: &Blob): vector<u8> { self.blob_id }

public fun size(self: &Blob): u64 { self.size }

public fun encoding(self: &Blob): u8 { self.encoding }

public fun is_deletable(self: &Blob): bool { self.deletable }

public fun is_certified(self: &Blob): bool { self.certified_epoch.is_some() }

public fun end_epoch(self: &Blob): u32 { self.storage.end_epoch() }

public fun storage(self: &Blob): &Storage { &self.storage }

/// What a certificate of this blob names: the object of a deletable one, nothing for a permanent one.
public(package) fun named_object(self: &Blob): Option<ID> {
    if (self.deletable) option::some(self.id.to_inner()) else option::none()
}

fun check_live(self: &Blob, epoch: u32) {
    assert!(epoch < self.end_epoch(), EExpired);
}

fun into_storage(self: Blob): Storage {
    let Blob { mut id, storage, .. } = self;
    df::remove_if_exists<_, VecMap<String, String>>(&mut id, AttributesKey());
    id.delete();
    storage
}
