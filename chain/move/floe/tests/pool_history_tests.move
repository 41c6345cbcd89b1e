/// Random lives of one pool. I5 the vault holds exactly what came in and has not gone out, and can pay all it owes;
/// I6 live shares never exceed the pool's; a share's worth never falls; and nobody gets more than the growth of a
/// share over the time they were in.
#[test_only]
module floe::pool_history_tests;

use floe::keys;
use floe::lcg::{Self, Lcg};
use floe::pool::{Self, Pool};
use floe::terms;
use std::unit_test::{assert_eq, destroy};
use sui::balance;

const LIVES: u64 = 40;
const EPOCHS: u32 = 12;
const STAYS: u32 = 0xffffffff;

/// `amount` that became shares at `since` and leaves at `until`.
public struct Claim has copy, drop { amount: u64, since: u32, until: u32 }

#[test]
fun lives_seed_1() { lives(1) }

fun lives(seed: u64) {
    let rng = &mut lcg::new(seed);
    let ctx = &mut tx_context::dummy();
    LIVES.do!(|_| life(rng, ctx));
}

fun life(rng: &mut Lcg, ctx: &mut TxContext) {
    let keys = keys::unproved_for_testing();
    let commission_bps = rng.below(10_001) as u16;
    let vote = terms::vote(0, 0, 0);
    let mut pool = pool::new(b"".to_string(), vector[], keys, vote, commission_bps, 0, ctx);
    // From a few units, where rounding is everything, to a good part of all the WAL there is.
    let scale = 1 << (rng.below(54) as u8);
    let (mut vault, mut claims) = (0, vector<Claim>[]);
    let mut epoch = 0;
    while (epoch < EPOCHS) {
        // Once the next committee is selected, moves take effect an epoch later.
        2u32.do!(|selected| {
            let target = epoch + 1 + selected;
            rng.below(3).do!(|_| {
                let amount = 1 + rng.below(scale);
                pool.enter(balance::create_for_testing(amount), target);
                claims.push_back(Claim { amount, since: target, until: STAYS });
                vault = vault + amount;
            });
            claims.do_mut!(|claim| if (claim.since <= epoch && claim.until == STAYS && rng.below(3) == 0) {
                let shares = pool.shares_of(claim.amount, claim.since);
                pool.exit(shares, target);
                claim.until = target;
            });
        });
        let pay = if (pool.shares() == 0) 0 else rng.below(scale);
        vault = vault + pay;
        let (active, shares) = pool.worth_of_all();
        epoch = epoch + 1;
        pool.settle(epoch, balance::create_for_testing(pay));
        let (active_now, shares_now) = pool.worth_of_all();
        if (shares > 0 && shares_now > 0)
            assert!((active_now as u256) * (shares as u256) >= (active as u256) * (shares_now as u256));
        vault = vault - withdraw_all_due(&mut pool, &mut claims, epoch);
        vault = vault - pool.collect_commission().destroy_for_testing();
        assert_eq!(pool.vault(), vault);
        assert!(pool.vault() >= pool.owed());
        let live = claims.fold!(0, |sum, claim|
            if (claim.since <= epoch) sum + pool.shares_of(claim.amount, claim.since) else sum);
        assert!(live <= pool.shares());
    };
    destroy(pool);
}

/// What everyone whose exit has come gets out, each at most their stake times the growth of a share.
fun withdraw_all_due(pool: &mut Pool, claims: &mut vector<Claim>, epoch: u32): u64 {
    let mut sum = 0;
    let mut i = 0;
    while (i < claims.length()) {
        let Claim { amount, since, until } = claims[i];
        if (until <= epoch) {
            claims.swap_remove(i);
            let shares = pool.shares_of(amount, since);
            let paid = pool.pay_out(shares, until).destroy_for_testing();
            let (active_in, shares_in) = pool.rate_at(since);
            let (active_out, shares_out) = pool.rate_at(until);
            if (shares_in > 0) {
                let got = (paid as u256) * (active_in as u256) * (shares_out as u256);
                assert!(got <= (amount as u256) * (shares_in as u256) * (active_out as u256));
            };
            sum = sum + paid;
        } else i = i + 1;
    };
    sum
}
