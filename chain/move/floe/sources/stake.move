/// A delegator's claim on a pool. Splits and joins freely; moves between its states only through `floe::staking`.
module floe::stake;

/// Both parts of a split must hold something.
const ESplit: u64 = 1;
/// Only claims on one node in one state make one claim.
const EJoin: u64 = 2;

public struct Stake has key, store {
    id: UID,
    node: ID,
    state: StakeState,
    /// Units of WAL while pending, shares of the pool after.
    amount: u128,
}

public enum StakeState has copy, drop, store {
    /// Becomes active at the start of `from_epoch`.
    Pending { from_epoch: u32 },
    /// Earns; worth its part of the pool.
    Active,
    /// Earns, and can be slashed, until the start of `at_epoch`, when it can be withdrawn.
    Exiting { at_epoch: u32 },
}

public(package) fun pending(node: ID, amount: u64, from_epoch: u32, ctx: &mut TxContext): Stake {
    let state = StakeState::Pending { from_epoch };
    Stake { id: object::new(ctx), node, state, amount: amount as u128 }
}

/// Keeps `amount` and returns the rest.
public fun split(self: &mut Stake, amount: u128, ctx: &mut TxContext): Stake {
    assert!(0 < amount && amount < self.amount, ESplit);
    let rest = self.amount - amount;
    self.amount = amount;
    Stake { id: object::new(ctx), node: self.node, state: self.state, amount: rest }
}

/// Adds another claim on the same node in the same state.
public fun join(self: &mut Stake, other: Stake) {
    let Stake { id, node, state, amount } = other;
    id.delete();
    assert!(self.node == node && self.state == state, EJoin);
    self.amount = self.amount + amount;
}

public fun node(self: &Stake): ID { self.node }

public fun amount(self: &Stake): u128 { self.amount }

/// The epoch at which pending stake becomes active.
public fun pending_from(self: &Stake): Option<u32> {
    match (self.state) {
        StakeState::Pending { from_epoch } => option::some(from_epoch),
        _ => option::none(),
    }
}

/// The epoch at which exiting stake can be withdrawn.
public fun exiting_at(self: &Stake): Option<u32> {
    match (self.state) {
        StakeState::Exiting { at_epoch } => option::some(at_epoch),
        _ => option::none(),
    }
}

public(package) fun activate(self: &mut Stake, shares: u128) {
    self.state = StakeState::Active;
    self.amount = shares;
}

public(package) fun exit(self: &mut Stake, at_epoch: u32) {
    self.state = StakeState::Exiting { at_epoch };
}

public(package) fun destroy(self: Stake) {
    let Stake { id, .. } = self;
    id.delete();
}
