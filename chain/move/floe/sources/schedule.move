/// The epoch's state machine and nothing but: what may happen now, judged by phase and time alone.
///
///   Open --select, once due--> Selected --advance, once due--> Sync (epoch + 1) --quorum synced--> Open
module floe::schedule;

/// Not in this phase.
const EPhase: u64 = 1;
/// Not due yet.
const ETooEarly: u64 = 2;

const WHOLE_BPS: u64 = 10_000;

public enum Phase has copy, drop, store {
    /// The committee works; the next one is not known.
    Open,
    /// The next committee is known.
    Selected,
    /// Members that weigh `weight` hold all their shards; until a quorum does, shards are on their way.
    Sync { weight: u64 },
}

public struct Schedule has copy, drop, store {
    epoch: u32,
    phase: Phase,
    /// When the epoch began.
    started_ms: u64,
    /// When its quorum was synced; zero until then.
    opened_ms: u64,
    duration_ms: u64,
}

/// Epoch 0, which has no committee and nothing to sync.
public(package) fun genesis(now_ms: u64, duration_ms: u64): Schedule {
    Schedule { epoch: 0, phase: Phase::Open, started_ms: now_ms, opened_ms: now_ms, duration_ms }
}

/// Open to Selected, once `select_bps` of the epoch are over.
public(package) fun select(self: &mut Schedule, now_ms: u64, select_bps: u16) {
    assert!(self.phase == Phase::Open, EPhase);
    let wait_ms = self.duration_ms * (select_bps as u64) / WHOLE_BPS;
    assert!(now_ms >= self.started_ms + wait_ms, ETooEarly);
    self.phase = Phase::Selected;
}

/// Aborts unless the epoch is over and the next committee known.
public(package) fun check_over(self: &Schedule, now_ms: u64) {
    assert!(self.phase == Phase::Selected, EPhase);
    assert!(now_ms >= self.ends_ms(), ETooEarly);
}

/// Selected to the next epoch's Sync, once the epoch is over.
public(package) fun advance(self: &mut Schedule, now_ms: u64, next_duration_ms: u64) {
    self.check_over(now_ms);
    self.epoch = self.epoch + 1;
    self.phase = Phase::Sync { weight: 0 };
    self.started_ms = now_ms;
    self.opened_ms = 0;
    self.duration_ms = next_duration_ms;
}

/// Counts a member's weight; true if the epoch opens by it. A member that is late has no effect.
public(package) fun synced(self: &mut Schedule, now_ms: u64, member: u16, quorum: u64): bool {
    match (&mut self.phase) {
        Phase::Sync { weight } => {
            *weight = *weight + (member as u64);
            if (*weight < quorum) return false;
        },
        _ => return false,
    };
    self.phase = Phase::Open;
    self.opened_ms = now_ms;
    true
}

/// The first epoch whose committee is still open: stake moves take effect there.
public fun target_epoch(self: &Schedule): u32 {
    if (self.phase == Phase::Selected) self.epoch + 2 else self.epoch + 1
}

public fun epoch(self: &Schedule): u32 { self.epoch }

/// The earliest end of the epoch.
public fun ends_ms(self: &Schedule): u64 { self.started_ms + self.duration_ms }
