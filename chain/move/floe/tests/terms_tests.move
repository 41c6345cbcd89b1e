#[test_only]
module floe::terms_tests;

use floe::terms;
use std::unit_test::assert_eq;

/// Ten shards: a quorum is seven.
const WEIGHTS: vector<u16> = vector[3, 3, 3, 1];

#[test]
fun a_third_cannot_move_the_terms() {
    let honest = terms::vote(10, 20, 1_000);
    let greedy = terms::vote(1_000_000, 1_000_000, 0);
    let terms = terms::tally(&vector[greedy, honest, honest, honest], &WEIGHTS, 10);
    assert_eq!(terms.storage_price(), 10);
    assert_eq!(terms.write_price(), 20);
    // 1,000 bytes on 3 of 10 shards carry 3,333 in all; a node with one shard could carry 10,000.
    assert_eq!(terms.capacity(), 3_333);
}

#[test]
fun the_quorum_that_is_easiest_to_please_decides() {
    let votes = vector[
        terms::vote(1, 8, 300),
        terms::vote(2, 4, 600),
        terms::vote(3, 2, 900),
        terms::vote(4, 1, 100),
    ];
    let terms = terms::tally(&votes, &WEIGHTS, 10);
    // Accepted by weights 3 + 3 + 3, the first sum that reaches seven, and by 1 + 3 + 3.
    assert_eq!(terms.storage_price(), 3);
    assert_eq!(terms.write_price(), 4);
    // Carried: 1,000 2,000 3,000 1,000; from above, 3 + 3 do not reach seven and the next does.
    assert_eq!(terms.capacity(), 1_000);
}

#[test]
fun votes_of_any_size_are_counted() {
    let max = std::u64::max_value!();
    let votes = vector::tabulate!(4, |_| terms::vote(max, max, max));
    let terms = terms::tally(&votes, &WEIGHTS, 10);
    assert_eq!(terms.storage_price(), max);
    assert_eq!(terms.capacity(), max);
}
