/// What every function of the corpus draws its operands from, and folds its results into.
module corpus::random;

use sui::bcs;

public struct Source has copy, drop { state: u64 }

public struct Log has copy, drop { bytes: vector<u8> }

public fun source(seed: u64): Source { Source { state: seed ^ 0x9e37_79b9_7f4a_7c15 } }

public fun log(): Log { Log { bytes: vector[] } }

/// The next number of at most `bits` bits, often near one of its ends.
public fun bits(self: &mut Source, bits: u8): u64 {
    let n = self.next();
    let max: u64 = if (bits >= 64) 0xffff_ffff_ffff_ffff else (1 << bits) - 1;
    let kind = n % 8;
    if (kind == 0) 0
    else if (kind == 1) max
    else if (kind == 2) max - n / 8 % 4
    else (n >> 8) & max
}

public fun next(self: &mut Source): u64 {
    let wide = (self.state as u128) * 6364136223846793005 + 1442695040888963407;
    self.state = (wide & 0xffff_ffff_ffff_ffff) as u64;
    self.state ^ (self.state >> 29)
}

public fun below(self: &mut Source, n: u64): u64 { self.next() % n }

public fun put<T: drop>(self: &mut Log, value: T) {
    self.bytes.append(bcs::to_bytes(&value));
}

public fun put_ref<T>(self: &mut Log, value: &T) {
    self.bytes.append(bcs::to_bytes(value));
}

public fun done(self: Log): vector<u8> {
    let Log { bytes } = self;
    bytes
}
