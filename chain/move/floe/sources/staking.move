/// Nodes and the stake behind them: registration, delegation, exits, and the rank from which committees are taken.
/// When epochs change is `floe::epoch`'s; how a pool counts is `floe::pool`'s.
module floe::staking;

use floe::bls::KeyRing;
use floe::committee::{Self, Committee};
use floe::events;
use floe::keys;
use floe::params::Params;
use floe::payout::Payout;
use floe::pool::{Self, Pool};
use floe::rank::{Self, Cards, Rank};
use floe::schedule::{Self, Schedule};
use floe::stake::{Self, Stake};
use floe::statement::Domain;
use floe::terms::{Terms, Vote};
use std::string::String;
use sui::balance::{Self, Balance};
use sui::coin::{Self, Coin};
use sui::dynamic_field as df;
use sui::dynamic_object_field as dof;
use wal::wal::WAL;

/// This package version is not the one staking runs on.
const EVersion: u64 = 1;
/// No node has this id.
const ENoNode: u64 = 2;
/// Less than the smallest stake.
const EAmount: u64 = 3;
/// Only stake that has become active can be asked back.
const ENotActive: u64 = 4;
/// This stake cannot be withdrawn now: it is active, on its way out, or counted on by a committee.
const ENotWithdrawable: u64 = 5;
/// Only the pool's governance address may do this.
const EGovernance: u64 = 6;

const VERSION: u64 = 1;
/// One WAL: what a stake must have for its rounding losses to be nothing.
const SMALLEST_STAKE: u64 = 1_000_000_000;

/// Pools are dynamic object fields by node id; what the epoch change reads is in a few dynamic fields.
public struct Staking has key {
    id: UID,
    version: u64,
    domain: Domain,
    shards: u16,
    params: Params,
    schedule: Schedule,
    /// Waits for the next settlement.
    to_burn: Balance<WAL>,
}

/// Field name of the `Rank`.
public struct RankKey() has copy, drop, store;

/// Field name of the `Cards`.
public struct CardsKey() has copy, drop, store;

/// Field name of the running `Committee`.
public struct CommitteeKey() has copy, drop, store;

/// Field name of the `Selection`, from `select` to `advance`.
public struct SelectionKey() has copy, drop, store;

/// Field name of the `Payout`, from `advance` until everyone is paid.
public struct PayoutKey() has copy, drop, store;

/// All that `advance` puts in place.
public struct Selection has store {
    committee: Committee,
    key_ring: KeyRing,
    terms: Terms,
    duration_ms: u64,
}

/// The right to operate one node.
public struct NodeCap has key, store {
    id: UID,
    node: ID,
    /// The last epoch for which the node declared itself synced.
    synced_epoch: u32,
}

public(package) fun new(
    domain: Domain,
    shards: u16,
    params: Params,
    now_ms: u64,
    epoch_zero_ms: u64,
    ctx: &mut TxContext,
): Staking {
    let mut id = object::new(ctx);
    let (rank, cards) = rank::new();
    let nobody = vector::tabulate!(shards as u64, |_| floe::apportion::nobody());
    df::add(&mut id, RankKey(), rank);
    df::add(&mut id, CardsKey(), cards);
    df::add(&mut id, CommitteeKey(), committee::new(0, vector[], vector[], nobody));
    Staking {
        id,
        version: VERSION,
        domain,
        shards,
        params,
        schedule: schedule::genesis(now_ms, epoch_zero_ms),
        to_burn: balance::zero(),
    }
}

#[allow(lint(share_owned))]
public(package) fun share(self: Staking) {
    transfer::share_object(self);
}

// === Operators ===

/// Registers a node under the id of its new pool. `bls_proof` and `ed25519_proof` are the keys' signatures under
/// the statement of possession for the sender of this transaction.
public fun register_node(
    self: &mut Staking,
    name: String,
    addresses: vector<String>,
    bls_key: vector<u8>,
    ed25519_key: vector<u8>,
    bls_proof: vector<u8>,
    ed25519_proof: vector<u8>,
    commission_bps: u16,
    vote: Vote,
    ctx: &mut TxContext,
): NodeCap {
    self.check_version();
    let keys = self.prove(bls_key, ed25519_key, bls_proof, ed25519_proof, ctx);
    let pool = pool::new(name, addresses, keys, vote, commission_bps, self.epoch(), ctx);
    let node = object::id(&pool);
    dof::add(&mut self.id, node, pool);
    events::node_registered(self.epoch(), node);
    NodeCap { id: object::new(ctx), node, synced_epoch: 0 }
}

public fun describe_node(
    self: &mut Staking,
    cap: &NodeCap,
    name: String,
    addresses: vector<String>,
) {
    self.own_pool(cap).describe(name, addresses);
    self.announce(cap.node);
}

/// Replaces both keys; the committees already selected keep the old ones.
public fun rotate_keys(
    self: &mut Staking,
    cap: &NodeCap,
    bls_key: vector<u8>,
    ed25519_key: vector<u8>,
    bls_proof: vector<u8>,
    ed25519_proof: vector<u8>,
    ctx: &mut TxContext,
) {
    let keys = self.prove(bls_key, ed25519_key, bls_proof, ed25519_proof, ctx);
    self.own_pool(cap).set_keys(keys);
    self.renew_card(cap.node);
    self.announce(cap.node);
}

/// Votes on prices and states this node's capacity; counted when the next committee is selected.
public fun set_vote(self: &mut Staking, cap: &NodeCap, vote: Vote) {
    self.own_pool(cap).set_vote(vote);
    self.renew_card(cap.node);
    self.announce(cap.node);
}

/// Changes the operator's part of the pay from the epoch after the next on.
public fun set_commission(self: &mut Staking, cap: &NodeCap, bps: u16) {
    let epoch = self.epoch();
    self.own_pool(cap).set_commission(bps, epoch);
    self.announce(cap.node);
}

/// Hands collection of the commission and the node's voice in governance to another address.
public fun set_governance(
    self: &mut Staking,
    node: ID,
    governance: address,
    ctx: &mut TxContext,
) {
    self.governed_pool(node, ctx).set_governance(governance);
    self.announce(node);
}

/// Takes the commission that is older than the last settled epoch.
public fun collect_commission(self: &mut Staking, node: ID, ctx: &mut TxContext): Coin<WAL> {
    self.governed_pool(node, ctx).collect_commission().into_coin(ctx)
}

// === Delegators ===

/// Stakes with a node: active from the first epoch whose committee is still open.
public fun stake(self: &mut Staking, node: ID, funds: Coin<WAL>, ctx: &mut TxContext): Stake {
    self.check_version();
    let amount = funds.value();
    assert!(amount >= SMALLEST_STAKE, EAmount);
    let from_epoch = self.schedule.target_epoch();
    self.settled_pool(node).enter(funds.into_balance(), from_epoch);
    self.place(node);
    let stake = stake::pending(node, amount, from_epoch, ctx);
    events::staked(self.epoch(), node, object::id(&stake), amount, from_epoch);
    stake
}

/// Asks active stake back. It earns, and can be slashed, until the first epoch whose committee is still open.
public fun request_exit(self: &mut Staking, stake: &mut Stake) {
    self.check_version();
    let at_epoch = self.schedule.target_epoch();
    let epoch = self.epoch();
    let node = stake.node();
    let pool = self.settled_pool(node);
    stake.pending_from().do!(|from_epoch| {
        assert!(from_epoch <= epoch, ENotActive);
        let shares = pool.shares_of(stake.amount() as u64, from_epoch);
        stake.activate(shares);
    });
    assert!(stake.exiting_at().is_none(), ENotActive);
    pool.exit(stake.amount(), at_epoch);
    stake.exit(at_epoch);
    self.place(node);
    events::exit_requested(epoch, node, object::id(stake), stake.amount(), at_epoch);
}

/// Pays out stake whose exit has come, or takes back pending stake that no committee counts on yet.
public fun withdraw(self: &mut Staking, stake: Stake, ctx: &mut TxContext): Coin<WAL> {
    self.check_version();
    let (epoch, target_epoch) = (self.epoch(), self.schedule.target_epoch());
    let node = stake.node();
    let pool = self.settled_pool(node);
    let funds = if (stake.exiting_at().is_some_and!(|at_epoch| *at_epoch <= epoch)) {
        pool.pay_out(stake.amount(), stake.exiting_at().destroy_some())
    } else {
        assert!(stake.pending_from() == option::some(target_epoch), ENotWithdrawable);
        pool.cancel(stake.amount() as u64, target_epoch)
    };
    self.place(node);
    events::withdrawn(epoch, node, object::id(&stake), funds.value());
    stake.destroy();
    coin::from_balance(funds, ctx)
}

/// Pays and rolls one pool to the running epoch. Anyone may; everything that touches a pool does it anyway.
public fun settle_pool(self: &mut Staking, node: ID) {
    self.check_version();
    self.settled_pool(node);
    self.place(node);
}

public fun schedule(self: &Staking): &Schedule { &self.schedule }

public fun params(self: &Staking): &Params { &self.params }

public fun pool(self: &Staking, node: ID): &Pool {
    assert!(dof::exists_(&self.id, node), ENoNode);
    dof::borrow(&self.id, node)
}

public fun rank(self: &Staking): &Rank { df::borrow(&self.id, RankKey()) }

public fun committee(self: &Staking): &Committee { df::borrow(&self.id, CommitteeKey()) }

public fun node(self: &NodeCap): ID { self.node }

// === For `floe::epoch` ===

public(package) fun shards(self: &Staking): u16 { self.shards }

public(package) fun epoch(self: &Staking): u32 { self.schedule.epoch() }

public(package) fun schedule_mut(self: &mut Staking): &mut Schedule { &mut self.schedule }

public(package) fun cards(self: &Staking): &Cards { df::borrow(&self.id, CardsKey()) }

/// True once for each epoch: the cap's node declares itself synced for the running epoch.
public(package) fun mark_synced(self: &Staking, cap: &mut NodeCap): bool {
    let first = cap.synced_epoch < self.epoch();
    cap.synced_epoch = self.epoch();
    first
}

public(package) fun put_selection(
    self: &mut Staking,
    committee: Committee,
    key_ring: KeyRing,
    terms: Terms,
    duration_ms: u64,
) {
    df::add(&mut self.id, SelectionKey(), Selection { committee, key_ring, terms, duration_ms });
}

public(package) fun take_selection(self: &mut Staking): (Committee, KeyRing, Terms, u64) {
    let Selection { committee, key_ring, terms, duration_ms } =
        df::remove(&mut self.id, SelectionKey());
    (committee, key_ring, terms, duration_ms)
}

/// Puts the next committee in place and returns the last one.
public(package) fun replace_committee(self: &mut Staking, next: Committee): Committee {
    let last = df::remove(&mut self.id, CommitteeKey());
    df::add(&mut self.id, CommitteeKey(), next);
    last
}

public(package) fun put_payout(self: &mut Staking, payout: Payout, burn: Balance<WAL>) {
    self.to_burn.join(burn);
    df::add(&mut self.id, PayoutKey(), payout);
}

public(package) fun has_payout(self: &Staking): bool { df::exists_(&self.id, PayoutKey()) }

/// Settles the next pool of the payout; false once all are settled.
public(package) fun settle_next(self: &mut Staking): bool {
    if (!self.has_payout()) return false;
    let payout: &mut Payout = df::borrow_mut(&mut self.id, PayoutKey());
    let next = payout.next();
    let done = payout.is_done();
    next.do!(|node| self.settle_pool(node));
    if (done) df::remove<_, Payout>(&mut self.id, PayoutKey()).destroy();
    !done
}

public(package) fun take_to_burn(self: &mut Staking): Balance<WAL> { self.to_burn.withdraw_all() }

public(package) fun check_version(self: &Staking) {
    assert!(self.version == VERSION, EVersion);
}

// === Within ===

fun prove(
    self: &Staking,
    bls_key: vector<u8>,
    ed25519_key: vector<u8>,
    bls_proof: vector<u8>,
    ed25519_proof: vector<u8>,
    ctx: &TxContext,
): keys::NodeKeys {
    keys::prove(&self.domain, ctx.sender(), bls_key, ed25519_key, &bls_proof, &ed25519_proof)
}

/// The pool, paid and rolled to the running epoch.
fun settled_pool(self: &mut Staking, node: ID): &mut Pool {
    let epoch = self.epoch();
    if (self.pool(node).epoch() < epoch) {
        let pay = if (self.has_payout()) {
            df::borrow_mut<_, Payout>(&mut self.id, PayoutKey()).take(node)
        } else balance::zero();
        let amount = pay.value();
        let pool: &mut Pool = dof::borrow_mut(&mut self.id, node);
        let commission = pool.settle(epoch, pay);
        if (amount > 0) events::pool_settled(epoch, node, amount, commission);
    };
    dof::borrow_mut(&mut self.id, node)
}

fun own_pool(self: &mut Staking, cap: &NodeCap): &mut Pool {
    self.settle_pool(cap.node);
    dof::borrow_mut(&mut self.id, cap.node)
}

fun governed_pool(self: &mut Staking, node: ID, ctx: &TxContext): &mut Pool {
    self.settle_pool(node);
    assert!(ctx.sender() == self.pool(node).governance(), EGovernance);
    dof::borrow_mut(&mut self.id, node)
}

fun announce(self: &Staking, node: ID) {
    events::node_updated(self.epoch(), node);
}

/// Puts the node where its weight belongs: into the rank (in place of the lightest if that is strictly lighter
/// and the rank is full), to another weight, or out of it.
fun place(self: &mut Staking, node: ID) {
    let weight = self.pool(node).weight();
    let competes = weight >= self.params.min_stake();
    let (ranked, at) = rank::find(self.rank().nodes(), node);
    if (ranked) {
        if (competes) self.rank_mut().set_weight(at, weight) else self.unrank(at);
    } else if (competes) {
        if (self.rank().nodes().length() >= self.params.max_nodes() as u64) {
            let (lightest, least) = self.rank().lightest();
            if (weight <= least) return;
            self.unrank(lightest);
        };
        let card = rank::card(self.pool(node));
        let mut cards: Cards = df::remove(&mut self.id, CardsKey());
        self.rank_mut().insert(&mut cards, node, weight, card);
        df::add(&mut self.id, CardsKey(), cards);
    }
}

fun unrank(self: &mut Staking, at: u64) {
    let mut cards: Cards = df::remove(&mut self.id, CardsKey());
    self.rank_mut().remove(&mut cards, at);
    df::add(&mut self.id, CardsKey(), cards);
}

fun renew_card(self: &mut Staking, node: ID) {
    let (ranked, at) = rank::find(self.rank().nodes(), node);
    if (!ranked) return;
    let card = rank::card(self.pool(node));
    df::borrow_mut<_, Cards>(&mut self.id, CardsKey()).set_card(at, card);
}

fun rank_mut(self: &mut Staking): &mut Rank { df::borrow_mut(&mut self.id, RankKey()) }

#[test_only]
public fun set_version_for_testing(self: &mut Staking, version: u64) { self.version = version; }

#[test_only]
/// WAL that waits to be burned, and WAL earned but not paid (which must be the sum of what each is to get).
public fun unpaid(self: &Staking): (u64, u64) {
    let unpaid = if (self.has_payout()) df::borrow<_, Payout>(&self.id, PayoutKey()).check() else 0;
    (self.to_burn.value(), unpaid)
}

#[test_only]
public fun selected_committee(self: &Staking): &Committee {
    &df::borrow<_, Selection>(&self.id, SelectionKey()).committee
}
