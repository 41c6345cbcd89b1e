/// Uses a package that is upgraded: which version runs is for the linkage to say.
module crane::crane;

use pulley::pulley::{Self, Rope};
use std::type_name;

public fun lift(length: u64): u64 { pulley::rope(length).turns() }

public fun turn(rope: Rope): u64 { rope.turns() }

public fun load(weight: u64) { pulley::check(weight) }

public fun rope_type(): vector<u8> { type_name::with_defining_ids<Rope>().into_string().into_bytes() }
