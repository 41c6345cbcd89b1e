/// Random histories of delegators, operators and epochs over the whole package. After every step the books must
/// balance to the last unit; every history ends with everyone out.
///
/// Invariants: I1 pot = sum owed. I3 weights sum to the shards and keep the cap. I4 owners match weights, and no
/// more shards move than owners lose. I5 each vault can pay all it owes. I6 live shares never exceed the pool's.
/// I7 the rank knows every settled pool's weight. I8 the unpaid pot is the sum of unpaid pays. I9 supply falls
/// exactly by what is burned. I15 the change of epochs never aborts. And nobody takes out more than was put in and
/// what a share has grown since.
#[test_only]
module floe::stake_history_tests;

use floe::apportion;
use floe::committee::Committee;
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

/// A claim, and what was put in for it at the start of `since`.
public struct Holding { stake: Stake, principal: u64, since: u32 }

#[test]
fun room_for_all_seed_1() { history(1, 300) }

#[test]
fun rank_too_small_seed_1() { history(1, 4) }

fun history(seed: u64, max_nodes: u16) {
    let rng = &mut lcg::new(seed);
    let params = params::new(10_000, 5_000, rng.below(2_000) as u16, 1_000, max_nodes, wal(10));
    let mut world = world::new(SHARDS, params);
    NODES.do!(|_| { world.register_with(b"node", rng.below(10_001) as u16); });
    let mut holdings = vector[];
    // Two nodes whose stake stays, so that there always is a committee.
    2u16.do!(|k| stake(&mut world, &mut holdings, k, wal(50)));
    STEPS.do!(|_| {
        step(rng, &mut world, &mut holdings);
        check(&world, &holdings);
    });
    everyone_leaves(&mut world, holdings);
    world.end();
}

fun stake(world: &mut World, holdings: &mut vector<Holding>, k: u16, principal: u64) {
    let stake = world.stake_units(k, principal);
    let since = stake.pending_from().destroy_some();
    holdings.push_back(Holding { stake, principal, since });
}

fun step(rng: &mut Lcg, world: &mut World, holdings: &mut vector<Holding>) {
    let k = rng.below(NODES as u64) as u16;
    let choice = rng.below(20);
    if (choice < 5) {
        let amount = wal(1) + rng.below(wal(60));
        stake(world, holdings, k, amount);
    } else if (choice < 9) {
        let i = rng.below(holdings.length());
        try_leave(world, holdings, i);
    } else if (choice == 9) {
        let i = rng.below(holdings.length());
        let amount = holdings[i].stake.amount();
        if (i >= 2 && amount > 1) {
            let part = 1 + (rng.below((amount - 1) as u64) as u128);
            let rest = holdings[i].split(part, world.ctx());
            holdings.push_back(rest);
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
        let before = *world.staking().committee();
        world.advance();
        world.sync_all();
        let committee = world.staking().committee();
        check_moves(&before, committee);
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

/// The shards that changed hands are those that nobody held and those that their owners lost.
fun check_moves(before: &Committee, after: &Committee) {
    let owners = before.owners_among(after.nodes());
    let (mut moved, mut least) = (0, owners.count!(|owner| *owner == apportion::nobody()));
    owners.length().do!(|shard| if (owners[shard] != after.owners()[shard]) moved = moved + 1);
    after.weights().length().do!(|i| {
        let (held, kept) = (owners.count!(|owner| *owner as u64 == i), after.weights()[i] as u64);
        if (held > kept) least = least + held - kept;
    });
    assert_eq!(moved, least);
}

/// Takes holding number `i` one step towards its owner. The first two stay.
fun try_leave(world: &mut World, holdings: &mut vector<Holding>, i: u64) {
    if (i < 2) return;
    let (epoch, target) = (world.system().epoch(), world.staking().schedule().target_epoch());
    let (pending, exiting) = (holdings[i].stake.pending_from(), holdings[i].stake.exiting_at());
    if (pending == option::some(target) || exiting.is_some_and!(|at| *at <= epoch)) {
        let Holding { stake, principal, since } = holdings.swap_remove(i);
        let node = stake.node();
        let got = world.withdraw(stake);
        if (exiting.is_some()) {
            let pool = world.staking().pool(node);
            let (active_in, shares_in) = pool.rate_at(since);
            let (active_out, shares_out) = pool.rate_at(exiting.destroy_some());
            // A pool without shares gives one for each unit.
            let (active_in, shares_in) = if (shares_in == 0) (1, 1) else (active_in, shares_in);
            let paid = (got as u256) * (active_in as u256) * (shares_out as u256);
            assert!(paid <= (principal as u256) * (shares_in as u256) * (active_out as u256));
        } else assert_eq!(got, principal);
    } else if (exiting.is_none() && !pending.is_some_and!(|from| *from > epoch)) {
        world.request_exit(&mut holdings[i].stake);
    }
}

/// Divides the principal as the claim is, for either part rounded up.
fun split(self: &mut Holding, part: u128, ctx: &mut TxContext): Holding {
    let Holding { stake, principal, since } = self;
    let (before, whole) = (*principal, stake.amount());
    let rest = stake.split(part, ctx);
    *principal = share_of(before, part, whole);
    Holding { principal: share_of(before, rest.amount(), whole), stake: rest, since: *since }
}

fun share_of(principal: u64, part: u128, whole: u128): u64 {
    ((principal as u256) * (part as u256)).divide_and_round_up(whole as u256) as u64
}

fun check(world: &World, holdings: &vector<Holding>) {
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
            holdings.do_ref!(|holding| if (holding.stake.node() == node) {
                let stake = &holding.stake;
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
fun everyone_leaves(world: &mut World, mut holdings: vector<Holding>) {
    while (holdings.length() > 2) {
        let mut i = holdings.length();
        while (i > 2) {
            i = i - 1;
            try_leave(world, &mut holdings, i);
        };
        check(world, &holdings);
        conduct(world);
    };
    check(world, &holdings);
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
    destroy(holdings);
}
