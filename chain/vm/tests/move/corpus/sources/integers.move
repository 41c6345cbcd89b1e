/// Every operator on every width, with and without overflow.
module corpus::integers;

use corpus::random;

macro fun operators<$T>($out: &mut random::Log, $a: $T, $b: $T, $shift: u8) {
    let out = $out;
    let (a, b, shift) = ($a, $b, $shift);
    out.put(a | b);
    out.put(a & b);
    out.put(a ^ b);
    out.put(a << shift);
    out.put(a >> shift);
    out.put(a < b);
    out.put(a > b);
    out.put(a <= b);
    out.put(a >= b);
    out.put(a == b);
    out.put(a != b);
    if (b != 0) {
        out.put(a / b);
        out.put(a % b);
    };
    if (a >= b) out.put(a - b) else out.put(b - a);
    // Halves never overflow a sum.
    out.put(a / 2 + b / 2);
}

public fun all_widths(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    6u64.do!(|_| {
        operators!<u8>(&mut out, random.bits(8) as u8, random.bits(8) as u8, random.below(8) as u8);
        operators!<u16>(&mut out, random.bits(16) as u16, random.bits(16) as u16, random.below(16) as u8);
        operators!<u32>(&mut out, random.bits(32) as u32, random.bits(32) as u32, random.below(32) as u8);
        operators!<u64>(&mut out, random.bits(64), random.bits(64), random.below(64) as u8);
        operators!<u128>(&mut out, wide(&mut random), wide(&mut random), random.below(128) as u8);
        operators!<u256>(&mut out, widest(&mut random), widest(&mut random), random.below(256) as u8);
    });
    out.done()
}

fun wide(random: &mut random::Source): u128 { (random.bits(64) as u128) << 64 | (random.bits(64) as u128) }

fun widest(random: &mut random::Source): u256 { (wide(random) as u256) << 128 | (wide(random) as u256) }

/// Products that fit, and casts both ways.
public fun products_and_casts(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    8u64.do!(|_| {
        let (a, b) = (random.bits(64), random.bits(64));
        out.put((a as u128) * (b as u128));
        out.put((a as u256) * (b as u256) * (a as u256));
        out.put(((a & 0xff) as u8) as u256);
        out.put(((a & 0xffff) as u16) as u128);
        out.put(((a & 0xffff_ffff) as u32) as u64);
        out.put((((a as u256) << 100) >> 100) as u64);
        out.put((((b as u128) << 60) >> 60) as u64);
        out.put(a.max(b).sqrt());
        out.put(a.diff(b));
        out.put(((a % 9) as u8).pow(2));
        out.put(std::u128::divide_and_round_up(a as u128, (b as u128) + 1));
        out.put(std::u64::try_as_u8(a));
        out.put(std::u256::try_as_u128((a as u256) << ((b % 130) as u8)));
    });
    out.put(random::source(seed) == random);
    out.done()
}

macro fun may_overflow<$T>($a: $T, $b: $T, $operation: u64): $T {
    let (a, b, operation) = ($a, $b, $operation);
    if (operation == 0) a + b
    else if (operation == 1) a - b
    else if (operation == 2) a * b
    else if (operation == 3) a / b
    else a % b
}

/// Operations at the edge: many of these abort.
public fun overflow(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let width = random.below(6);
    let operation = random.below(5);
    if (width == 0) out.put(may_overflow!<u8>(random.bits(8) as u8, random.bits(8) as u8, operation))
    else if (width == 1) out.put(may_overflow!<u16>(random.bits(16) as u16, random.bits(16) as u16, operation))
    else if (width == 2) out.put(may_overflow!<u32>(random.bits(32) as u32, random.bits(32) as u32, operation))
    else if (width == 3) out.put(may_overflow!<u64>(random.bits(64), random.bits(64), operation))
    else if (width == 4) out.put(may_overflow!<u128>(wide(&mut random), wide(&mut random), operation))
    else out.put(may_overflow!<u256>(widest(&mut random), widest(&mut random), operation));
    out.done()
}

/// Shifts and casts that may not fit.
public fun out_of_range(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let kind = random.below(10);
    let value = random.bits(64);
    let shift = random.bits(8) as u8;
    if (kind == 0) out.put(1u8 << shift)
    else if (kind == 1) out.put(0x8000u16 >> shift)
    else if (kind == 2) out.put(7u32 << shift)
    else if (kind == 3) out.put(value >> shift)
    else if (kind == 4) out.put((value as u128) << shift)
    else if (kind == 5) out.put((value as u256) << shift)
    else if (kind == 6) out.put(value as u8)
    else if (kind == 7) out.put(value as u16)
    else if (kind == 8) out.put(value as u32)
    else out.put((((value as u128) << shift % 128) as u64) as u128);
    out.done()
}
