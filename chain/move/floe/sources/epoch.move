/// Conducts the change of epochs, the only module that touches the system and its stake together.
/// Every step can be taken by anyone, touches a fixed number of objects, and can fail for its phase or its time
/// only, never for what a node or a delegator has done.
module floe::epoch;

use floe::apportion;
use floe::bls;
use floe::committee;
use floe::events;
use floe::params::{Self, Params};
use floe::payout;
use floe::rank;
use floe::staking::{Self, NodeCap, Staking};
use floe::system::{Self, System};
use floe::terms;
use std::type_name;
use sui::address;
use sui::clock::Clock;
use sui::coin_registry::Currency;
use sui::package::UpgradeCap;
use wal::wal::WAL;

/// The upgrade capability belongs to another package.
const EUpgradeCap: u64 = 1;
/// The codec knows 4 to 1024 shards.
const EShards: u64 = 2;
/// The horizon is 2 to 1024 epochs.
const EHorizon: u64 = 3;
/// No node competes for shards yet.
const ENoCandidates: u64 = 4;
/// Pools of the last epoch must be settled first.
const EUnsettled: u64 = 5;
/// Meant for another epoch than the running one.
const EWrongEpoch: u64 = 6;
/// The node is no member of the running committee.
const ENotMember: u64 = 7;

const WHOLE_BPS: u128 = 10_000;
/// A transaction may touch 1,000 dynamic fields; a pool is two, and a rate for each of three flows at most.
const MOST_POOLS: u64 = 180;

/// The right to create the one system of this package; used up by it.
public struct InitCap has key, store { id: UID }

fun init(ctx: &mut TxContext) {
    transfer::transfer(InitCap { id: object::new(ctx) }, ctx.sender());
}

/// Creates and shares the system. `chain_id` is the digest of the chain's genesis checkpoint, which Move cannot
/// read: clients and nodes compare it with their endpoint's. `shards` and `horizon` (epochs that can be paid ahead)
/// stay for ever. Epoch 0 has no committee and lasts `epoch_zero_ms`.
public fun initialize(
    cap: InitCap,
    upgrade_cap: UpgradeCap,
    chain_id: vector<u8>,
    shards: u16,
    horizon: u32,
    epoch_zero_ms: u64,
    params: Params,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    let InitCap { id } = cap;
    id.delete();
    let now_ms = clock.timestamp_ms();
    let (system, staking) =
        create(upgrade_cap, chain_id, shards, horizon, epoch_zero_ms, params, now_ms, ctx);
    system.share();
    staking.share();
}

public(package) fun create(
    upgrade_cap: UpgradeCap,
    chain_id: vector<u8>,
    shards: u16,
    horizon: u32,
    epoch_zero_ms: u64,
    params: Params,
    now_ms: u64,
    ctx: &mut TxContext,
): (System, Staking) {
    assert!(upgrade_cap.package().to_address() == own_package(), EUpgradeCap);
    assert!(4 <= shards && shards <= 1024, EShards);
    assert!(2 <= horizon && horizon <= 1024, EHorizon);
    params::check_epoch_ms(epoch_zero_ms);
    let mut system = system::new(chain_id, shards, horizon, upgrade_cap, ctx);
    let staking = staking::new(system.domain(), shards, params, now_ms, epoch_zero_ms, ctx);
    system.set_staking(object::id(&staking));
    (system, staking)
}

/// Fixes the committee, the terms and the length of the next epoch.
public fun select(staking: &mut Staking, system: &mut System, clock: &Clock) {
    staking.check_version();
    let (params, shards) = (*staking.params(), staking.shards());
    staking.schedule_mut().select(clock.timestamp_ms(), params.select_bps());
    assert!(!staking.has_payout(), EUnsettled);
    assert!(staking.rank().nodes().length() > 0, ENoCandidates);

    let (ranked, cards) = (staking.rank(), staking.cards());
    let stakes = rank::distinct(ranked, cards);
    let quotas = apportion::quotas(&stakes, shards, params.cap_bps());
    let (mut nodes, mut weights, mut members) = (vector[], vector[], vector[]);
    let (mut keys, mut votes) = (vector[], vector[]);
    quotas.length().do!(|i| if (quotas[i] > 0) {
        let (node, weight, card) = (ranked.nodes()[i], quotas[i], &cards.cards()[i]);
        nodes.push_back(node);
        weights.push_back(weight);
        keys.push_back(card.key());
        votes.push_back(card.vote());
        let bls_key = bls::compressed(&card.key());
        members.push_back(committee::member(node, weight, bls_key, card.ed25519()));
    });

    let (epoch, next) = (staking.epoch(), staking.epoch() + 1);
    let owners = apportion::assign(&staking.committee().owners_among(&nodes), &weights);
    let committee = committee::new(next, nodes, weights, owners);
    let start_ms = staking.schedule().ends_ms();
    let id = committee.publish(system.uid_mut(), start_ms, params.epoch_ms(), members);
    let key_ring = bls::key_ring(next, shards, weights, keys);
    let terms = terms::tally(&votes, &weights, shards);
    staking.put_selection(committee, key_ring, terms, params.epoch_ms());
    events::committee_selected(epoch, next, id);
}

/// Ends the running epoch: the selected committee takes over, the income is divided, a part of it burned.
public fun advance(staking: &mut Staking, system: &mut System, clock: &Clock) {
    staking.check_version();
    let now_ms = clock.timestamp_ms();
    let burn_bps = staking.params().burn_bps();
    staking.schedule_mut().check_over(now_ms);
    let (next, key_ring, terms, duration_ms) = staking.take_selection();
    staking.schedule_mut().advance(now_ms, duration_ms);

    let last = staking.replace_committee(next);
    let mut income = system.begin_epoch(key_ring, terms);
    let mut burned = 0;
    if (last.nodes().length() > 0) {
        burned = ((income.value() as u128) * (burn_bps as u128) / WHOLE_BPS) as u64;
        let burn = income.split(burned);
        let payout = payout::new(&last, &mut income);
        staking.put_payout(payout, burn);
    };
    system.carry(income);
    events::epoch_started(
        staking.epoch(),
        now_ms,
        terms.storage_price(),
        terms.write_price(),
        terms.capacity(),
        burned,
    );
}

/// Pays the next `pools` members of the last committee, as many as fit a transaction at most, and burns what is due.
public fun settle(staking: &mut Staking, currency: &mut Currency<WAL>, pools: u64) {
    staking.check_version();
    let mut left = pools.min(MOST_POOLS);
    while (left > 0 && staking.settle_next()) left = left - 1;
    let burn = staking.take_to_burn();
    if (burn.value() > 0) currency.burn_balance(burn) else burn.destroy_zero();
}

/// A member declares that it holds all its shards of `epoch`; the epoch opens with the quorum.
public fun sync_done(staking: &mut Staking, cap: &mut NodeCap, epoch: u32, clock: &Clock) {
    staking.check_version();
    assert!(epoch == staking.epoch(), EWrongEpoch);
    let weight = staking.committee().weight_of(cap.node());
    assert!(weight > 0, ENotMember);
    if (!staking.mark_synced(cap)) return;
    events::node_synced(epoch, cap.node(), weight);
    let quorum = bls::quorum(staking.shards());
    let now_ms = clock.timestamp_ms();
    if (staking.schedule_mut().synced(now_ms, weight, quorum)) events::epoch_opened(epoch, now_ms);
}

fun own_package(): address {
    let name = type_name::with_original_ids<InitCap>().address_string();
    address::from_ascii_bytes(name.as_bytes())
}

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) { init(ctx); }
