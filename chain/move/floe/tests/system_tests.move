/// The life of storage and blobs, apart from certificates (`certify_tests`).
#[test_only]
module floe::system_tests;

use floe::blob;
use floe::events::{BlobDeleted, BlobExtended, BlobRegistered};
use floe::ledger;
use floe::resource;
use floe::shared_blob::{Self, SharedBlob};
use floe::system;
use floe::world::{Self, World};
use std::unit_test::{assert_eq, destroy};
use sui::event;
use sui::test_scenario;

/// Encoded size of a blob of 1,000 bytes over ten shards: 110 symbols of 36 bytes a shard, and metadata.
const ENCODED: u64 = 10 * 11 * 36 + 64 * 10 * 10;
/// The standard world's prices.
const STORAGE_PRICE: u64 = 1_000;
const WRITE_PRICE: u64 = 2_000;
const MIB: u64 = 1 << 20;

#[test]
fun room_and_writes_are_paid_per_begun_mebibyte() {
    let mut world = world::standard();
    let (system, _, purse, _, ctx) = world.parts();
    let before = purse.value();
    let storage = system.reserve(3 * MIB + 1, 2, 7, purse, ctx);
    assert_eq!(before - purse.value(), 4 * STORAGE_PRICE * 5);
    assert_eq!(system.ledger().used(2), 3 * MIB + 1);
    assert_eq!(system.ledger().owed(6), 4 * STORAGE_PRICE);
    assert_eq!(system.ledger().owed(7), 0);
    destroy(storage);

    let before = purse.value();
    let storage = system.reserve(ENCODED, 1, 2, purse, ctx);
    let blob = system.register(storage, world::root(1), 1_000, 1, false, purse, ctx);
    assert_eq!(before - purse.value(), STORAGE_PRICE + WRITE_PRICE);
    assert_eq!(system.ledger().owed(1), STORAGE_PRICE + WRITE_PRICE);
    assert_eq!(event::events_by_type<BlobRegistered>().length(), 1);
    destroy(blob);
    world.end();
}

#[test]
fun a_blob_says_what_was_registered() {
    let mut world = world::standard();
    let blob = world.register_blob(1, 1_000, true, 4);
    assert_eq!(blob.blob_id(), floe::encoding::blob_id(1, 10, 1_000, world::root(1)));
    assert_eq!(blob.size(), 1_000);
    assert_eq!(blob.encoding(), 1);
    assert!(blob.is_deletable() && !blob.is_certified());
    assert_eq!(blob.end_epoch(), 4);
    assert_eq!(blob.storage().bytes(), ENCODED);
    destroy(blob);
    world.end();
}

#[test]
fun anyone_can_subsidise_an_epoch() {
    let mut world = world::standard();
    let gift = world.coin(77);
    let (system, _, _, _, _) = world.parts();
    system.add_funds(5, gift);
    assert_eq!(system.ledger().owed(5), 77);
    world.end();
}

#[test]
fun a_certified_blob_is_extended_for_the_price_of_room() {
    let mut world = world::standard();
    let mut blob = certified(&mut world, 3);
    let (system, _, purse, _, _) = world.parts();
    let before = purse.value();
    system.extend(&mut blob, 4, purse);
    assert_eq!(before - purse.value(), 4 * STORAGE_PRICE);
    assert_eq!(blob.end_epoch(), 7);
    assert_eq!(system.ledger().used(6), ENCODED);
    assert_eq!(event::events_by_type<BlobExtended>().length(), 1);
    destroy(blob);
    world.end();
}

#[test]
fun a_certified_blob_is_extended_with_storage() {
    let mut world = world::standard();
    let mut blob = certified(&mut world, 3);
    let (system, _, purse, _, ctx) = world.parts();
    let storage = system.reserve(ENCODED, 3, 6, purse, ctx);
    system.extend_with(&mut blob, storage);
    assert_eq!(blob.end_epoch(), 6);
    destroy(blob);
    world.end();
}

#[test]
fun deletion_returns_the_room_from_the_next_epoch_on() {
    let mut world = world::standard();
    let blob = world.register_blob(1, 1_000, true, 4);
    let storage = world.system().delete(blob);
    assert_eq!(storage.start_epoch(), 2);
    assert_eq!(storage.end_epoch(), 4);
    assert_eq!(storage.bytes(), ENCODED);
    assert_eq!(event::events_by_type<BlobDeleted>().length(), 1);
    destroy(storage);
    world.end();
}

#[test, expected_failure(abort_code = system::EStorage)]
fun room_of_a_deleted_blob_is_not_for_this_epoch() {
    let mut world = world::standard();
    let blob = world.register_blob(1, 1_000, true, 4);
    let storage = world.system().delete(blob);
    let (system, _, purse, _, ctx) = world.parts();
    let _blob = system.register(storage, world::root(2), 1_000, 1, true, purse, ctx);
    abort
}

#[test]
fun room_of_a_blob_deleted_in_its_last_epoch_is_empty() {
    let mut world = world::standard();
    let blob = world.register_blob(1, 1_000, true, 2);
    let storage = world.system().delete(blob);
    assert_eq!(storage.start_epoch(), storage.end_epoch());
    storage.destroy();
    world.end();
}

#[test]
fun attributes_are_set_replaced_and_removed() {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, true, 4);
    let key = b"content-type".to_string();
    assert_eq!(blob.attribute(key), option::none());
    blob.remove_attribute(key);
    blob.set_attribute(key, b"text/plain".to_string());
    blob.set_attribute(key, b"text/html".to_string());
    assert_eq!(blob.attribute(key), option::some(b"text/html".to_string()));
    blob.remove_attribute(key);
    blob.remove_attribute(key);
    assert_eq!(blob.attribute(key), option::none());
    blob.set_attribute(key, b"text/html".to_string());
    blob.burn();
    world.end();
}

#[test, expected_failure(abort_code = blob::EAttribute)]
fun a_long_attribute_key_is_refused() { attribute(65, 1, 1) }

#[test, expected_failure(abort_code = blob::EAttribute)]
fun a_long_attribute_value_is_refused() { attribute(1, 1_025, 1) }

#[test, expected_failure(abort_code = blob::EAttribute)]
fun the_65th_attribute_is_refused() { attribute(64, 1_024, 65) }

#[test]
fun a_shared_blob_lives_on_from_its_jar() {
    let mut world = world::standard();
    let blob = certified(&mut world, 3);
    let (jar, more) = (world.coin(STORAGE_PRICE), world.coin(2 * STORAGE_PRICE));
    shared_blob::share(blob, jar, world.ctx());

    world.next_tx(@0xF);
    let mut shared = world.scenario().take_shared<SharedBlob>();
    shared.fund(more);
    let (system, _, _, _, _) = world.parts();
    shared.extend_shared(system, 2);
    shared.extend_shared(system, 1);
    assert_eq!(shared.blob().end_epoch(), 6);
    test_scenario::return_shared(shared);
    world.end();
}

#[test, expected_failure(abort_code = ledger::EPayment)]
fun an_empty_jar_buys_nothing() {
    let mut world = world::standard();
    let blob = certified(&mut world, 3);
    let jar = world.coin(STORAGE_PRICE);
    shared_blob::share(blob, jar, world.ctx());

    world.next_tx(@0xF);
    let mut shared = world.scenario().take_shared<SharedBlob>();
    let (system, _, _, _, _) = world.parts();
    shared.extend_shared(system, 2);
    abort
}

#[test, expected_failure(abort_code = shared_blob::ENotCertified)]
fun only_a_certified_blob_is_shared() {
    let mut world = world::standard();
    let blob = world.register_blob(1, 1_000, false, 3);
    let jar = world.coin(1);
    shared_blob::share(blob, jar, world.ctx());
    abort
}

// === Refusals ===

#[test, expected_failure(abort_code = system::ENotStarted)]
fun nothing_is_reserved_before_the_first_committee() {
    let mut world = world::new(10, world::default_params());
    let (system, _, purse, _, ctx) = world.parts();
    let _storage = system.reserve(1, 0, 1, purse, ctx);
    abort
}

#[test, expected_failure(abort_code = system::ENotStarted)]
fun nothing_is_registered_before_the_first_committee() {
    let mut world = world::new(10, world::default_params());
    let (system, _, purse, _, ctx) = world.parts();
    let storage = resource::new(0, 1, MIB, ctx);
    let _blob = system.register(storage, world::root(1), 1, 1, false, purse, ctx);
    abort
}

#[test, expected_failure(abort_code = system::EEmpty)]
fun no_room_at_all_is_no_resource() { reserve(0, 1, 2) }

#[test, expected_failure(abort_code = ledger::EPeriod)]
fun room_in_the_past_is_refused() { reserve(1, 0, 2) }

#[test, expected_failure(abort_code = ledger::ECapacity)]
fun more_room_than_the_network_has_is_refused() { reserve((4 << 40) + 1, 1, 2) }

#[test, expected_failure(abort_code = system::EStorage)]
fun storage_that_is_one_byte_too_small_is_refused() { register(1, 3, ENCODED - 1) }

#[test, expected_failure(abort_code = system::EStorage)]
fun storage_that_begins_later_is_refused() { register(2, 3, ENCODED) }

#[test, expected_failure(abort_code = system::EStorage)]
fun storage_that_has_ended_is_refused() { register(0, 1, ENCODED) }

#[test, expected_failure(abort_code = ledger::EPayment)]
fun a_write_must_be_paid() {
    let mut world = world::standard();
    let mut coin = world.coin(WRITE_PRICE - 1);
    let (system, _, purse, _, ctx) = world.parts();
    let storage = system.reserve(ENCODED, 1, 2, purse, ctx);
    let _blob = system.register(storage, world::root(1), 1_000, 1, false, &mut coin, ctx);
    abort
}

#[test, expected_failure(abort_code = blob::EPermanent)]
fun a_permanent_blob_is_not_deleted() {
    let mut world = world::standard();
    let blob = world.register_blob(1, 1_000, false, 3);
    let _storage = world.system().delete(blob);
    abort
}

#[test, expected_failure(abort_code = blob::EExpired)]
fun an_expired_blob_is_not_deleted() {
    let mut world = world::standard();
    let blob = world.register_blob(1, 1_000, true, 2);
    world.next_epoch();
    let _storage = world.system().delete(blob);
    abort
}

#[test, expected_failure(abort_code = blob::ENotCertified)]
fun only_a_certified_blob_is_extended() {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, false, 3);
    let (system, _, purse, _, _) = world.parts();
    system.extend(&mut blob, 1, purse);
    abort
}

#[test, expected_failure(abort_code = blob::EExpired)]
fun an_expired_blob_is_not_extended() {
    let mut world = world::standard();
    let mut blob = certified(&mut world, 2);
    world.next_epoch();
    let (system, _, purse, _, _) = world.parts();
    system.extend(&mut blob, 1, purse);
    abort
}

#[test, expected_failure(abort_code = ledger::EPeriod)]
fun an_extension_by_nothing_is_refused() { extend(0) }

#[test, expected_failure(abort_code = ledger::EPeriod)]
fun an_extension_beyond_the_horizon_is_refused() { extend(11) }

#[test, expected_failure(abort_code = system::EExtension)]
fun storage_after_a_gap_does_not_extend() { extend_with(ENCODED, 4) }

#[test, expected_failure(abort_code = system::EExtension)]
fun storage_of_another_size_does_not_extend() { extend_with(ENCODED + 1, 3) }

#[test, expected_failure(abort_code = system::EVersion)]
fun an_old_package_does_not_touch_a_newer_system() {
    let mut world = world::standard();
    let (system, _, purse, _, ctx) = world.parts();
    system.set_version_for_testing(2);
    let _storage = system.reserve(1, 1, 2, purse, ctx);
    abort
}

fun certified(world: &mut World, end_epoch: u32): blob::Blob {
    let mut blob = world.register_blob(1, 1_000, false, end_epoch);
    world.certify_permanent(&mut blob, 1);
    blob
}

fun attribute(key: u64, value: u64, count: u8) {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, true, 4);
    count.do!(|i| {
        let mut key = vector::tabulate!(key, |_| 97);
        *&mut key[0] = i;
        blob.set_attribute(key.to_string(), vector::tabulate!(value, |_| 97).to_string());
    });
    abort
}

fun reserve(bytes: u64, start: u32, end: u32) {
    let mut world = world::standard();
    let (system, _, purse, _, ctx) = world.parts();
    let _storage = system.reserve(bytes, start, end, purse, ctx);
    abort
}

fun register(start: u32, end: u32, bytes: u64) {
    let mut world = world::standard();
    let (system, _, purse, _, ctx) = world.parts();
    let storage = resource::new(start, end, bytes, ctx);
    let _blob = system.register(storage, world::root(1), 1_000, 1, false, purse, ctx);
    abort
}

fun extend(epochs: u32) {
    let mut world = world::standard();
    let mut blob = certified(&mut world, 3);
    let (system, _, purse, _, _) = world.parts();
    system.extend(&mut blob, epochs, purse);
    abort
}

fun extend_with(bytes: u64, start: u32) {
    let mut world = world::standard();
    let mut blob = certified(&mut world, 3);
    let (system, _, purse, _, ctx) = world.parts();
    let storage = system.reserve(bytes, start, start + 2, purse, ctx);
    system.extend_with(&mut blob, storage);
    abort
}
