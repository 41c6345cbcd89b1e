/// Random histories of delegators, operators and epochs over the whole package. After every step the books must
/// balance to the last unit; every history ends with everyone out.
///
/// Invariants: I1 pot = sum owed. I3 weights sum to the shards and keep the cap. I4 owners match weights.
/// I5 each vault can pay all it owes. I6 live shares never exceed the pool's. I7 the rank knows every settled pool's
/// weight. I8 the unpaid pot is the sum of unpaid pays. I9 supply falls exactly by what is burned.
/// I15 the change of epochs never aborts.
#[test_only]
module floe::stake_history_tests;

use floe::apportion;
use floe::lcg::{Self, Lcg};
use floe::params;
use floe::rank;
use floe::stake::Stake;
use floe::terms;
use floe::world::{Self, World, wal};
use std::unit_test::{assert_eq, destroy};

const STEPS: u64 = 60;
const NODES: u16 = 6;
const SHARDS: u16 = 20;

#[test]
fun room_for_all_seed_1() { history(1, 300) }

#[test]
fun rank_too_small_seed_1() { history(1, 4) }

fun history(seed: u64, max_nodes: u16) {
    let rng = &mut lcg::new(seed);
    let params = params::new(10_000, 5_000, rng.below(2_000) as u16, 1_000, max_nodes, wal(10));
    let mut world = world::new(SHARDS, params);
    NODES.do!(|_| { world.register_with(b"node", rng.below(10_001) as u16); });
    let mut stakes = vector[];
    // Two nodes whose stake stays, so that there always is a committee.
    2u16.do!(|k| stakes.push_back(world.stake(k, 50)));
    STEPS.do!(|_| {
        step(rng, &mut world, &mut stakes);
        check(&world, &stakes);
    });
    everyone_leaves(&mut world, stakes);
    world.end();
}

fun step(rng: &mut Lcg, world: &mut World, stakes: &mut vector<Stake>) {
    let k = rng.below(NODES as u64) as u16;
    let choice = rng.below(20);
    if (choice < 5) {
        let amount = wal(1) + rng.below(wal(60));
        stakes.push_back(world.stake_units(k, amount));
    } else if (choice < 9) {
        let i = rng.below(stakes.length());
        try_leave(world, stakes, i);
    } else if (choice == 9) {
        let i = rng.below(stakes.length());
        let amount = stakes[i].amount();
        if (i >= 2 && amount > 1) {
            let part = 1 + (rng.below((amount - 1) as u64) as u128);
            let rest = stakes[i].split(part, world.ctx());
            stakes.push_back(rest);
        }
    } else if (choice == 10) {
        let epoch = world.system().epoch() + (rng.below(3) as u32);
        let gift = world.coin(rng.below(wal(30)));
        let (system, _, _, _, _) = world.parts();
        system.add_funds(epoch, gift);
    } else if (choice == 11) {
        let bps = rng.below(10_001) as u16;
        let (_, staking, _, caps, _) = world.parts();
        staking.set_commission(&caps[k as u64], bps);
    } else if (choice == 12) {
        world.next_tx(world::account(k));
        let node = world.node(k);
        let (_, staking, _, _, ctx) = world.parts();
        let coin = staking.collect_commission(node, ctx);
        world.put(coin);
    } else if (choice == 13) {
        let vote = terms::vote(rng.below(1 << 40), rng.below(1 << 40), rng.below(1 << 60));
        let (_, staking, _, caps, _) = world.parts();
        staking.set_vote(&caps[k as u64], vote);
    } else if (choice == 14) {
        world.settle(rng.below(3));
    } else if (choice == 15) {
        let node = world.node(k);
        let (_, staking, _, _, _) = world.parts();
        staking.settle_pool(node);
    } else conduct(world)
}

/// Whatever the change of epochs needs next. None of it may abort.
fun conduct(world: &mut World) {
    let selected = world.staking().schedule().target_epoch() == world.system().epoch() + 2;
    if (selected) {
        world.pass(10_000);
        world.advance();
        world.sync_all();
        let committee = world.staking().committee();
        let weights = committee.weights();
        assert_eq!((*weights).fold!(0, |sum, weight| sum + weight), SHARDS);
        let owners = committee.owners();
        weights.length().do!(|i| {
            assert!(weights[i] > 0);
            assert_eq!(owners.count!(|owner| *owner as u64 == i), weights[i] as u64);
        });
    } else {
        world.settle(1_000);
        let candidates = world.staking().rank().weights().count!(|weight| *weight > 0);
        world.pass(10_000);
        world.select();
        let cap = apportion::cap(candidates, SHARDS as u64, 1_000);
        let next = world.staking().selected_committee();
        assert!(next.weights().all!(|weight| *weight as u64 <= cap));
    }
}

/// Takes stake number `i` one step towards its owner. The first two stay.
fun try_leave(world: &mut World, stakes: &mut vector<Stake>, i: u64) {
    if (i < 2) return;
    let (epoch, target) = (world.system().epoch(), world.staking().schedule().target_epoch());
    let (pending, exiting) = (stakes[i].pending_from(), stakes[i].exiting_at());
    if (pending == option::some(target) || exiting.is_some_and!(|at| *at <= epoch)) {
        let stake = stakes.swap_remove(i);
        world.withdraw(stake);
    } else if (exiting.is_none() && !pending.is_some_and!(|from| *from > epoch)) {
        world.request_exit(&mut stakes[i]);
    }
}

fun check(world: &World, stakes: &vector<Stake>) {
    let pot = world.system().ledger().check();
    let (to_burn, unpaid) = world.staking().unpaid();
    let mut everything = world.purse() + pot + to_burn + unpaid;
    let epoch = world.system().epoch();
    NODES.do!(|k| {
        let node = world.node(k);
        let pool = world.staking().pool(node);
        everything = everything + pool.vault();
        // A pool that sleeps is judged once something wakes it.
        if (pool.epoch() == epoch) {
            let (mut withdrawable, mut live) = (0, 0);
            stakes.do_ref!(|stake| if (stake.node() == node) {
                let exiting = stake.exiting_at();
                if (exiting.is_some_and!(|at| *at <= epoch)) {
                    withdrawable = withdrawable + pool.worth(stake.amount(), *exiting.borrow());
                } else if (stake.pending_from().is_some_and!(|from| *from > epoch)) {
                    // Not in shares yet.
                } else live = live + shares(world, stake);
            });
            assert!(pool.vault() >= pool.owed() + withdrawable);
            assert!(live <= pool.shares());
            let (ranked, at) = rank::find(world.staking().rank().nodes(), node);
            if (ranked) assert_eq!(world.staking().rank().weights()[at], pool.weight());
        }
    });
    assert_eq!(everything, world.currency().total_supply().destroy_some());
}

fun shares(world: &World, stake: &Stake): u128 {
    let from = stake.pending_from();
    if (from.is_none()) return stake.amount();
    world.staking().pool(stake.node()).shares_of(stake.amount() as u64, from.destroy_some())
}

/// All stake but two leaves; what is left in the pools then is theirs, commission, and dust.
fun everyone_leaves(world: &mut World, mut stakes: vector<Stake>) {
    while (stakes.length() > 2) {
        let mut i = stakes.length();
        while (i > 2) {
            i = i - 1;
            try_leave(world, &mut stakes, i);
        };
        check(world, &stakes);
        conduct(world);
    };
    check(world, &stakes);
    world.settle(1_000);
    NODES.do!(|k| {
        let node = world.node(k);
        let (_, staking, _, _, _) = world.parts();
        staking.settle_pool(node);
        let pool = world.staking().pool(node);
        // Every withdrawal and every conversion left less than one unit behind.
        assert!(pool.vault() - pool.owed() <= STEPS + STEPS);
        if (k >= 2) assert_eq!(pool.shares() == 0, pool.active() == 0);
    });
    destroy(stakes);
}
