/// A small Floe for tests: system, stake, clock and all the WAL there is, driven by hand.
/// Node `k` is operated by the account 0x1000 + k with the keys number `k` of the BLS tape.
#[test_only]
module floe::world;

use floe::blob::Blob;
use floe::epoch;
use floe::params::{Self, Params};
use floe::rank;
use floe::stake::Stake;
use floe::staking::{NodeCap, Staking};
use floe::system::System;
use floe::terms::{Self, Vote};
use std::unit_test::destroy;
use sui::address;
use sui::bcs;
use sui::bls_tape::recall;
use sui::clock::{Self, Clock};
use sui::coin::Coin;
use sui::coin_registry::Currency;
use sui::package;
use sui::test_scenario::{Self, Scenario};
use wal::wal::{Self, WAL};

const EPOCH_MS: u64 = 10_000;
const WAL_UNITS: u64 = 1_000_000_000;
const RED_STUFF_8: u8 = 1;

public struct World {
    scenario: Scenario,
    system: System,
    staking: Staking,
    clock: Clock,
    currency: Currency<WAL>,
    purse: Coin<WAL>,
    caps: vector<NodeCap>,
}

/// Epoch 0 with nobody in it.
public fun new(shards: u16, params: Params): World {
    let mut scenario = test_scenario::begin(@0xA);
    let ctx = scenario.ctx();
    let upgrade_cap = package::test_publish(@floe.to_id(), ctx);
    let (system, staking) =
        epoch::create(upgrade_cap, chain_id(), shards, 12, EPOCH_MS, params, 0, ctx);
    let clock = clock::create_for_testing(ctx);
    let (currency, purse) = wal::issue_for_testing(ctx);
    World { scenario, system, staking, clock, currency, purse, caps: vector[] }
}

/// Epoch 1 with ten shards; nodes 0 to 3 hold 3, 3, 3 and 1 of them.
public fun standard(): World {
    let mut world = new(10, default_params());
    vector[400, 300, 200, 100].do!(|wal| {
        let k = world.register();
        destroy(world.stake(k, wal));
    });
    world.next_epoch();
    world
}

public fun default_params(): Params { params::new(EPOCH_MS, 5_000, 300, 1_000, 300, wal(10)) }

public fun default_vote(): Vote { terms::vote(1_000, 2_000, 1 << 40) }

public fun chain_id(): vector<u8> { vector::tabulate!(32, |_| 0x11) }

public fun root(byte: u8): vector<u8> { vector::tabulate!(32, |_| byte) }

public fun wal(whole: u64): u64 { whole * WAL_UNITS }

public fun end(self: World) { destroy(self) }

// === Nodes and stake ===

public fun account(k: u16): address { address::from_u256(0x1000 + (k as u256)) }

/// Registers the next node with a tenth of the pay as commission.
public fun register(self: &mut World): u16 {
    self.register_with(b"node", 1_000)
}

public fun register_with(self: &mut World, name: vector<u8>, commission_bps: u16): u16 {
    let k = self.caps.length() as u16;
    // A context of its own: the scenario's transactions get slow by the hundred.
    let ctx = &mut tx_context::new_from_hint(account(k), 1_000_000 + (k as u64), 0, 0, 0);
    let cap = self.staking.register_node(
        name.to_string(),
        vector[b"/dns4/example.org/udp/9000/quic-v1".to_string()],
        bls_key(k),
        ed25519_key(k),
        bls_proof(k),
        ed25519_proof(k),
        commission_bps,
        default_vote(),
        ctx,
    );
    self.caps.push_back(cap);
    k
}

public fun stake(self: &mut World, k: u16, whole_wal: u64): Stake {
    self.stake_units(k, wal(whole_wal))
}

public fun stake_units(self: &mut World, k: u16, amount: u64): Stake {
    let funds = self.purse.split(amount, self.scenario.ctx());
    let node = self.node(k);
    self.staking.stake(node, funds, self.scenario.ctx())
}

public fun request_exit(self: &mut World, stake: &mut Stake) { self.staking.request_exit(stake) }

/// Withdraws into the purse and tells how much it was.
public fun withdraw(self: &mut World, stake: Stake): u64 {
    let funds = self.staking.withdraw(stake, self.scenario.ctx());
    self.put(funds)
}

public fun node(self: &World, k: u16): ID { self.caps[k as u64].node() }

public fun cap(self: &World, k: u16): &NodeCap { &self.caps[k as u64] }

public fun bls_key(k: u16): vector<u8> { numbered(b"bls key ", k) }

public fun ed25519_key(k: u16): vector<u8> { numbered(b"ed25519 key ", k) }

public fun bls_proof(k: u16): vector<u8> { numbered(b"bls proof ", k) }

public fun ed25519_proof(k: u16): vector<u8> { numbered(b"ed25519 proof ", k) }

fun numbered(name: vector<u8>, k: u16): vector<u8> {
    let mut name = name;
    name.append(bcs::to_bytes(&k));
    recall(name)
}

// === Epochs ===

public fun pass(self: &mut World, ms: u64) { self.clock.increment_for_testing(ms) }

public fun select(self: &mut World) {
    epoch::select(&mut self.staking, &mut self.system, &self.clock)
}

public fun advance(self: &mut World) {
    epoch::advance(&mut self.staking, &mut self.system, &self.clock)
}

public fun settle(self: &mut World, pools: u64) {
    epoch::settle(&mut self.staking, &mut self.currency, pools)
}

public fun sync(self: &mut World, k: u16) {
    let epoch = self.system.epoch();
    self.sync_for(k, epoch)
}

public fun sync_for(self: &mut World, k: u16, epoch: u32) {
    epoch::sync_done(&mut self.staking, &mut self.caps[k as u64], epoch, &self.clock)
}

/// Declares every member synced.
public fun sync_all(self: &mut World) {
    self.caps.length().do!(|k| {
        let k = k as u16;
        if (self.staking.committee().weight_of(self.node(k)) > 0) self.sync(k)
    })
}

/// From Open to the next epoch's Open.
public fun next_epoch(self: &mut World) {
    self.next_tx(@0xE);
    self.pass(EPOCH_MS);
    self.settle(1_000);
    self.select();
    self.advance();
    self.sync_all();
}

// === Blobs ===

/// Reserves room until `end_epoch` and registers a blob in it, in a transaction of its own: the coin, the storage
/// and the blob are its objects 0, 1 and 2.
public fun register_blob(
    self: &mut World,
    root_byte: u8,
    size: u64,
    deletable: bool,
    end_epoch: u32,
): Blob {
    self.next_tx(@0xB);
    let ctx = self.scenario.ctx();
    let mut coin = self.purse.split(wal(1), ctx);
    let bytes = floe::encoding::encoded_size(self.system.shards(), size);
    let epoch = self.system.epoch();
    let storage = self.system.reserve(bytes, epoch, end_epoch, &mut coin, ctx);
    let blob = self.system.register(
        storage,
        root(root_byte),
        size,
        RED_STUFF_8,
        deletable,
        &mut coin,
        ctx,
    );
    self.put(coin);
    blob
}

/// The bitmap of these nodes in the running committee.
public fun bitmap(self: &World, signers: vector<u16>): vector<u8> {
    let nodes = self.staking.committee().nodes();
    let mut bitmap = vector::tabulate!(nodes.length().divide_and_round_up(8), |_| 0);
    signers.do!(|k| {
        let (_, at) = rank::find(nodes, self.node(k));
        let byte = &mut bitmap[at / 8];
        *byte = *byte | (1 << ((at % 8) as u8));
    });
    bitmap
}

/// Presents the signature called `name` on the tape as one of nodes 0 to 3.
public fun certify(self: &World, blob: &mut Blob, name: vector<u8>) {
    let signers = self.bitmap(vector[0, 1, 2, 3]);
    self.system.certify(blob, self.system.epoch(), signers, recall(name));
}

/// Certifies a blob of 1,000 bytes with the root of this byte.
public fun certify_permanent(self: &World, blob: &mut Blob, root_byte: u8) {
    let mut name = b"available ";
    name.append(bcs::to_bytes(&self.system.epoch()));
    name.push_back(root_byte);
    self.certify(blob, name)
}

public fun certify_deletable(self: &World, blob: &mut Blob) {
    let mut name = b"deletable ";
    name.append(object::id(blob).to_bytes());
    self.certify(blob, name)
}

// === Parts ===

public fun next_tx(self: &mut World, sender: address) { self.scenario.next_tx(sender); }

public fun scenario(self: &mut World): &mut Scenario { &mut self.scenario }

public fun ctx(self: &mut World): &mut TxContext { self.scenario.ctx() }

public fun system(self: &World): &System { &self.system }

public fun staking(self: &World): &Staking { &self.staking }

public fun clock(self: &World): &Clock { &self.clock }

public fun currency(self: &World): &Currency<WAL> { &self.currency }

public fun purse(self: &World): u64 { self.purse.value() }

/// Everything at once, for calls that need several parts.
public fun parts(self: &mut World): (&mut System, &mut Staking, &mut Coin<WAL>, &vector<NodeCap>, &mut TxContext) {
    (&mut self.system, &mut self.staking, &mut self.purse, &self.caps, self.scenario.ctx())
}

public fun coin(self: &mut World, amount: u64): Coin<WAL> {
    self.purse.split(amount, self.scenario.ctx())
}

/// Puts a coin back into the purse and tells how much it held.
public fun put(self: &mut World, coin: Coin<WAL>): u64 {
    let amount = coin.value();
    self.purse.join(coin);
    amount
}
