/// The change of epochs: when, by whom, and what changes hands.
#[test_only]
module floe::epoch_tests;

use floe::committee::EpochCommittee;
use floe::epoch::{Self, InitCap};
use floe::events::{CommitteeSelected, EpochOpened, EpochStarted, NodeSynced};
use floe::params::{Self, Params};
use floe::schedule;
use floe::staking::{Self, Staking};
use floe::statement;
use floe::system::System;
use floe::terms;
use floe::world::{Self, World, wal};
use std::unit_test::{assert_eq, destroy};
use sui::clock;
use sui::derived_object;
use sui::event;
use sui::package;
use sui::test_scenario;

// === Genesis ===

#[test]
fun the_publisher_creates_the_one_system() {
    let mut scenario = test_scenario::begin(@0xA);
    epoch::init_for_testing(scenario.ctx());
    scenario.next_tx(@0xA);
    let cap = scenario.take_from_sender<InitCap>();
    let clock = clock::create_for_testing(scenario.ctx());
    let upgrade_cap = package::test_publish(@floe.to_id(), scenario.ctx());
    let params = world::default_params();
    epoch::initialize(cap, upgrade_cap, world::chain_id(), 10, 12, 2_000, params, &clock, scenario.ctx());
    scenario.next_tx(@0xB);
    let system = scenario.take_shared<System>();
    let staking = scenario.take_shared<Staking>();
    assert_eq!(system.epoch(), 0);
    assert_eq!(system.shards(), 10);
    assert_eq!(staking.schedule().ends_ms(), 2_000);
    assert!(!test_scenario::has_most_recent_for_address<InitCap>(@0xA));
    test_scenario::return_shared(system);
    test_scenario::return_shared(staking);
    destroy(clock);
    scenario.end();
}

#[test, expected_failure(abort_code = epoch::EUpgradeCap)]
fun the_upgrade_capability_must_be_this_packages() {
    create(@0xBAD, world::chain_id(), 10, 12, 1);
}

#[test, expected_failure(abort_code = statement::EChainId)]
fun a_chain_id_has_32_bytes() { create(@floe, vector[1], 10, 12, 1); }

#[test, expected_failure(abort_code = epoch::EShards)]
fun three_shards_are_too_few() { create(@floe, world::chain_id(), 3, 12, 1); }

#[test, expected_failure(abort_code = epoch::EShards)]
fun more_shards_than_the_codec_knows_are_refused() { create(@floe, world::chain_id(), 1_025, 12, 1); }

#[test, expected_failure(abort_code = epoch::EHorizon)]
fun a_horizon_of_one_epoch_is_refused() { create(@floe, world::chain_id(), 10, 1, 1); }

#[test, expected_failure(abort_code = epoch::EHorizon)]
fun a_horizon_beyond_1024_epochs_is_refused() { create(@floe, world::chain_id(), 10, 1_025, 1); }

#[test, expected_failure(abort_code = params::EBounds)]
fun epoch_zero_takes_time() { create(@floe, world::chain_id(), 10, 12, 0); }

#[test, expected_failure(abort_code = params::EBounds)]
fun an_epoch_of_more_than_a_year_is_refused() { params::new(366 * 86_400_000 + 1, 0, 0, 1, 1, 1); }

#[test, expected_failure(abort_code = params::EBounds)]
fun selection_after_the_end_is_refused() { params::new(1, 10_001, 0, 1, 1, 1); }

#[test, expected_failure(abort_code = params::EBounds)]
fun burning_more_than_all_is_refused() { params::new(1, 0, 10_001, 1, 1, 1); }

#[test, expected_failure(abort_code = params::EBounds)]
fun a_cap_of_nothing_is_refused() { params::new(1, 0, 0, 0, 1, 1); }

#[test, expected_failure(abort_code = params::EBounds)]
fun a_rank_of_nobody_is_refused() { params::new(1, 0, 0, 1, 0, 1); }

#[test, expected_failure(abort_code = params::EBounds)]
fun more_than_a_thousand_nodes_are_refused() { params::new(1, 0, 0, 1, 1_001, 1); }

#[test, expected_failure(abort_code = params::EBounds)]
fun a_least_stake_of_nothing_is_refused() { params::new(1, 0, 0, 1, 1, 0); }

// === One epoch ===

#[test]
fun an_epoch_from_selection_to_opening() {
    let mut world = world::standard();
    world.next_tx(@0xE);
    world.pass(5_000);
    world.select();
    assert_eq!(event::events_by_type<CommitteeSelected>().length(), 1);
    world.pass(5_000);
    world.advance();
    assert_eq!(event::events_by_type<EpochStarted>().length(), 1);
    assert_eq!(world.system().epoch(), 2);
    assert_eq!(world.staking().schedule().epoch(), 2);
    assert_eq!(world.staking().committee().epoch(), 2);
    // Weights 3, 3 and 1 make seven of ten.
    world.sync(0);
    world.sync(0);
    world.sync(1);
    assert_eq!(event::events_by_type<NodeSynced>().length(), 2);
    assert_eq!(event::events_by_type<EpochOpened>().length(), 0);
    world.sync(3);
    assert_eq!(event::events_by_type<EpochOpened>().length(), 1);
    // A late member is told apart from a missing one, and opens nothing again.
    world.sync(2);
    assert_eq!(event::events_by_type<NodeSynced>().length(), 4);
    assert_eq!(event::events_by_type<EpochOpened>().length(), 1);
    world.end();
}

#[test]
fun the_committee_object_is_at_its_derived_address() {
    let mut world = world::standard();
    world.next_tx(@0xE);
    let system = object::id(world.system());
    let id = derived_object::derive_address(system, 1u32).to_id();
    let committee = world.scenario().take_immutable_by_id<EpochCommittee>(id);
    // Byte for byte: epoch 1, its schedule, four members in order, ten owners.
    let bytes = sui::bcs::to_bytes(&committee);
    let mut bcs = sui::bcs::new(bytes);
    assert_eq!(bcs.peel_address(), id.to_address());
    assert_eq!(bcs.peel_u32(), 1);
    assert_eq!(bcs.peel_u64(), 10_000);
    assert_eq!(bcs.peel_u64(), 10_000);
    let nodes = world.staking().committee().nodes();
    let weights = world.staking().committee().weights();
    assert_eq!(bcs.peel_vec_length(), 4);
    4u64.do!(|i| {
        assert_eq!(bcs.peel_address(), nodes[i].to_address());
        assert_eq!(bcs.peel_u16(), weights[i]);
        let keys = world.staking().pool(nodes[i]).keys();
        assert_eq!(bcs.peel_vec_u8(), keys.bls());
        assert_eq!(bcs.peel_vec_u8(), keys.ed25519());
    });
    assert_eq!(bcs.peel_vec!(|bcs| bcs.peel_u16()), *world.staking().committee().owners());
    assert!(bcs.into_remainder_bytes().is_empty());
    test_scenario::return_immutable(committee);
    world.end();
}

#[test]
fun income_is_divided_by_weight_and_a_part_is_burned() {
    let mut world = world::standard();
    let gift = world.coin(1_000_003);
    let (system, _, _, _, _) = world.parts();
    system.add_funds(1, gift);
    let supply = supply(&world);
    world.pass(10_000);
    world.select();
    world.advance();
    // 3 % burned (30,000), tenths of 970,003 paid, and 3 units carried over.
    let (to_burn, unpaid) = world.staking().unpaid();
    assert_eq!(to_burn, 30_000);
    assert_eq!(unpaid, 97_000 * 10);
    assert_eq!(world.system().ledger().owed(2), 3);
    world.settle(2);
    assert_eq!(supply - supply(&world), 30_000);
    assert!(world.staking().has_payout());
    world.settle(1_000);
    assert!(!world.staking().has_payout());
    assert_eq!(world.staking().pool(world.node(0)).active(), wal(400) + 97_000 * 3 * 9 / 10);
    assert_eq!(world.staking().pool(world.node(3)).active(), wal(100) + 97_000 * 9 / 10);
    // Settling again finds nothing to do.
    world.settle(1);
    world.end();
}

#[test]
fun income_of_epoch_zero_goes_to_the_first_committee() {
    let mut world = world::new(10, world::default_params());
    let gift = world.coin(500);
    let (system, _, _, _, _) = world.parts();
    system.add_funds(0, gift);
    let k = world.register();
    destroy(world.stake(k, 10));
    world.next_epoch();
    assert_eq!(world.system().ledger().owed(1), 500);
    world.end();
}

#[test]
fun votes_become_the_terms_of_the_next_epoch() {
    let mut world = world::standard();
    let (_, staking, _, caps, _) = world.parts();
    caps.do_ref!(|cap| staking.set_vote(cap, terms::vote(5, 6, 7_000)));
    assert_eq!(world.system().terms().storage_price(), 1_000);
    world.next_epoch();
    assert_eq!(world.system().terms().storage_price(), 5);
    assert_eq!(world.system().terms().write_price(), 6);
    assert_eq!(world.system().terms().capacity(), 23_333);
    world.end();
}

#[test]
fun rotated_keys_are_in_the_next_committee() {
    let mut world = world::standard();
    let old = world.bitmap(vector[0]);
    world.next_tx(world::account(0));
    let (_, staking, _, caps, ctx) = world.parts();
    staking.rotate_keys(
        &caps[0],
        world::bls_key(300),
        world::ed25519_key(300),
        world::bls_proof(300),
        world::ed25519_proof(300),
        ctx,
    );
    assert!(!in_committee_object(&mut world, 1, world::bls_key(300)));
    world.next_epoch();
    assert!(in_committee_object(&mut world, 2, world::bls_key(300)));
    assert!(!in_committee_object(&mut world, 2, world::bls_key(0)));
    assert_eq!(world.bitmap(vector[0]), old);
    world.end();
}

#[test]
fun a_node_that_leaves_hands_its_shards_on() {
    let mut world = world::new(10, world::default_params());
    let mut stakes = vector::tabulate!(4, |_| {
        let k = world.register();
        world.stake(k, 100)
    });
    world.next_epoch();
    let before = *world.staking().committee();
    world.request_exit(&mut stakes[2]);
    world.next_epoch();
    let after = *world.staking().committee();
    assert_eq!(after.weight_of(world.node(2)), 0);
    assert_eq!(after.nodes().length(), 3);
    // Whoever stayed kept what it had.
    let mut moved = 0;
    10u64.do!(|shard| {
        let (old, new) = (before.nodes()[before.owners()[shard] as u64], after.nodes()[after.owners()[shard] as u64]);
        if (old != new) {
            moved = moved + 1;
            assert_eq!(old, world.node(2));
        }
    });
    assert_eq!(moved, before.weight_of(world.node(2)));
    destroy(stakes);
    world.end();
}

// === Refusals ===

#[test, expected_failure(abort_code = schedule::ETooEarly)]
fun selection_waits_for_its_time() {
    let mut world = world::standard();
    world.pass(4_999);
    world.select();
    abort
}

#[test, expected_failure(abort_code = schedule::EPhase)]
fun selection_happens_once() {
    let mut world = world::standard();
    world.pass(10_000);
    world.select();
    world.select();
    abort
}

#[test, expected_failure(abort_code = schedule::EPhase)]
fun selection_waits_for_the_sync() {
    let mut world = world::standard();
    world.pass(10_000);
    world.select();
    world.advance();
    world.settle(1_000);
    world.pass(10_000);
    world.select();
    abort
}

#[test, expected_failure(abort_code = epoch::EUnsettled)]
fun selection_waits_for_the_pay() {
    let mut world = world::standard();
    world.pass(10_000);
    world.select();
    world.advance();
    world.sync_all();
    world.pass(10_000);
    world.select();
    abort
}

#[test, expected_failure(abort_code = epoch::ENoCandidates)]
fun selection_waits_for_a_candidate() {
    let mut world = world::new(10, world::default_params());
    world.pass(10_000);
    world.select();
    abort
}

#[test, expected_failure(abort_code = schedule::EPhase)]
fun an_epoch_does_not_end_without_a_successor() {
    let mut world = world::standard();
    world.pass(10_000);
    world.advance();
    abort
}

#[test, expected_failure(abort_code = schedule::ETooEarly)]
fun an_epoch_does_not_end_early() {
    let mut world = world::standard();
    world.pass(9_999);
    world.select();
    world.advance();
    abort
}

#[test, expected_failure(abort_code = epoch::EWrongEpoch)]
fun nobody_is_synced_for_another_epoch() {
    let mut world = world::standard();
    world.sync_for(0, 2);
    abort
}

#[test, expected_failure(abort_code = epoch::ENotMember)]
fun only_members_sync() {
    let mut world = world::standard();
    let k = world.register();
    world.sync(k);
    abort
}

#[test, expected_failure(abort_code = staking::EVersion)]
fun an_old_package_does_not_select() {
    let mut world = world::standard();
    let (_, staking, _, _, _) = world.parts();
    staking.set_version_for_testing(2);
    world.select();
    abort
}

fun create(package: address, chain_id: vector<u8>, shards: u16, horizon: u32, epoch_zero_ms: u64) {
    let ctx = &mut tx_context::dummy();
    let upgrade_cap = package::test_publish(package.to_id(), ctx);
    let params: Params = world::default_params();
    let (_system, _staking) =
        epoch::create(upgrade_cap, chain_id, shards, horizon, epoch_zero_ms, params, 0, ctx);
    abort
}

fun supply(world: &World): u64 { world.currency().total_supply().destroy_some() }

fun in_committee_object(world: &mut World, epoch: u32, key: vector<u8>): bool {
    world.next_tx(@0xE);
    let id = derived_object::derive_address(object::id(world.system()), epoch).to_id();
    let committee = world.scenario().take_immutable_by_id<EpochCommittee>(id);
    let bytes = sui::bcs::to_bytes(&committee);
    test_scenario::return_immutable(committee);
    let mut found = false;
    (bytes.length() - key.length()).do!(|at| {
        let mut same = true;
        let mut i = 0;
        while (same && i < key.length()) {
            same = bytes[at + i] == key[i];
            i = i + 1;
        };
        if (same) found = true;
    });
    found
}
