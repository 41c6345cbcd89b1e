/// 300 nodes and 1,000 shards: one change of epochs, every object far below Sui's limit of 250 KiB.
#[test_only]
module floe::scale_tests;

use floe::committee::EpochCommittee;
use floe::params;
use floe::world::{Self, wal};
use std::unit_test::{assert_eq, destroy};
use sui::bcs;
use sui::derived_object;
use sui::test_scenario;

const NODES: u16 = 300;
const SHARDS: u16 = 1_000;

#[test]
fun three_hundred_nodes_change_epochs() {
    let params = params::new(10_000, 5_000, 300, 1_000, NODES, wal(10));
    let mut world = world::new(SHARDS, params);
    NODES.do!(|k| {
        world.register();
        // Stakes from 10 to 20 WAL, and one whale that wants everything.
        destroy(world.stake(k, if (k == 7) 1_000_000 else 10 + (k as u64) % 11));
    });
    world.next_epoch();
    let first = *world.staking().committee();
    assert_eq!((*first.weights()).fold!(0, |sum, weight| sum + (weight as u64)), SHARDS as u64);
    assert_eq!(first.weight_of(world.node(7)), 100);
    assert_eq!(first.nodes().length(), NODES as u64);

    let gift = world.coin(wal(1_000));
    let (system, _, _, _, _) = world.parts();
    system.add_funds(1, gift);
    destroy(world.stake(0, 500));
    world.next_epoch();
    // One transaction settles 180 pools, whatever it is asked for.
    world.settle(1_000);
    assert!(world.staking().has_payout());
    world.settle(119);
    assert!(world.staking().has_payout());
    world.settle(1);
    assert!(!world.staking().has_payout());

    // Only what node 0 gained has moved.
    let second = *world.staking().committee();
    let mut moved = 0;
    (SHARDS as u64).do!(|shard| if (first.owners()[shard] != second.owners()[shard]) moved = moved + 1);
    assert_eq!(moved, (second.weight_of(world.node(0)) - first.weight_of(world.node(0))) as u64);

    world.next_tx(@0xE);
    let id = derived_object::derive_address(object::id(world.system()), 2u32).to_id();
    let object = world.scenario().take_immutable_by_id<EpochCommittee>(id);
    let sizes = vector[
        bcs::to_bytes(&object).length(),
        bcs::to_bytes(world.staking().rank()).length(),
        bcs::to_bytes(world.staking().cards()).length(),
        bcs::to_bytes(world.staking().committee()).length(),
        bcs::to_bytes(world.system()).length(),
    ];
    assert!(sizes.all!(|size| *size < 50_000));
    test_scenario::return_immutable(object);
    world.end();
}
