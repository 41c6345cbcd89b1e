#[test_only]
module wal::wal_tests;

use sui::coin::Coin;
use sui::coin_registry::Currency;
use sui::test_scenario as ts;
use wal::wal::{Self, WAL};

const PUBLISHER: address = @0xA;
/// Where a new currency waits until anyone calls `coin_registry::finalize_registration`.
const COIN_REGISTRY: address = @0xC;

#[test]
fun issue_goes_to_the_publisher_and_supply_only_falls() {
    let mut world = ts::begin(PUBLISHER);
    wal::init_for_testing(world.ctx());

    world.next_tx(PUBLISHER);
    let mut currency = world.take_from_address<Currency<WAL>>(COIN_REGISTRY);
    let mut issue = world.take_from_sender<Coin<WAL>>();
    assert!(currency.decimals() == 9);
    assert!(currency.is_supply_burn_only());
    assert!(currency.is_metadata_cap_deleted());
    assert!(issue.value() == 5_000_000_000_000_000_000);
    assert!(currency.total_supply() == option::some(issue.value()));

    currency.burn(issue.split(7, world.ctx()));
    assert!(currency.total_supply() == option::some(issue.value()));

    world.return_to_sender(issue);
    ts::return_to_address(COIN_REGISTRY, currency);
    world.end();
}
