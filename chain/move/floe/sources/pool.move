/// One node's stake pool: the principal lives here, stake objects hold shares of it.
/// Pure bookkeeping; who may call what is `floe::staking`'s. Every rounding favours the pool.
module floe::pool;

use floe::keys::NodeKeys;
use floe::terms::Vote;
use std::string::String;
use sui::balance::{Self, Balance};
use sui::table::{Self, Table};
use wal::wal::WAL;

/// Name or addresses are too long or too many.
const EDescription: u64 = 1;
/// A commission is at most 10,000 basis points.
const ECommission: u64 = 2;

const MAX_NAME: u64 = 64;
const MAX_ADDRESSES: u64 = 8;
const MAX_ADDRESS: u64 = 128;
const WHOLE_BPS: u16 = 10_000;
/// A changed commission holds from this many epochs later on: delegators can leave first.
const COMMISSION_DELAY: u32 = 2;

/// A dynamic object field of `Staking` under its own id, which is the node's id.
public struct Pool has key, store {
    id: UID,
    name: String,
    /// Multiaddresses, a first hint only: signed node records carry the current ones.
    addresses: vector<String>,
    keys: NodeKeys,
    /// Collects the commission and speaks for the node in governance; may be a cold key.
    governance: address,
    vote: Vote,
    commission: Commission,
    /// The start of this epoch is accounted for.
    epoch: u32,
    /// All WAL of this pool: active and entering stake, exits not yet withdrawn, commission, rounding dust.
    vault: Balance<WAL>,
    /// Stake that earns, and the shares it is divided into.
    active: u64,
    shares: u128,
    /// Stake on its way in and out, in ascending epochs; three at most.
    flows: vector<Flow>,
    /// What a share was worth at the start of every epoch in which stake moved.
    rates: Table<u32, Rate>,
    /// Commission of the last settled epoch, and all that is older and may be collected.
    commission_held: u64,
    commission_free: u64,
}

public struct Commission has copy, drop, store {
    bps: u16,
    /// Takes the place of `bps` at the start of `from_epoch`.
    next_bps: u16,
    from_epoch: u32,
}

/// At the start of `epoch`, `amount` becomes active and `shares` leave.
public struct Flow has copy, drop, store { epoch: u32, amount: u64, shares: u128 }

public struct Rate has copy, drop, store { active: u64, shares: u128 }

public(package) fun new(
    name: String,
    addresses: vector<String>,
    keys: NodeKeys,
    vote: Vote,
    commission_bps: u16,
    epoch: u32,
    ctx: &mut TxContext,
): Pool {
    check_description(&name, &addresses);
    assert!(commission_bps <= WHOLE_BPS, ECommission);
    Pool {
        id: object::new(ctx),
        name,
        addresses,
        keys,
        governance: ctx.sender(),
        vote,
        commission: Commission { bps: commission_bps, next_bps: commission_bps, from_epoch: epoch },
        epoch,
        vault: balance::zero(),
        active: 0,
        shares: 0,
        flows: vector[],
        rates: table::new(ctx),
        commission_held: 0,
        commission_free: 0,
    }
}

// === What the operator sets ===

public(package) fun describe(self: &mut Pool, name: String, addresses: vector<String>) {
    check_description(&name, &addresses);
    self.name = name;
    self.addresses = addresses;
}

public(package) fun set_keys(self: &mut Pool, keys: NodeKeys) { self.keys = keys; }

public(package) fun set_vote(self: &mut Pool, vote: Vote) { self.vote = vote; }

public(package) fun set_governance(self: &mut Pool, governance: address) {
    self.governance = governance;
}

public(package) fun set_commission(self: &mut Pool, bps: u16, epoch: u32) {
    assert!(bps <= WHOLE_BPS, ECommission);
    self.commission.bps = self.commission_at(epoch);
    self.commission.next_bps = bps;
    self.commission.from_epoch = epoch + COMMISSION_DELAY;
}

/// Commission that is older than the last settled epoch.
public(package) fun collect_commission(self: &mut Pool): Balance<WAL> {
    let free = self.commission_free;
    self.commission_free = 0;
    self.vault.split(free)
}

// === Stake ===

public(package) fun enter(self: &mut Pool, stake: Balance<WAL>, epoch: u32) {
    let flow = self.flow(epoch);
    flow.amount = flow.amount + stake.value();
    self.vault.join(stake);
}

/// Takes back stake that has not become active and that no committee counts on.
public(package) fun cancel(self: &mut Pool, amount: u64, epoch: u32): Balance<WAL> {
    let flow = self.flow(epoch);
    flow.amount = flow.amount - amount;
    self.vault.split(amount)
}

public(package) fun exit(self: &mut Pool, shares: u128, epoch: u32) {
    let flow = self.flow(epoch);
    flow.shares = flow.shares + shares;
}

/// Pays out shares that left at the start of `epoch`.
public(package) fun pay_out(self: &mut Pool, shares: u128, epoch: u32): Balance<WAL> {
    let value = self.rates[epoch].value_of(shares);
    self.vault.split(value)
}

/// The shares that `amount`, active since `epoch`, was turned into.
public(package) fun shares_of(self: &Pool, amount: u64, epoch: u32): u128 {
    self.rates[epoch].shares_for(amount)
}

/// Brings the pool to the start of `epoch`, with its pay for the epoch before. Returns the operator's part.
public(package) fun settle(self: &mut Pool, epoch: u32, pay: Balance<WAL>): u64 {
    self.turn(epoch - 1);
    let commission = mul_div(
        pay.value() as u128,
        self.commission_at(epoch - 1) as u128,
        WHOLE_BPS as u128,
    ) as u64;
    self.commission_free = self.commission_free + self.commission_held;
    self.commission_held = commission;
    self.active = self.active + (pay.value() - commission);
    self.vault.join(pay);
    self.turn(epoch);
    self.epoch = epoch;
    commission
}

/// What the pool weighs in the selection of the next open committee: all stake that will be active by then.
public fun weight(self: &Pool): u64 {
    let (mut entering, mut leaving) = (0, 0);
    self.flows.do_ref!(|flow| {
        entering = entering + flow.amount;
        leaving = leaving + flow.shares;
    });
    self.active + entering - self.rate().value_of(leaving)
}

public fun epoch(self: &Pool): u32 { self.epoch }

public fun keys(self: &Pool): &NodeKeys { &self.keys }

public fun vote(self: &Pool): Vote { self.vote }

public fun governance(self: &Pool): address { self.governance }

fun commission_at(self: &Pool, epoch: u32): u16 {
    if (epoch >= self.commission.from_epoch) self.commission.next_bps else self.commission.bps
}

/// The flow of `epoch`, which never precedes the last one: targets only grow.
fun flow(self: &mut Pool, epoch: u32): &mut Flow {
    let count = self.flows.length();
    if (count == 0 || self.flows[count - 1].epoch != epoch) {
        self.flows.push_back(Flow { epoch, amount: 0, shares: 0 });
    };
    let last = self.flows.length() - 1;
    &mut self.flows[last]
}

/// Lets every flow up to the start of `epoch` happen, at the rate before it.
fun turn(self: &mut Pool, epoch: u32) {
    while (!self.flows.is_empty() && self.flows[0].epoch <= epoch) {
        let Flow { epoch, amount, shares } = self.flows.remove(0);
        let rate = self.rate();
        self.rates.add(epoch, rate);
        self.active = self.active - rate.value_of(shares) + amount;
        self.shares = self.shares - shares + rate.shares_for(amount);
    }
}

fun rate(self: &Pool): Rate { Rate { active: self.active, shares: self.shares } }

fun value_of(self: &Rate, shares: u128): u64 {
    if (shares == 0) 0 else mul_div(shares, self.active as u128, self.shares) as u64
}

fun shares_for(self: &Rate, amount: u64): u128 {
    if (self.shares == 0) amount as u128
    else mul_div(amount as u128, self.shares, self.active as u128)
}

fun mul_div(a: u128, b: u128, divisor: u128): u128 {
    ((a as u256) * (b as u256) / (divisor as u256)) as u128
}

fun check_description(name: &String, addresses: &vector<String>) {
    assert!(name.length() <= MAX_NAME, EDescription);
    assert!(addresses.length() <= MAX_ADDRESSES, EDescription);
    addresses.do_ref!(|address| assert!(address.length() <= MAX_ADDRESS, EDescription));
}

#[test_only]
public fun vault(self: &Pool): u64 { self.vault.value() }

#[test_only]
public fun active(self: &Pool): u64 { self.active }

#[test_only]
public fun shares(self: &Pool): u128 { self.shares }

#[test_only]
/// All the vault must be able to pay, except exits that came and were not withdrawn.
public fun owed(self: &Pool): u64 {
    let entering = self.flows.fold!(0, |sum, flow| sum + flow.amount);
    self.active + entering + self.commission_held + self.commission_free
}

#[test_only]
/// What a withdrawal of `shares` that left at `epoch` pays.
public fun worth(self: &Pool, shares: u128, epoch: u32): u64 { self.rates[epoch].value_of(shares) }

#[test_only]
public fun description(self: &Pool): (String, vector<String>) { (self.name, self.addresses) }

#[test_only]
public fun commission(self: &Pool): (u16, u64, u64) {
    (self.commission_at(self.epoch), self.commission_held, self.commission_free)
}

#[test_only]
public fun worth_of_all(self: &Pool): (u64, u128) { (self.active, self.shares) }

#[test_only]
public fun rate_at(self: &Pool, epoch: u32): (u64, u128) {
    let Rate { active, shares } = self.rates[epoch];
    (active, shares)
}
