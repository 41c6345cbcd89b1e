/// The money and the space of future epochs: one pot, and two rings with a slot per epoch.
/// Decides no price; it only keeps `pot == sum(owed)` and never sells an epoch twice.
module floe::ledger;

use sui::balance::{Self, Balance};
use wal::wal::WAL;

/// The span is empty, in the past, or beyond the horizon.
const EPeriod: u64 = 1;
/// One of the epochs has no room for that many bytes.
const ECapacity: u64 = 2;
/// The coin holds less than the price.
const EPayment: u64 = 3;

public struct Ledger has store {
    /// The running epoch; slots for it and the epochs up to `epoch + horizon - 1`.
    epoch: u32,
    /// Units of WAL that each epoch will pay out, at slot `epoch % horizon`.
    owed: vector<u64>,
    /// Bytes sold for each epoch.
    used: vector<u64>,
    pot: Balance<WAL>,
}

public(package) fun new(horizon: u32): Ledger {
    let slots = horizon as u64;
    Ledger {
        epoch: 0,
        owed: vector::tabulate!(slots, |_| 0),
        used: vector::tabulate!(slots, |_| 0),
        pot: balance::zero(),
    }
}

/// Takes `bytes` of room in every epoch of `start..end`.
public(package) fun reserve(self: &mut Ledger, start: u32, end: u32, bytes: u64, capacity: u64) {
    self.check_period(start, end);
    slots!(start, end, self.horizon(), |slot| {
        let used = &mut self.used[slot];
        assert!(*used <= capacity && bytes <= capacity - *used, ECapacity);
        *used = *used + bytes;
    });
}

/// Takes `per_epoch` for every epoch of `start..end` out of `payment`.
public(package) fun charge(
    self: &mut Ledger,
    start: u32,
    end: u32,
    per_epoch: u128,
    payment: &mut Balance<WAL>,
) {
    self.check_period(start, end);
    let total = per_epoch * ((end - start) as u128);
    assert!(total <= payment.value() as u128, EPayment);
    self.pot.join(payment.split(total as u64));
    slots!(start, end, self.horizon(), |slot| {
        let owed = &mut self.owed[slot];
        *owed = *owed + (per_epoch as u64);
    });
}

/// Adds to what `epoch` will pay out.
public(package) fun add(self: &mut Ledger, epoch: u32, funds: Balance<WAL>) {
    assert!(self.epoch <= epoch && epoch - self.epoch < self.horizon(), EPeriod);
    let slot = (epoch % self.horizon()) as u64;
    let owed = &mut self.owed[slot];
    *owed = *owed + funds.value();
    self.pot.join(funds);
}

/// Ends the running epoch: everything it earned, and its slot becomes the one a horizon later.
public(package) fun close(self: &mut Ledger): Balance<WAL> {
    let slot = (self.epoch % self.horizon()) as u64;
    let earned = self.owed[slot];
    *&mut self.owed[slot] = 0;
    *&mut self.used[slot] = 0;
    self.epoch = self.epoch + 1;
    self.pot.split(earned)
}

/// How many epochs, the running one included, can be paid for.
public fun horizon(self: &Ledger): u32 { self.owed.length() as u32 }

fun check_period(self: &Ledger, start: u32, end: u32) {
    assert!(self.epoch <= start && start < end, EPeriod);
    assert!(end - self.epoch <= self.horizon(), EPeriod);
}

macro fun slots($start: u32, $end: u32, $horizon: u32, $f: |u64|) {
    let (mut epoch, end, horizon) = ($start, $end, $horizon);
    while (epoch < end) {
        $f((epoch % horizon) as u64);
        epoch = epoch + 1;
    }
}

#[test_only]
/// The pot, which must be what is owed.
public fun check(self: &Ledger): u64 {
    assert!(self.pot.value() == self.owed.fold!(0, |sum, owed| sum + owed));
    self.pot.value()
}

#[test_only]
public fun owed(self: &Ledger, epoch: u32): u64 { self.owed[(epoch % self.horizon()) as u64] }

#[test_only]
public fun used(self: &Ledger, epoch: u32): u64 { self.used[(epoch % self.horizon()) as u64] }

#[test_only]
public fun has_room(self: &Ledger, start: u32, end: u32, bytes: u64, capacity: u64): bool {
    let mut room = start >= self.epoch && end - self.epoch <= self.horizon();
    let mut epoch = start;
    while (room && epoch < end) {
        room = self.used(epoch) <= capacity && bytes <= capacity - self.used(epoch);
        epoch = epoch + 1;
    };
    room
}
