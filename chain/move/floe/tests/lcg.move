/// A seeded generator for random histories: the same seed gives the same history for ever.
#[test_only]
module floe::lcg;

public struct Lcg has copy, drop { state: u64 }

public fun new(seed: u64): Lcg { Lcg { state: seed } }

/// A number in `0..bound`.
public fun below(self: &mut Lcg, bound: u64): u64 {
    // Knuth's multiplier; the high bits are the good ones.
    let next = (self.state as u128) * 6364136223846793005 + 1442695040888963407;
    self.state = (next & 0xffffffffffffffff) as u64;
    (((self.state >> 16) as u128) * (bound as u128) >> 48) as u64
}
