/// The WAL coin: nine decimals, one fixed issue, and a supply that can only fall.
/// Owns nothing but the coin's birth; whoever holds a `Currency<WAL>` reference can burn what it owns.
module wal::wal;

use sui::coin::Coin;
use sui::coin_registry::{Self, CurrencyInitializer};
#[test_only]
use sui::coin_registry::Currency;

public struct WAL has drop {}

/// Everything that will ever exist: five billion WAL, in units of 1e-9.
const SUPPLY: u64 = 5_000_000_000_000_000_000;

fun init(witness: WAL, ctx: &mut TxContext) {
    let (currency, issue) = issue(witness, ctx);
    currency.finalize_and_delete_metadata_cap(ctx);
    transfer::public_transfer(issue, ctx.sender());
}

fun issue(witness: WAL, ctx: &mut TxContext): (CurrencyInitializer<WAL>, Coin<WAL>) {
    let (mut currency, mut treasury) = coin_registry::new_currency_with_otw(
        witness,
        9,
        b"WAL".to_string(),
        b"WAL".to_string(),
        b"Pays for storage on Floe and secures it as stake".to_string(),
        b"".to_string(),
        ctx,
    );
    let issue = treasury.mint(SUPPLY, ctx);
    currency.make_supply_burn_only(treasury);
    (currency, issue)
}

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) {
    init(sui::test_utils::create_one_time_witness(), ctx);
}

/// The currency as it is once registered, and all its coins.
#[test_only]
public fun issue_for_testing(ctx: &mut TxContext): (Currency<WAL>, Coin<WAL>) {
    let (currency, issue) = issue(sui::test_utils::create_one_time_witness(), ctx);
    (currency.unwrap_for_testing(), issue)
}
