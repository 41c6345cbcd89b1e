/// A dependency that is upgraded.
module pulley::pulley;

const ETooHeavy: u64 = 1;

public struct Rope has copy, drop, store { length: u64 }

public fun rope(length: u64): Rope { Rope { length } }

public fun turns(rope: &Rope): u64 { rope.length }

public fun check(weight: u64) { assert!(weight <= 10, ETooHeavy) }
