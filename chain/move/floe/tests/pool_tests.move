/// The arithmetic of one pool; who may do what is tested in `staking_tests`.
#[test_only]
module floe::pool_tests;

use floe::keys;
use floe::pool::{Self, Pool};
use floe::terms;
use std::string::String;
use std::unit_test::{assert_eq, destroy};
use sui::balance::{Self, Balance};
use wal::wal::WAL;

#[test]
fun stake_becomes_shares_that_grow_with_pay_and_leave_at_their_rate() {
    let mut pool = pool(1_000);
    pool.enter(money(100), 1);
    assert_eq!(pool.weight(), 100);
    assert_eq!(settle(&mut pool, 1, 0), 0);
    assert_eq!(pool.shares_of(100, 1), 100);
    assert_eq!(pool.active(), 100);

    // A tenth of the pay is the operator's, the rest makes each share worth 1.45.
    pool.enter(money(290), 2);
    pool.exit(40, 3);
    assert_eq!(settle(&mut pool, 2, 50), 5);
    assert_eq!(pool.shares_of(290, 2), 200);
    assert_eq!(pool.active(), 145 + 290);
    assert_eq!(pool.weight(), 435 - 58);

    assert_eq!(settle(&mut pool, 3, 0), 0);
    assert_eq!(pool.worth(40, 3), 58);
    assert_eq!(pool.pay_out(40, 3).destroy_for_testing(), 58);
    assert_eq!(pool.active(), 377);
    assert_eq!(pool.shares(), 260);
    assert_eq!(pool.collect_commission().destroy_for_testing(), 5);
    assert_eq!(pool.vault(), 377);
    destroy(pool);
}

#[test]
fun rounding_favours_the_pool() {
    let mut pool = pool(0);
    pool.enter(money(3), 1);
    settle(&mut pool, 1, 1);
    settle(&mut pool, 2, 8);
    // Three shares are worth 12 (the pay of an epoch in which nothing was active counts too).
    let active = pool.active();
    pool.enter(money(2), 3);
    settle(&mut pool, 3, 0);
    assert_eq!(pool.shares_of(2, 3), 2 * 3 / (active as u128));
    pool.exit(1, 4);
    pool.exit(1, 4);
    settle(&mut pool, 4, 0);
    let paid = pool.pay_out(1, 4).destroy_for_testing() + pool.pay_out(1, 4).destroy_for_testing();
    assert!(paid + pool.active() <= active + 2);
    assert!(pool.vault() >= pool.active());
    destroy(pool);
}

#[test]
fun the_last_share_takes_everything_active() {
    let mut pool = pool(0);
    pool.enter(money(100), 1);
    settle(&mut pool, 1, 0);
    settle(&mut pool, 2, 7);
    pool.exit(100, 3);
    assert_eq!(pool.weight(), 0);
    settle(&mut pool, 3, 6);
    assert_eq!(pool.active(), 0);
    assert_eq!(pool.shares(), 0);
    assert_eq!(pool.pay_out(100, 3).destroy_for_testing(), 113);
    // And it starts anew.
    pool.enter(money(5), 4);
    settle(&mut pool, 4, 0);
    assert_eq!(pool.shares_of(5, 4), 5);
    destroy(pool);
}

#[test]
fun entering_stake_can_be_taken_back() {
    let mut pool = pool(0);
    pool.enter(money(100), 1);
    assert_eq!(pool.cancel(40, 1).destroy_for_testing(), 40);
    assert_eq!(pool.weight(), 60);
    settle(&mut pool, 1, 0);
    assert_eq!(pool.active(), 60);
    destroy(pool);
}

#[test]
fun a_pool_can_sleep_for_epochs() {
    let mut pool = pool(0);
    pool.enter(money(100), 1);
    pool.enter(money(11), 2);
    settle(&mut pool, 9, 20);
    // Both entries happened at their epochs, before the pay.
    assert_eq!(pool.shares_of(11, 2), 11);
    assert_eq!(pool.active(), 131);
    assert_eq!(pool.epoch(), 9);
    destroy(pool);
}

#[test]
fun a_changed_commission_waits_two_epochs() {
    let mut pool = pool(1_000);
    pool.enter(money(100), 1);
    settle(&mut pool, 1, 0);
    pool.set_commission(5_000, 1);
    assert_eq!(settle(&mut pool, 2, 100), 10);
    assert_eq!(settle(&mut pool, 3, 100), 10);
    assert_eq!(settle(&mut pool, 4, 100), 50);
    // What is scheduled is replaced, what already holds is kept.
    pool.set_commission(0, 4);
    pool.set_commission(2_000, 5);
    assert_eq!(settle(&mut pool, 5, 100), 50);
    assert_eq!(settle(&mut pool, 6, 100), 50);
    assert_eq!(settle(&mut pool, 7, 100), 50);
    assert_eq!(settle(&mut pool, 8, 100), 20);
    destroy(pool);
}

#[test]
fun commission_is_held_for_one_epoch() {
    let mut pool = pool(1_000);
    pool.enter(money(100), 1);
    settle(&mut pool, 1, 0);
    settle(&mut pool, 2, 100);
    assert_eq!(pool.collect_commission().destroy_for_testing(), 0);
    settle(&mut pool, 3, 200);
    assert_eq!(pool.collect_commission().destroy_for_testing(), 10);
    assert_eq!(pool.collect_commission().destroy_for_testing(), 0);
    destroy(pool);
}

#[test, expected_failure(abort_code = pool::ECommission)]
fun a_commission_above_all_is_refused() { destroy(pool(10_001)); }

#[test, expected_failure(abort_code = pool::ECommission)]
fun a_changed_commission_above_all_is_refused() {
    let mut pool = pool(0);
    pool.set_commission(10_001, 0);
    abort
}

#[test, expected_failure(abort_code = pool::EDescription)]
fun a_long_name_is_refused() { describe(text(65), vector[]) }

#[test, expected_failure(abort_code = pool::EDescription)]
fun many_addresses_are_refused() { describe(text(1), vector::tabulate!(9, |_| text(1))) }

#[test, expected_failure(abort_code = pool::EDescription)]
fun a_long_address_is_refused() { describe(text(1), vector[text(1), text(129)]) }

fun describe(name: String, addresses: vector<String>) {
    let mut pool = pool(0);
    pool.describe(name, addresses);
    abort
}

fun pool(commission_bps: u16): Pool {
    let keys = keys::unproved_for_testing();
    let vote = terms::vote(0, 0, 0);
    pool::new(text(64), vector::tabulate!(8, |_| text(128)), keys, vote, commission_bps, 0, &mut tx_context::dummy())
}

fun settle(pool: &mut Pool, epoch: u32, pay: u64): u64 { pool.settle(epoch, money(pay)) }

fun money(amount: u64): Balance<WAL> { balance::create_for_testing(amount) }

fun text(length: u64): String { vector::tabulate!(length, |_| 97).to_string() }
