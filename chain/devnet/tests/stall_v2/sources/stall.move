/// The next version: a new function, a new event, the rest as before.
module stall::stall;

use std::string::String;
use sui::{
    balance::{Self, Balance},
    clock::Clock,
    coin::{Self, Coin, TreasuryCap},
    dynamic_object_field,
    event,
    random::{Random, new_generator},
    sui::SUI,
    table::{Self, Table},
    transfer::Receiving,
};

const ETooCheap: u64 = 7;
const EUnknownItem: u64 = 8;

/// One-time witness and currency.
public struct STALL has drop {}

/// The stall, shared.
public struct Stall has key {
    id: UID,
    till: Balance<SUI>,
    prices: Table<String, u64>,
    opened_ms: u64,
    drawn: u64,
}

/// Something bought.
public struct Item has key, store {
    id: UID,
    name: String,
    price: u64,
}

/// A box things can be sent to.
public struct Box has key, store {
    id: UID,
    opened: u64,
}

public struct Sold has copy, drop {
    name: String,
    price: u64,
    buyer: address,
}

public struct Drawn has copy, drop {
    number: u64,
}

#[allow(deprecated_usage)]
fun init(witness: STALL, ctx: &mut TxContext) {
    let (treasury, metadata) = coin::create_currency(witness, 3, b"STL", b"Stall", b"Money of the stall", option::none(), ctx);
    transfer::public_freeze_object(metadata);
    transfer::public_transfer(treasury, ctx.sender());
    transfer::share_object(Stall {
        id: object::new(ctx),
        till: balance::zero(),
        prices: table::new(ctx),
        opened_ms: 0,
        drawn: 0,
    });
}

public fun open(stall: &mut Stall, clock: &Clock) {
    stall.opened_ms = clock.timestamp_ms();
}

public fun offer(stall: &mut Stall, name: String, price: u64) {
    stall.prices.add(name, price);
}

public fun buy(stall: &mut Stall, name: String, mut payment: Coin<SUI>, ctx: &mut TxContext): (Item, Coin<SUI>) {
    assert!(stall.prices.contains(name), EUnknownItem);
    let price = stall.prices[name];
    assert!(payment.value() >= price, ETooCheap);
    stall.till.join(payment.split(price, ctx).into_balance());
    event::emit(Sold { name, price, buyer: ctx.sender() });
    (Item { id: object::new(ctx), name, price }, payment)
}

public fun price(stall: &Stall, name: String): u64 {
    stall.prices[name]
}

public fun refuse() { abort ETooCheap }

public struct Closed has copy, drop { till: u64 }

public fun close(stall: &Stall): u64 {
    event::emit(Closed { till: stall.till.value() });
    stall.till.value() + 1
}

public fun till(stall: &Stall): u64 {
    stall.till.value()
}

public fun opened_ms(stall: &Stall): u64 {
    stall.opened_ms
}

public fun new_box(ctx: &mut TxContext): Box {
    Box { id: object::new(ctx), opened: 0 }
}

public fun put(parcel: &mut Box, item: Item) {
    dynamic_object_field::add(&mut parcel.id, item.name, item);
}

public fun pick(parcel: &mut Box, name: String): Item {
    dynamic_object_field::remove(&mut parcel.id, name)
}

public fun accept(parcel: &mut Box, item: Receiving<Item>): Item {
    parcel.opened = parcel.opened + 1;
    transfer::public_receive(&mut parcel.id, item)
}

public fun burn(item: Item) {
    let Item { id, .. } = item;
    id.delete();
}

public fun mint(treasury: &mut TreasuryCap<STALL>, amount: u64, ctx: &mut TxContext): Coin<STALL> {
    coin::mint(treasury, amount, ctx)
}

entry fun draw(stall: &mut Stall, random: &Random, ctx: &mut TxContext) {
    let number = new_generator(random, ctx).generate_u64_in_range(1, 6);
    stall.drawn = stall.drawn + 1;
    event::emit(Drawn { number });
}

/// Burns steps: for limits and benches.
public fun work(rounds: u64): u64 {
    let mut sum = 0u64;
    let mut round = 0;
    while (round < rounds) {
        sum = (sum ^ round) + 1;
        round = round + 1;
    };
    sum
}

/// Burns steps by chance: as many as the first byte of a fresh id says.
public fun dally(ctx: &mut TxContext) {
    work(ctx.fresh_object_address().to_bytes()[0] as u64 * 200);
}

/// Makes `count` objects in one transaction.
#[allow(lint(self_transfer))]
public fun many(count: u64, ctx: &mut TxContext) {
    count.do!(|price| transfer::public_transfer(Item { id: object::new(ctx), name: b"m".to_string(), price }, ctx.sender()));
}

/// Emits `count` events in one transaction.
public fun shout(count: u64) {
    count.do!(|number| event::emit(Drawn { number }));
}
