/// Random histories of storage and blobs. I1 the pot is what is owed; I2 no epoch is sold beyond the capacity;
/// I11 a blob certifies once and only while it lives; and no room comes from nowhere.
#[test_only]
module floe::blob_history_tests;

use floe::blob::Blob;
use floe::lcg::{Self, Lcg};
use floe::resource::Storage;
use floe::world::{Self, World};
use std::unit_test::destroy;

const STEPS: u64 = 50;
/// The certificates on the tape are for these epochs.
const LAST_EPOCH: u32 = 12;
const ENCODED: u64 = 10_360;

#[test]
fun storage_and_blobs_seed_1() { history(1) }

fun history(seed: u64) {
    let rng = &mut lcg::new(seed);
    let mut world = world::standard();
    let (mut storages, mut blobs) = (vector[], vector[]);
    STEPS.do!(|_| {
        step(rng, &mut world, &mut storages, &mut blobs);
        check(&world, &storages, &blobs);
    });
    destroy(storages);
    destroy(blobs);
    world.end();
}

fun step(rng: &mut Lcg, world: &mut World, storages: &mut vector<Storage>, blobs: &mut vector<Blob>) {
    let epoch = world.system().epoch();
    let choice = rng.below(12);
    if (choice < 3 || (storages.is_empty() && choice < 8)) {
        let start = epoch + (rng.below(3) as u32);
        let end = start + 1 + (rng.below(5) as u32);
        // Often room for one blob exactly, sometimes a good part of the network.
        let bytes = if (rng.below(3) > 0) ENCODED else 1 + rng.below(2 << 40);
        let capacity = world.system().terms().capacity();
        let (system, _, purse, _, ctx) = world.parts();
        if (system.ledger().has_room(start, end, bytes, capacity)) {
            storages.push_back(system.reserve(bytes, start, end, purse, ctx));
            assert!(system.ledger().has_room(start, end, 0, capacity));
        }
    } else if (choice == 3) {
        let storage = take(rng, storages);
        let usable = storage.start_epoch() <= epoch && epoch < storage.end_epoch();
        if (usable && storage.bytes() >= ENCODED) {
            let (root, deletable) = (1 + (rng.below(3) as u8), rng.below(2) == 0);
            let (system, _, purse, _, ctx) = world.parts();
            blobs.push_back(system.register(storage, world::root(root), 1_000, 1, deletable, purse, ctx));
        } else storages.push_back(storage);
    } else if (choice == 4) {
        let i = rng.below(storages.length());
        let (start, end) = (storages[i].start_epoch(), storages[i].end_epoch());
        if (start + 1 < end) {
            let at = start + 1 + (rng.below((end - start - 1) as u64) as u32);
            let rest = storages[i].split_by_epoch(at, world.ctx());
            storages.push_back(rest);
        }
    } else if (choice == 5) {
        let i = rng.below(storages.length());
        let bytes = storages[i].bytes();
        if (bytes > 1) {
            let part = 1 + rng.below(bytes - 1);
            let rest = storages[i].split_by_size(part, world.ctx());
            storages.push_back(rest);
        }
    } else if (choice == 6 && storages.length() > 1) {
        fuse_where_possible(storages);
    } else if (choice == 7) {
        take(rng, storages).destroy();
    } else if (blobs.is_empty()) {
        if (epoch < LAST_EPOCH) world.next_epoch();
    } else if (choice == 8) {
        let i = rng.below(blobs.length());
        let blob = &mut blobs[i];
        let lives = epoch < blob.end_epoch();
        if (lives && !blob.is_certified() && !blob.is_deletable()) {
            let root = root_of(blob);
            world.certify_permanent(blob, root);
            assert!(blob.is_certified());
        }
    } else if (choice == 9) {
        let i = rng.below(blobs.length());
        let blob = &mut blobs[i];
        let end = blob.end_epoch();
        let bytes = blob.storage().bytes();
        let capacity = world.system().terms().capacity();
        let (system, _, purse, _, _) = world.parts();
        let room = system.ledger().has_room(end, end + 1, bytes, capacity);
        if (blob.is_certified() && epoch < end && room) {
            system.extend(blob, 1, purse);
            assert!(system.ledger().has_room(end, end + 1, 0, capacity));
        }
    } else if (choice == 10) {
        let blob = take(rng, blobs);
        if (blob.is_deletable() && epoch < blob.end_epoch())
            storages.push_back(world.system().delete(blob))
        else blobs.push_back(blob);
    } else if (epoch < LAST_EPOCH) world.next_epoch()
}

fun take<T>(rng: &mut Lcg, from: &mut vector<T>): T {
    let i = rng.below(from.length());
    from.swap_remove(i)
}

/// Joins the first two storages that belong together, as far as anyone can tell from outside.
fun fuse_where_possible(storages: &mut vector<Storage>) {
    let count = storages.length();
    count.do!(|i| count.do!(|j| {
        if (i < j && j < storages.length()) {
            let (a, b) = (&storages[i], &storages[j]);
            let same_span = a.start_epoch() == b.start_epoch() && a.end_epoch() == b.end_epoch();
            let adjacent = a.end_epoch() == b.start_epoch() || b.end_epoch() == a.start_epoch();
            if (same_span || (adjacent && a.bytes() == b.bytes())) {
                let other = storages.swap_remove(j);
                storages[i].fuse(other);
            }
        }
    }));
}

/// Room in hands and in blobs never exceeds what was sold, in any epoch from now on.
fun check(world: &World, storages: &vector<Storage>, blobs: &vector<Blob>) {
    let ledger = world.system().ledger();
    ledger.check();
    ledger.horizon().do!(|ahead| {
        let at = world.system().epoch() + ahead;
        let mut held = 0;
        storages.do_ref!(|storage| held = held + bytes_at(storage, at));
        blobs.do_ref!(|blob| held = held + bytes_at(blob.storage(), at));
        assert!(held <= ledger.used(at));
    })
}

fun bytes_at(storage: &Storage, epoch: u32): u64 {
    if (storage.start_epoch() <= epoch && epoch < storage.end_epoch()) storage.bytes() else 0
}

fun root_of(blob: &Blob): u8 {
    let mut root = 1;
    while (floe::encoding::blob_id(1, 10, 1_000, world::root(root)) != blob.blob_id()) root = root + 1;
    root
}
