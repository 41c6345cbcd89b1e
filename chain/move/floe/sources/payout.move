/// What the members of a finished epoch earned and have not been paid yet.
/// Holds exactly the sum of the unpaid shares, and is gone once all are paid.
module floe::payout;

use floe::committee::Committee;
use floe::rank;
use sui::balance::Balance;
use wal::wal::WAL;

public struct Payout has store {
    /// Ascending.
    nodes: vector<ID>,
    /// Units of WAL still to be paid, in the order of `nodes`.
    pays: vector<u64>,
    /// Everyone before this index has been visited.
    next: u64,
    pot: Balance<WAL>,
}

/// Divides `income` by weight among all shards; what cannot be divided stays in `income`.
public(package) fun new(committee: &Committee, income: &mut Balance<WAL>): Payout {
    let shards = committee.owners().length() as u128;
    let whole = income.value() as u128;
    let pays = committee.weights().map_ref!(|weight| (whole * (*weight as u128) / shards) as u64);
    let sum = pays.fold!(0, |sum, pay| sum + pay);
    Payout { nodes: *committee.nodes(), pays, next: 0, pot: income.split(sum) }
}

/// The pay of `node`, which it can take once.
public(package) fun take(self: &mut Payout, node: ID): Balance<WAL> {
    let (found, at) = rank::find(&self.nodes, node);
    if (!found) return sui::balance::zero();
    let pay = self.pays[at];
    *&mut self.pays[at] = 0;
    self.pot.split(pay)
}

/// The next node that the round of payments has to visit.
public(package) fun next(self: &mut Payout): Option<ID> {
    if (self.next == self.nodes.length()) return option::none();
    self.next = self.next + 1;
    option::some(self.nodes[self.next - 1])
}

public(package) fun is_done(self: &Payout): bool { self.next == self.nodes.length() }

public(package) fun destroy(self: Payout) {
    let Payout { pot, .. } = self;
    pot.destroy_zero();
}

#[test_only]
public fun check(self: &Payout): u64 {
    assert!(self.pot.value() == self.pays.fold!(0, |sum, pay| sum + pay));
    self.pot.value()
}
