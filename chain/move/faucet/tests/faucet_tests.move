#[test_only]
module faucet::faucet_tests;

use faucet::faucet::{Self, Faucet};
use sui::coin;
use sui::test_scenario as ts;
use wal::wal::WAL;

#[test]
fun gives_portions_until_empty_and_can_be_refilled() {
    let mut world = ts::begin(@0xA);
    faucet::open(coin::mint_for_testing<WAL>(5, world.ctx()), 2, world.ctx());

    world.next_tx(@0xB);
    let mut jar = world.take_shared<Faucet>();
    let mut got = jar.drip(world.ctx());
    got.join(jar.drip(world.ctx()));
    jar.fill(coin::mint_for_testing(1, world.ctx()));
    got.join(jar.drip(world.ctx()));
    assert!(got.burn_for_testing() == 6);

    ts::return_shared(jar);
    world.end();
}

#[test, expected_failure(abort_code = sui::balance::ENotEnough)]
fun an_empty_faucet_gives_nothing() {
    let mut world = ts::begin(@0xA);
    faucet::open(coin::mint_for_testing<WAL>(1, world.ctx()), 2, world.ctx());

    world.next_tx(@0xB);
    let mut jar = world.take_shared<Faucet>();
    jar.drip(world.ctx()).burn_for_testing();
    abort
}

#[test, expected_failure(abort_code = faucet::EZeroPortion)]
fun a_portion_is_never_zero() {
    faucet::open(coin::mint_for_testing<WAL>(1, &mut tx_context::dummy()), 0, &mut tx_context::dummy());
}
