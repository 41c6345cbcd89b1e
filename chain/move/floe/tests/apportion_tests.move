#[test_only]
module floe::apportion_tests;

use floe::apportion;
use floe::lcg;
use std::unit_test::assert_eq;

#[test]
fun few_nodes_are_capped_at_what_the_network_survives_losing() {
    assert_eq!(apportion::cap(1, 10, 1_000), 10);
    assert_eq!(apportion::cap(4, 10, 1_000), 3);
    assert_eq!(apportion::cap(10, 10, 1_000), 2);
    assert_eq!(apportion::cap(10, 1_000, 1_000), 200);
    assert_eq!(apportion::cap(4, 1_000, 1_000), 333);
    assert_eq!(apportion::cap(3, 1_000, 1_000), 334);
}

#[test]
fun many_nodes_are_capped_at_a_part_of_all_shards() {
    assert_eq!(apportion::cap(20, 1_000, 1_000), 100);
    assert_eq!(apportion::cap(300, 1_000, 1_000), 100);
    // Never less than what it takes to place every shard.
    assert_eq!(apportion::cap(20, 1_000, 1), 50);
}

#[test]
fun quotas_follow_stake_by_highest_averages() {
    // 100:80:30:20 and eight seats, the textbook example without a cap in the way.
    let stakes = vector[100, 80, 30, 20];
    assert_eq!(apportion::quotas(&stakes, 8, 1_000), vector[2, 2, 2, 2]);
    assert_eq!(apportion::quotas(&vector[1, 1, 1, 1], 10, 1_000), vector[3, 3, 2, 2]);
    assert_eq!(apportion::quotas(&vector[400, 300, 200, 100], 10, 1_000), vector[3, 3, 3, 1]);
    assert_eq!(apportion::quotas(&vector[0, 5, 0], 4, 1_000), vector[0, 4, 0]);
}

/// The quick way (bounds first, then the rest one by one) against the definition (every seat one by one).
#[test]
fun quotas_equal_the_definition() {
    let mut rng = lcg::new(1);
    60u64.do!(|round| {
        let nodes = 1 + rng.below(30);
        let shards = (4 + rng.below(120)) as u16;
        // Equal, similar and wildly different stakes.
        let spread = vector[1, 1_000, std::u64::max_value!() / 30][round % 3];
        let stakes = vector::tabulate!(nodes, |i| if (i > 0 && rng.below(9) == 0) 0 else 1 + rng.below(spread));
        let cap_bps = (1 + rng.below(3_000)) as u16;
        let quotas = apportion::quotas(&stakes, shards, cap_bps);
        assert_eq!(quotas, one_by_one(&stakes, shards, cap_bps));
    })
}

/// I3 and I4: quotas sum to the shards and keep the cap; every shard has an owner; each owner has its quota; and the
/// shards that move are exactly the sum of what owners lose.
#[test]
fun assignments_are_total_and_move_the_least() {
    let mut rng = lcg::new(2);
    60u64.do!(|_| {
        let nodes = 1 + rng.below(25);
        let shards = (4 + rng.below(150)) as u16;
        let before = random_owners(&mut rng, nodes, shards);
        let stakes = vector::tabulate!(nodes, |_| 1 + rng.below(1_000));
        let quotas = apportion::quotas(&stakes, shards, 1_000);
        let cap = apportion::cap(nodes, shards as u64, 1_000);
        assert_eq!(quotas.fold!(0, |sum, quota| sum + quota), shards);
        assert!(quotas.all!(|quota| *quota as u64 <= cap));

        let after = apportion::assign(&before, &quotas);
        let (held, kept) = (count(&before, nodes), count(&after, nodes));
        assert_eq!(kept, quotas.map!(|quota| quota as u64));
        let nobody = before.count!(|owner| *owner == apportion::nobody());
        let mut least = nobody;
        nodes.do!(|i| if (held[i] > kept[i]) least = least + held[i] - kept[i]);
        let mut moved = 0;
        (shards as u64).do!(|shard| if (before[shard] != after[shard]) moved = moved + 1);
        assert_eq!(moved, least);
    })
}

fun one_by_one(stakes: &vector<u64>, shards: u16, cap_bps: u16): vector<u16> {
    let nodes = stakes.count!(|stake| *stake > 0);
    let cap = apportion::cap(nodes, shards as u64, cap_bps) as u16;
    let mut quotas = stakes.map_ref!(|_| 0u16);
    shards.do!(|_| {
        let mut best = stakes.length();
        stakes.length().do!(|i| {
            if (stakes[i] > 0 && quotas[i] < cap) {
                let better = best == stakes.length() || (stakes[i] as u128) * (quotas[best] as u128 + 1)
                    > (stakes[best] as u128) * (quotas[i] as u128 + 1);
                if (better) best = i;
            }
        });
        *&mut quotas[best] = quotas[best] + 1;
    });
    quotas
}

fun random_owners(rng: &mut lcg::Lcg, nodes: u64, shards: u16): vector<u16> {
    vector::tabulate!(shards as u64, |_| {
        let owner = rng.below(nodes + 1);
        if (owner == nodes) apportion::nobody() else owner as u16
    })
}

fun count(owners: &vector<u16>, nodes: u64): vector<u64> {
    vector::tabulate!(nodes, |node| owners.count!(|owner| *owner as u64 == node))
}
