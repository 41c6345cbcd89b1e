/// What operators and delegators may do, and when it takes effect.
#[test_only]
module floe::staking_tests;

use floe::events::{ExitRequested, NodeUpdated, Staked, Withdrawn};
use floe::stake::{Self, Stake};
use floe::staking;
use floe::params;
use floe::terms;
use floe::world::{Self, World, wal};
use std::unit_test::{assert_eq, destroy};
use sui::event;

// === Delegators ===

#[test]
fun stake_waits_for_the_first_committee_that_is_open() {
    let mut world = world::standard();
    let early = world.stake(0, 5);
    assert_eq!(event::events_by_type<Staked>().length(), 1);
    assert_eq!(early.pending_from(), option::some(2));
    world.pass(5_000);
    world.select();
    let late = world.stake(0, 5);
    assert_eq!(late.pending_from(), option::some(3));
    assert_eq!(early.amount(), wal(5) as u128);
    destroy(early);
    destroy(late);
    world.end();
}

#[test]
fun pending_stake_that_no_committee_counts_on_comes_back_in_full() {
    let mut world = world::standard();
    let weight = weight(&world, 0);
    let stake = world.stake(0, 5);
    assert_eq!(weight(&world, 0), weight + wal(5));
    assert_eq!(world.withdraw(stake), wal(5));
    assert_eq!(weight(&world, 0), weight);
    assert_eq!(event::events_by_type<Withdrawn>().length(), 1);
    world.end();
}

#[test]
fun an_exit_pays_principal_and_rewards_once_its_epoch_comes() {
    let mut world = world::standard();
    let mut stake = world.stake(3, 100);
    world.next_epoch();
    // Node 3 has held 100 active and 100 pending WAL; from epoch 2 on both earn alike.
    let gift = world.coin(wal(1_000));
    let (system, _, _, _, _) = world.parts();
    system.add_funds(2, gift);
    world.request_exit(&mut stake);
    assert_eq!(event::events_by_type<ExitRequested>().length(), 1);
    assert_eq!(stake.exiting_at(), option::some(3));
    assert_eq!(weight(&world, 3), wal(100));
    world.next_epoch();
    let node = world.node(3);
    let (_, staking, _, _, _) = world.parts();
    staking.settle_pool(node);
    // 3 % are burned, shards are 3:3:3:1 of 10 (now by stake 400:300:200:200), a tenth is commission.
    let weight = 2;
    let pay = wal(1_000) * 97 / 100 * weight / 10;
    let owed = wal(100) + pay * 9 / 10 / 2;
    assert_eq!(world.withdraw(stake), owed);
    world.end();
}

#[test]
fun an_exit_after_selection_waits_one_epoch_more() {
    let mut world = world::standard();
    let mut stake = world.stake(0, 5);
    world.next_epoch();
    world.settle(1_000);
    world.pass(5_000);
    world.select();
    world.request_exit(&mut stake);
    assert_eq!(stake.exiting_at(), option::some(4));
    destroy(stake);
    world.end();
}

#[test]
fun stakes_split_and_join() {
    let mut world = world::standard();
    let mut stake = world.stake(0, 5);
    let rest = stake.split(wal(2) as u128, world.ctx());
    assert_eq!(stake.amount(), wal(2) as u128);
    assert_eq!(rest.amount(), wal(3) as u128);
    assert_eq!(rest.pending_from(), stake.pending_from());
    stake.join(rest);
    assert_eq!(world.withdraw(stake), wal(5));
    world.end();
}

#[test, expected_failure(abort_code = stake::ESplit)]
fun nothing_is_no_part() { split(0) }

#[test, expected_failure(abort_code = stake::ESplit)]
fun all_is_no_part() { split(wal(5) as u128) }

#[test, expected_failure(abort_code = stake::EJoin)]
fun stakes_with_two_nodes_do_not_join() {
    let mut world = world::standard();
    let mut stake = world.stake(0, 5);
    stake.join(world.stake(1, 5));
    abort
}

#[test, expected_failure(abort_code = stake::EJoin)]
fun stakes_in_two_states_do_not_join() {
    let mut world = world::standard();
    let mut stake = world.stake(0, 5);
    world.next_epoch();
    stake.join(world.stake(0, 5));
    abort
}

#[test, expected_failure(abort_code = staking::EAmount)]
fun dust_is_no_stake() {
    let mut world = world::standard();
    let _stake = world.stake_units(0, wal(1) - 1);
    abort
}

#[test, expected_failure(abort_code = staking::ENoNode)]
fun stake_needs_a_node() {
    let mut world = world::standard();
    let funds = world.coin(wal(1));
    let (_, staking, _, _, ctx) = world.parts();
    let _stake = staking.stake(@0xBAD.to_id(), funds, ctx);
    abort
}

#[test, expected_failure(abort_code = staking::ENotActive)]
fun pending_stake_cannot_exit() {
    let mut world = world::standard();
    let mut stake = world.stake(0, 5);
    world.request_exit(&mut stake);
    abort
}

#[test, expected_failure(abort_code = staking::ENotActive)]
fun stake_exits_once() {
    let mut world = world::standard();
    let mut stake = world.stake(0, 5);
    world.next_epoch();
    world.request_exit(&mut stake);
    world.request_exit(&mut stake);
    abort
}

#[test, expected_failure(abort_code = staking::ENotWithdrawable)]
fun an_exit_cannot_be_withdrawn_early() {
    let mut world = world::standard();
    let mut stake = world.stake(0, 5);
    world.next_epoch();
    world.request_exit(&mut stake);
    world.withdraw(stake);
    abort
}

#[test, expected_failure(abort_code = staking::ENotWithdrawable)]
fun active_stake_must_exit_first() {
    let mut world = world::standard();
    let stake = world.stake(0, 5);
    world.next_epoch();
    world.withdraw(stake);
    abort
}

#[test, expected_failure(abort_code = staking::ENotWithdrawable)]
fun stake_that_a_committee_counts_on_cannot_be_withdrawn() {
    let mut world = world::standard();
    let stake = world.stake(0, 5);
    world.pass(5_000);
    world.select();
    world.withdraw(stake);
    abort
}

// === Operators ===

#[test]
fun the_operator_describes_votes_and_rotates() {
    let mut world = world::standard();
    world.next_tx(world::account(0));
    let (_, staking, _, caps, ctx) = world.parts();
    let cap = &caps[0];
    staking.describe_node(cap, b"new name".to_string(), vector[]);
    staking.set_vote(cap, terms::vote(7, 8, 9));
    staking.set_commission(cap, 42);
    staking.rotate_keys(
        cap,
        world::bls_key(300),
        world::ed25519_key(300),
        world::bls_proof(300),
        world::ed25519_proof(300),
        ctx,
    );
    let pool = staking.pool(cap.node());
    let (name, addresses) = pool.description();
    assert!(name == b"new name".to_string() && addresses.is_empty());
    assert_eq!(pool.vote(), terms::vote(7, 8, 9));
    assert_eq!(pool.keys().bls(), world::bls_key(300));
    assert_eq!(event::events_by_type<NodeUpdated>().length(), 4);
    world.end();
}

#[test]
fun the_governance_address_collects_the_commission_and_can_be_moved() {
    let mut world = world::standard();
    let gift = world.coin(wal(1_000));
    let node = world.node(0);
    let (system, _, _, _, _) = world.parts();
    system.add_funds(1, gift);
    world.next_epoch();
    world.next_epoch();
    world.next_tx(world::account(0));
    let (_, staking, _, _, ctx) = world.parts();
    staking.set_governance(node, @0xC01D, ctx);
    world.next_tx(@0xC01D);
    let (_, staking, _, _, ctx) = world.parts();
    let commission = staking.collect_commission(node, ctx);
    assert_eq!(commission.value(), wal(1_000) * 97 / 100 * 3 / 10 / 10);
    world.put(commission);
    world.end();
}

#[test]
fun whoever_touches_a_pool_pays_it_and_tells_the_rank() {
    let mut world = world::standard();
    let gift = world.coin(wal(1_000));
    let (system, _, _, _, _) = world.parts();
    system.add_funds(1, gift);
    world.next_epoch();
    let before = vector[weight(&world, 0), weight(&world, 1)];
    world.next_tx(world::account(1));
    let node = world.node(1);
    let (_, staking, _, caps, ctx) = world.parts();
    staking.set_commission(&caps[0], 7);
    destroy(staking.collect_commission(node, ctx));
    2u16.do!(|k| {
        let now = world.staking().pool(world.node(k)).weight();
        assert!(now > before[k as u64]);
        assert_eq!(weight(&world, k), now);
    });
    world.end();
}

#[test, expected_failure(abort_code = staking::EGovernance)]
fun nobody_else_collects_the_commission() {
    let mut world = world::standard();
    world.next_tx(world::account(1));
    let node = world.node(0);
    let (_, staking, _, _, ctx) = world.parts();
    let _coin = staking.collect_commission(node, ctx);
    abort
}

#[test, expected_failure(abort_code = staking::EGovernance)]
fun nobody_else_moves_the_governance_address() {
    let mut world = world::standard();
    world.next_tx(world::account(1));
    let node = world.node(0);
    let (_, staking, _, _, ctx) = world.parts();
    staking.set_governance(node, @0xBAD, ctx);
    abort
}

#[test, expected_failure(abort_code = staking::EVersion)]
fun an_old_package_does_not_touch_newer_stake() {
    let mut world = world::standard();
    let (_, staking, _, _, _) = world.parts();
    staking.set_version_for_testing(2);
    let _stake = world.stake(0, 5);
    abort
}

// === Rank ===

#[test]
fun a_node_competes_from_the_least_stake_on() {
    let mut world = world::new(10, world::default_params());
    let k = world.register();
    let stake = world.stake(k, 9);
    assert_eq!(world.staking().rank().nodes().length(), 0);
    let more = world.stake(k, 1);
    assert_eq!(*world.staking().rank().weights(), vector[wal(10)]);
    world.withdraw(more);
    assert_eq!(world.staking().rank().nodes().length(), 0);
    destroy(stake);
    world.end();
}

#[test]
fun a_full_rank_gives_way_to_the_strictly_heavier() {
    let mut world = world::new(10, params::new(10_000, 5_000, 300, 1_000, 2, wal(10)));
    vector[30, 20, 20].do!(|amount| {
        let k = world.register();
        destroy(world.stake(k, amount));
    });
    assert!(ranked(&world, 0) && ranked(&world, 1) && !ranked(&world, 2));
    destroy(world.stake(2, 1));
    assert!(ranked(&world, 0) && !ranked(&world, 1) && ranked(&world, 2));
    world.end();
}

#[test]
fun the_rank_is_in_the_order_of_ids() {
    let mut world = world::new(10, world::default_params());
    12u64.do!(|_| {
        let k = world.register();
        destroy(world.stake(k, 10));
    });
    let nodes = world.staking().rank().nodes();
    assert_eq!(nodes.length(), 12);
    assert!(nodes.is_sorted_by!(|a, b| a.to_address().to_u256() < b.to_address().to_u256()));
    world.end();
}

#[test]
fun of_equal_keys_the_heaviest_counts() {
    let mut world = world::standard();
    // Node 1 takes the keys 301; node 0, which is heavier, takes them too.
    vector[1, 0].do!(|k| {
        world.next_tx(world::account(1));
        let (_, staking, _, caps, ctx) = world.parts();
        staking.rotate_keys(
            &caps[k],
            world::bls_key(301),
            world::ed25519_key(301),
            world::bls_proof(301),
            world::ed25519_proof(301),
            ctx,
        );
    });
    world.next_epoch();
    let committee = world.staking().committee();
    assert_eq!(committee.weight_of(world.node(1)), 0);
    assert!(committee.weight_of(world.node(0)) > 0);
    assert_eq!(committee.nodes().length(), 3);
    world.end();
}

fun weight(world: &World, k: u16): u64 {
    let (found, at) = floe::rank::find(world.staking().rank().nodes(), world.node(k));
    if (found) world.staking().rank().weights()[at] else 0
}

fun ranked(world: &World, k: u16): bool { weight(world, k) > 0 }

fun split(part: u128) {
    let mut world = world::standard();
    let mut stake: Stake = world.stake(0, 5);
    let _rest = stake.split(part, world.ctx());
    abort
}
