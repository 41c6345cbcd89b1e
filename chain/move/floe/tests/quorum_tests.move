#[test_only]
module floe::quorum_tests;

use floe::bls;

#[test]
fun thresholds_are_the_least_that_meet_their_rule() {
    1024u16.do!(|i| {
        let (shards, n) = (i + 1, i as u64 + 1);
        let (quorum, validity) = (bls::quorum(shards), bls::validity(shards));
        assert!(3 * quorum >= 2 * n + 1 && 3 * (quorum - 1) < 2 * n + 1);
        assert!(3 * validity >= n + 1 && 3 * (validity - 1) < n + 1);
    })
}
