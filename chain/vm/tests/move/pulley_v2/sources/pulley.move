/// The next version: turns twice as often, carries more, and has a new type.
module pulley::pulley;

const ETooHeavy: u64 = 2;

public struct Rope has copy, drop, store { length: u64 }

public struct Chain has copy, drop, store { links: u64 }

public fun rope(length: u64): Rope { Rope { length } }

public fun chain(links: u64): Chain { Chain { links } }

public fun turns(rope: &Rope): u64 { 2 * rope.length }

public fun check(weight: u64) { assert!(weight <= 20, ETooHeavy) }
