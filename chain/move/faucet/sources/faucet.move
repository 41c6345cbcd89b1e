/// A jar of WAL for test networks: anyone fills it, anyone takes a fixed portion at a time.
/// Not a dependency of any other package and never deployed where WAL has value.
module faucet::faucet;

use sui::balance::Balance;
use sui::coin::{Self, Coin};
use wal::wal::WAL;

/// A portion is at least one unit.
const EZeroPortion: u64 = 1;

public struct Faucet has key {
    id: UID,
    funds: Balance<WAL>,
    portion: u64,
}

/// Opens a faucet that gives `portion` units to whoever asks.
public fun open(funds: Coin<WAL>, portion: u64, ctx: &mut TxContext) {
    assert!(portion > 0, EZeroPortion);
    transfer::share_object(Faucet { id: object::new(ctx), funds: funds.into_balance(), portion });
}

public fun fill(faucet: &mut Faucet, funds: Coin<WAL>) {
    coin::put(&mut faucet.funds, funds);
}

/// One portion; aborts in `sui::balance` once less than that is left.
public fun drip(faucet: &mut Faucet, ctx: &mut TxContext): Coin<WAL> {
    coin::take(&mut faucet.funds, faucet.portion, ctx)
}
