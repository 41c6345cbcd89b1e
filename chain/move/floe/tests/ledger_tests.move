#[test_only]
module floe::ledger_tests;

use floe::ledger::{Self, Ledger};
use std::unit_test::{assert_eq, destroy};
use sui::balance::{Self, Balance};
use wal::wal::WAL;

const HORIZON: u32 = 4;
const CAPACITY: u64 = 100;

#[test]
fun rings_turn_and_money_follows_its_epoch() {
    let mut ledger = ledger::new(HORIZON);
    let mut purse = money(1_000);
    ledger.reserve(0, 4, 60, CAPACITY);
    ledger.charge(0, 4, 7, &mut purse);
    ledger.charge(2, 3, 5, &mut purse);
    assert_eq!(purse.value(), 1_000 - 28 - 5);
    assert_eq!(earned(&mut ledger), 7);
    assert_eq!(ledger.used(4), 0);
    ledger.reserve(4, 5, CAPACITY, CAPACITY);
    ledger.add(4, money(3));
    assert_eq!(earned(&mut ledger), 7);
    assert_eq!(earned(&mut ledger), 12);
    assert_eq!(earned(&mut ledger), 7);
    assert_eq!(earned(&mut ledger), 3);
    assert_eq!(ledger.check(), 0);
    destroy(ledger);
    destroy(purse);
}

#[test]
fun space_is_counted_per_epoch() {
    let mut ledger = ledger::new(HORIZON);
    ledger.reserve(0, 2, 60, CAPACITY);
    ledger.reserve(2, 4, 60, CAPACITY);
    ledger.reserve(1, 3, 40, CAPACITY);
    assert_eq!(ledger.used(0), 60);
    assert_eq!(ledger.used(1), 100);
    assert_eq!(ledger.used(2), 100);
    assert_eq!(ledger.used(3), 60);
    destroy(ledger);
}

#[test, expected_failure(abort_code = ledger::ECapacity)]
fun a_full_epoch_sells_nothing() {
    let mut ledger = ledger::new(HORIZON);
    ledger.reserve(1, 2, CAPACITY, CAPACITY);
    ledger.reserve(0, 2, 1, CAPACITY);
    abort
}

#[test, expected_failure(abort_code = ledger::ECapacity)]
fun capacity_that_fell_below_what_is_used_sells_nothing() {
    let mut ledger = ledger::new(HORIZON);
    ledger.reserve(0, 1, CAPACITY, CAPACITY);
    ledger.reserve(0, 1, 1, CAPACITY / 2);
    abort
}

#[test, expected_failure(abort_code = ledger::ECapacity)]
fun a_size_near_the_limit_of_numbers_is_refused() {
    let mut ledger = ledger::new(HORIZON);
    ledger.reserve(0, 1, 1, CAPACITY);
    ledger.reserve(0, 1, std::u64::max_value!(), CAPACITY);
    abort
}

#[test, expected_failure(abort_code = ledger::EPeriod)]
fun an_empty_span_is_refused() { reserve(1, 1) }

#[test, expected_failure(abort_code = ledger::EPeriod)]
fun a_reversed_span_is_refused() { reserve(2, 1) }

#[test, expected_failure(abort_code = ledger::EPeriod)]
fun a_span_beyond_the_horizon_is_refused() { reserve(1, 5) }

#[test, expected_failure(abort_code = ledger::EPeriod)]
fun a_past_epoch_is_refused() {
    let mut ledger = ledger::new(HORIZON);
    earned(&mut ledger);
    ledger.charge(0, 2, 1, &mut money(100));
    abort
}

#[test, expected_failure(abort_code = ledger::EPeriod)]
fun funds_for_a_past_epoch_are_refused() {
    let mut ledger = ledger::new(HORIZON);
    earned(&mut ledger);
    ledger.add(0, money(1));
    abort
}

#[test, expected_failure(abort_code = ledger::EPeriod)]
fun funds_beyond_the_horizon_are_refused() {
    let mut ledger = ledger::new(HORIZON);
    ledger.add(std::u32::max_value!(), money(1));
    abort
}

#[test, expected_failure(abort_code = ledger::EPayment)]
fun one_unit_too_little_is_refused() {
    let mut ledger = ledger::new(HORIZON);
    ledger.charge(0, 4, 5, &mut money(19));
    abort
}

#[test, expected_failure(abort_code = ledger::EPayment)]
fun a_price_beyond_all_money_is_refused() {
    let mut ledger = ledger::new(HORIZON);
    ledger.charge(0, 4, 1 << 120, &mut money(19));
    abort
}

fun reserve(start: u32, end: u32) {
    let mut ledger = ledger::new(HORIZON);
    ledger.reserve(start, end, 1, CAPACITY);
    abort
}

fun money(amount: u64): Balance<WAL> { balance::create_for_testing(amount) }

fun earned(ledger: &mut Ledger): u64 { ledger.close().destroy_for_testing() }
