/// What governance may tune, each within hard bounds.
module floe::params;

/// A parameter lies outside its bounds.
const EBounds: u64 = 1;

const WHOLE_BPS: u16 = 10_000;
/// A year; keeps every instant far below the limits of u64.
const MAX_EPOCH_MS: u64 = 366 * 24 * 60 * 60 * 1000;
/// Above this many nodes the immutable committee object would outgrow Sui's limit.
const MAX_NODES: u16 = 1_000;

public struct Params has copy, drop, store {
    /// Length of an epoch, counted from one `advance` to the next.
    epoch_ms: u64,
    /// When, in parts of the epoch, the next committee is selected.
    select_bps: u16,
    /// Part of an epoch's income that is burned.
    burn_bps: u16,
    /// Most shards that one of many nodes may hold.
    cap_bps: u16,
    /// Nodes that compete for shards.
    max_nodes: u16,
    /// Stake, in units of WAL, below which a node does not compete.
    min_stake: u64,
}

public fun new(
    epoch_ms: u64,
    select_bps: u16,
    burn_bps: u16,
    cap_bps: u16,
    max_nodes: u16,
    min_stake: u64,
): Params {
    check_epoch_ms(epoch_ms);
    assert!(select_bps <= WHOLE_BPS && burn_bps <= WHOLE_BPS, EBounds);
    assert!(0 < cap_bps && cap_bps <= WHOLE_BPS, EBounds);
    assert!(0 < max_nodes && max_nodes <= MAX_NODES, EBounds);
    assert!(min_stake > 0, EBounds);
    Params { epoch_ms, select_bps, burn_bps, cap_bps, max_nodes, min_stake }
}

public(package) fun check_epoch_ms(epoch_ms: u64) {
    assert!(0 < epoch_ms && epoch_ms <= MAX_EPOCH_MS, EBounds);
}

public fun epoch_ms(self: &Params): u64 { self.epoch_ms }

public fun select_bps(self: &Params): u16 { self.select_bps }

public fun burn_bps(self: &Params): u16 { self.burn_bps }

public fun cap_bps(self: &Params): u16 { self.cap_bps }

public fun max_nodes(self: &Params): u16 { self.max_nodes }

public fun min_stake(self: &Params): u64 { self.min_stake }
