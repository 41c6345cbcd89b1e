/// Members stake tokens, certify blobs with BLS keys and are drawn by lot.
module vault::registry;

use sui::{
    balance::{Self, Balance},
    bls12381,
    clock::Clock,
    coin::{Self, Coin},
    event,
    group_ops,
    random::Random,
    table::{Self, Table},
};
use vault::token::TOKEN;

const ENotOwner: u64 = 1;
const EInsufficient: u64 = 2;
const EBadSignature: u64 = 3;
const EDuplicate: u64 = 4;
const EUnknownMember: u64 = 5;
const EZeroStake: u64 = 6;
const EBadKey: u64 = 7;
const ENoQuorum: u64 = 8;
const ELocked: u64 = 9;

/// How long after registration a member may not leave.
const LOCK_MS: u64 = 50_000;

public struct Registry has key {
    id: UID,
    members: Table<address, Member>,
    /// By falling stake.
    ranking: vector<Rank>,
    pot: Balance<TOKEN>,
    total: u64,
    sequence: u64,
    history: vector<Entry>,
}

public struct Member has store {
    stake: u64,
    key: vector<u8>,
    slots: u16,
    since_ms: u64,
    standing: Standing,
    certified: Table<vector<u8>, u64>,
}

public struct Rank has copy, drop, store { who: address, stake: u64 }

public enum Standing has copy, drop, store { Fresh, Good { certificates: u32 }, Slashed { by_bps: u16, left: u64 } }

public enum Entry has copy, drop, store { Joined(address), Left { who: address, paid: u64 }, Certified(u64, vector<u8>) }

public struct AdminCap has key, store { id: UID, registry: ID }
public struct Receipt has key, store { id: UID, member: address, amount: u64, at_ms: u64 }

public struct Registered has copy, drop { member: address, stake: u64, sequence: u64 }
public struct Slashed has copy, drop { member: address, amount: u64, left: u64 }
public struct Certified has copy, drop { member: address, blob: vector<u8>, sequence: u64 }
public struct Drawn has copy, drop { member: address, slot: u64, epoch: u64, shuffled: vector<u64> }

fun init(ctx: &mut TxContext) {
    let registry = Registry {
        id: object::new(ctx),
        members: table::new(ctx),
        ranking: vector[],
        pot: balance::zero(),
        total: 0,
        sequence: 0,
        history: vector[],
    };
    transfer::public_transfer(AdminCap { id: object::new(ctx), registry: object::id(&registry) }, ctx.sender());
    transfer::share_object(registry);
}

public fun register(
    self: &mut Registry,
    stake: Coin<TOKEN>,
    key: vector<u8>,
    slots: u16,
    clock: &Clock,
    ctx: &mut TxContext,
): Receipt {
    let who = ctx.sender();
    assert!(!self.members.contains(who), EDuplicate);
    assert!(key.length() == 48, EBadKey);
    let amount = stake.value();
    assert!(amount > 0, EZeroStake);
    self.pot.join(stake.into_balance());
    self.total = self.total + amount;
    self.sequence = self.sequence + 1;
    self.members.add(who, Member {
        stake: amount,
        key,
        slots,
        since_ms: clock.timestamp_ms(),
        standing: Standing::Fresh,
        certified: table::new(ctx),
    });
    self.ranking.push_back(Rank { who, stake: amount });
    let last = self.ranking.length() - 1;
    self.rise(last);
    self.note(Entry::Joined(who));
    event::emit(Registered { member: who, stake: amount, sequence: self.sequence });
    Receipt { id: object::new(ctx), member: who, amount, at_ms: clock.timestamp_ms() }
}

public fun deposit(self: &mut Registry, receipt: &mut Receipt, stake: Coin<TOKEN>) {
    let who = receipt.member;
    let amount = stake.value();
    let member = &mut self.members[who];
    member.stake = member.stake + amount;
    receipt.amount = receipt.amount + amount;
    self.total = self.total + amount;
    self.pot.join(stake.into_balance());
    self.rerank(who);
}

public fun withdraw(self: &mut Registry, receipt: &mut Receipt, amount: u64, ctx: &mut TxContext): Coin<TOKEN> {
    assert!(receipt.member == ctx.sender(), ENotOwner);
    assert!(self.members.contains(receipt.member), EUnknownMember);
    let member = &mut self.members[receipt.member];
    assert!(member.stake >= amount && receipt.amount >= amount, EInsufficient);
    member.stake = member.stake - amount;
    receipt.amount = receipt.amount - amount;
    self.total = self.total - amount;
    let coin = coin::take(&mut self.pot, amount, ctx);
    self.rerank(receipt.member);
    coin
}

public fun leave(self: &mut Registry, receipt: Receipt, clock: &Clock, ctx: &mut TxContext): Coin<TOKEN> {
    let Receipt { id, member: who, amount: _, at_ms } = receipt;
    id.delete();
    assert!(who == ctx.sender(), ENotOwner);
    assert!(clock.timestamp_ms() >= at_ms + LOCK_MS, ELocked);
    let Member { stake, certified, .. } = self.members.remove(who);
    certified.drop();
    let at = self.position(who);
    self.ranking.remove(at);
    self.total = self.total - stake;
    self.note(Entry::Left { who, paid: stake });
    coin::take(&mut self.pot, stake, ctx)
}

public fun slash(self: &mut Registry, _: &AdminCap, who: address, bps: u16) {
    assert!(self.members.contains(who), EUnknownMember);
    let member = &mut self.members[who];
    let cut = ((member.stake as u128) * (bps as u128) / 10_000) as u64;
    member.stake = member.stake - cut;
    member.standing = match (member.standing) {
        Standing::Slashed { by_bps, left: _ } => Standing::Slashed { by_bps: by_bps + bps, left: member.stake },
        _ => Standing::Slashed { by_bps: bps, left: member.stake },
    };
    let left = member.stake;
    self.total = self.total - cut;
    self.sequence = self.sequence + 1;
    self.rerank(who);
    event::emit(Slashed { member: who, amount: cut, left });
}

public fun certify(self: &mut Registry, who: address, blob: vector<u8>, signature: vector<u8>) {
    assert!(self.members.contains(who), EUnknownMember);
    self.sequence = self.sequence + 1;
    let sequence = self.sequence;
    let member = &mut self.members[who];
    assert!(bls12381::bls12381_min_pk_verify(&signature, &member.key, &blob), EBadSignature);
    if (member.certified.contains(blob)) {
        *(&mut member.certified[blob]) = sequence;
    } else {
        member.certified.add(blob, sequence);
    };
    match (&mut member.standing) {
        Standing::Good { certificates } => *certificates = *certificates + 1,
        standing => *standing = Standing::Good { certificates: 1 },
    };
    self.note(Entry::Certified(sequence, blob));
    event::emit(Certified { member: who, blob, sequence });
}

/// Members of more than half the stake sign one blob together.
public fun certify_together(self: &mut Registry, signers: vector<address>, blob: vector<u8>, signature: vector<u8>) {
    let mut stake: u128 = 0;
    let keys = signers.map!(|who| {
        assert!(self.members.contains(who), EUnknownMember);
        let member = &self.members[who];
        stake = stake + (member.stake as u128);
        bls12381::g1_to_uncompressed_g1(&bls12381::g1_from_bytes(&member.key))
    });
    assert!(2 * stake > (self.total as u128), ENoQuorum);
    let sum = bls12381::uncompressed_g1_sum(&keys);
    let key = bls12381::uncompressed_g1_to_g1(&sum);
    assert!(bls12381::bls12381_min_pk_verify(&signature, group_ops::bytes(&key), &blob), EBadSignature);
    self.sequence = self.sequence + 1;
    signers.do!(|member| {
        event::emit(Certified { member, blob, sequence: self.sequence });
    });
    let sequence = self.sequence;
    self.note(Entry::Certified(sequence, blob));
}

entry fun draw(self: &Registry, random: &Random, ctx: &mut TxContext) {
    assert!(!self.ranking.is_empty(), EUnknownMember);
    let mut generator = random.new_generator(ctx);
    let at = generator.generate_u64_in_range(0, self.ranking.length() - 1);
    let member = self.ranking[at].who;
    let slots = self.members[member].slots;
    let slot = if (slots == 0) 0 else generator.generate_u16_in_range(0, slots - 1) as u64;
    let mut shuffled = vector::tabulate!(5, |i| i);
    generator.shuffle(&mut shuffled);
    event::emit(Drawn { member, slot, epoch: ctx.epoch(), shuffled });
}

/// BCS bytes of a member's record, and when it certified `blob`.
public fun member(self: &Registry, who: address, blob: vector<u8>): (vector<u8>, Option<u64>) {
    assert!(self.members.contains(who), EUnknownMember);
    let member = &self.members[who];
    let certified = if (member.certified.contains(blob)) option::some(member.certified[blob]) else option::none();
    (sui::bcs::to_bytes(member), certified)
}

/// What `who` would get of `amount` paid on top of all stake, rounded down, and the new total.
public fun shares(self: &Registry, who: address, amount: u64): (u64, u64) {
    assert!(self.total > 0, EZeroStake);
    let stake = self.members[who].stake;
    let part = ((amount as u256) * (stake as u256) / (self.total as u256)) as u64;
    (part, self.total + amount)
}

fun note(self: &mut Registry, entry: Entry) {
    if (self.history.length() == 8) { self.history.remove(0); };
    self.history.push_back(entry);
}

fun position(self: &Registry, who: address): u64 { self.ranking.find_index!(|rank| rank.who == who).destroy_some() }

fun rerank(self: &mut Registry, who: address) {
    let at = self.position(who);
    self.ranking[at].stake = self.members[who].stake;
    let at = self.rise(at);
    self.sink(at);
}

fun rise(self: &mut Registry, mut at: u64): u64 {
    while (at > 0 && self.ranking[at - 1].stake < self.ranking[at].stake) {
        self.ranking.swap(at - 1, at);
        at = at - 1;
    };
    at
}

fun sink(self: &mut Registry, mut at: u64) {
    while (at + 1 < self.ranking.length() && self.ranking[at].stake < self.ranking[at + 1].stake) {
        self.ranking.swap(at, at + 1);
        at = at + 1;
    }
}

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) { init(ctx) }
