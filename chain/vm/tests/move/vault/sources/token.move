/// The coin that the vault takes.
module vault::token;

use sui::{balance::Supply, coin::{Self, Coin}};

/// Nobody holds more than this when minting.
const MAX_MINT: u64 = 1_000_000_000;

/// Minting more than allowed at once.
const ETooMuch: u64 = 1;

public struct TOKEN has drop {}

/// Whoever holds the mint can make coins.
public struct Mint has key, store { id: UID, supply: Supply<TOKEN>, minted: u64 }

fun init(witness: TOKEN, ctx: &mut TxContext) {
    assert!(sui::types::is_one_time_witness(&witness));
    let mint = Mint { id: object::new(ctx), supply: sui::balance::create_supply(witness), minted: 0 };
    transfer::public_transfer(mint, ctx.sender());
}

public fun mint(self: &mut Mint, amount: u64, ctx: &mut TxContext): Coin<TOKEN> {
    assert!(amount <= MAX_MINT, ETooMuch);
    self.minted = self.minted + 1;
    coin::from_balance(self.supply.increase_supply(amount), ctx)
}

public fun burn(self: &mut Mint, coin: Coin<TOKEN>): u64 { self.supply.decrease_supply(coin.into_balance()) }

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) { init(sui::test_utils::create_one_time_witness(), ctx) }
