#[test_only]
module floe::resource_tests;

use floe::resource::{Self, Storage};
use std::unit_test::{assert_eq, destroy};

#[test]
fun splits_by_epoch_and_joins_again_in_both_orders() {
    let ctx = &mut tx_context::dummy();
    let mut storage = resource::new(2, 9, 10, ctx);
    let mut rest = storage.split_by_epoch(5, ctx);
    check(&storage, 2, 5, 10);
    check(&rest, 5, 9, 10);
    let last = rest.split_by_epoch(6, ctx);
    storage.fuse(rest);
    check(&storage, 2, 6, 10);
    let mut last = last;
    last.fuse(storage);
    check(&last, 2, 9, 10);
    last.destroy();
}

#[test]
fun splits_by_size_and_joins_again() {
    let ctx = &mut tx_context::dummy();
    let mut storage = resource::new(2, 9, 10, ctx);
    let rest = storage.split_by_size(4, ctx);
    check(&storage, 2, 9, 4);
    check(&rest, 2, 9, 6);
    storage.fuse(rest);
    check(&storage, 2, 9, 10);
    destroy(storage);
}

#[test]
fun epochs_can_be_given_up_and_added() {
    let ctx = &mut tx_context::dummy();
    let mut storage = resource::new(2, 9, 10, ctx);
    storage.start_from(1);
    check(&storage, 2, 9, 10);
    storage.start_from(4);
    storage.extend(3);
    check(&storage, 4, 12, 10);
    storage.start_from(13);
    check(&storage, 12, 12, 10);
    storage.destroy();
}

#[test, expected_failure(abort_code = resource::ESplitEpoch)]
fun a_split_at_the_start_is_refused() {
    let mut storage = storage();
    let _rest = storage.split_by_epoch(2, &mut tx_context::dummy());
    abort
}

#[test, expected_failure(abort_code = resource::ESplitEpoch)]
fun a_split_at_the_end_is_refused() {
    let mut storage = storage();
    let _rest = storage.split_by_epoch(9, &mut tx_context::dummy());
    abort
}

#[test, expected_failure(abort_code = resource::ESplitSize)]
fun a_split_of_nothing_is_refused() {
    let mut storage = storage();
    let _rest = storage.split_by_size(0, &mut tx_context::dummy());
    abort
}

#[test, expected_failure(abort_code = resource::ESplitSize)]
fun a_split_of_everything_is_refused() {
    let mut storage = storage();
    let _rest = storage.split_by_size(10, &mut tx_context::dummy());
    abort
}

#[test, expected_failure(abort_code = resource::EFuse)]
fun other_sizes_of_touching_spans_do_not_fuse() {
    let mut storage = storage();
    storage.fuse(resource::new(9, 10, 11, &mut tx_context::dummy()));
    abort
}

#[test, expected_failure(abort_code = resource::EFuse)]
fun spans_with_a_gap_do_not_fuse() {
    let mut storage = storage();
    storage.fuse(resource::new(10, 11, 10, &mut tx_context::dummy()));
    abort
}

#[test, expected_failure(abort_code = resource::EFuse)]
fun overlapping_spans_do_not_fuse() {
    let mut storage = storage();
    storage.fuse(resource::new(3, 9, 10, &mut tx_context::dummy()));
    abort
}

fun storage(): Storage { resource::new(2, 9, 10, &mut tx_context::dummy()) }

fun check(storage: &Storage, start: u32, end: u32, bytes: u64) {
    assert_eq!(storage.start_epoch(), start);
    assert_eq!(storage.end_epoch(), end);
    assert_eq!(storage.bytes(), bytes);
}
