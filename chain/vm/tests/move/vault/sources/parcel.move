/// Objects that change hands, wrap each other and carry dynamic fields.
module vault::parcel;

use std::string::String;
use sui::{dynamic_field, dynamic_object_field, event, vec_map::{Self, VecMap}};

const ENotSent: u64 = 1;
const ESealed: u64 = 2;
const ENoLabel: u64 = 3;
const EEmpty: u64 = 4;
const ETooHeavy: u64 = 5;

public struct Parcel has key, store { id: UID, weight: u32, state: State, labels: u64, notes: VecMap<u8, vector<u8>> }

public enum State has copy, drop, store { Open, Sent { to: address, hops: u8 }, Sealed(vector<u8>) }

/// A parcel inside another object.
public struct Crate has key, store { id: UID, inner: Parcel, stamp: Option<u128> }

/// A frozen record.
public struct Plaque has key { id: UID, parcel: ID, text: vector<u8> }

public struct Moved has copy, drop { parcel: ID, to: address }

public fun pack(weight: u32, note: vector<u8>, ctx: &mut TxContext): Parcel {
    let mut notes = vec_map::empty();
    notes.insert(0, note);
    Parcel { id: object::new(ctx), weight, state: State::Open, labels: 0, notes }
}

#[allow(lint(custom_state_change))]
public fun send(mut parcel: Parcel, to: address) {
    parcel.state = match (parcel.state) {
        State::Open => State::Sent { to, hops: 1 },
        State::Sent { to: _, hops } => State::Sent { to, hops: hops + 1 },
        State::Sealed(_) => abort ESealed,
    };
    event::emit(Moved { parcel: object::id(&parcel), to });
    transfer::transfer(parcel, to);
}

public fun seal(self: &mut Parcel, secret: vector<u8>) {
    self.state = match (self.state) {
        State::Sealed(old) => {
            assert!(old == secret, ESealed);
            State::Open
        },
        State::Open => abort ENotSent,
        State::Sent { .. } => State::Sealed(secret),
    }
}

public fun annotate(self: &mut Parcel, key: u8, note: vector<u8>): vector<u8> {
    if (self.notes.contains(&key)) {
        let old = &mut self.notes[&key];
        old.append(note);
        *old
    } else {
        self.notes.insert(key, note);
        note
    }
}

public fun label(self: &mut Parcel, name: String, value: u64) {
    self.labels = self.labels + 1;
    if (dynamic_field::exists_with_type<String, u64>(&self.id, name)) {
        let old = dynamic_field::borrow_mut<String, u64>(&mut self.id, name);
        *old = (*old ^ value) << 1;
    } else {
        dynamic_field::add(&mut self.id, name, value);
    }
}

public fun unlabel(self: &mut Parcel, name: String): u64 {
    assert!(dynamic_field::exists_(&self.id, name), ENoLabel);
    self.labels = self.labels / 2;
    dynamic_field::remove(&mut self.id, name)
}

public fun attach(self: &mut Parcel, mut part: Parcel) {
    assert!(self.weight <= 60_000, ETooHeavy);
    self.weight = self.weight + part.weight;
    part.labels = part.labels + 1;
    dynamic_object_field::add(&mut self.id, part.weight, part);
}

public fun detach(self: &mut Parcel, weight: u32): Parcel {
    let part: Parcel = dynamic_object_field::remove(&mut self.id, weight);
    self.weight = self.weight - part.weight;
    part
}

public fun wrap(parcel: Parcel, stamp: u128, ctx: &mut TxContext): Crate {
    let stamp = if (stamp == 0) option::none() else option::some(stamp);
    Crate { id: object::new(ctx), inner: parcel, stamp }
}

public fun unwrap(wrapped: Crate): (Parcel, u128) {
    let Crate { id, inner, stamp } = wrapped;
    id.delete();
    assert!(stamp.is_some(), EEmpty);
    (inner, stamp.destroy_some())
}

public fun discard(parcel: Parcel): vector<vector<u8>> {
    let Parcel { id, weight: _, state, labels: _, notes } = parcel;
    id.delete();
    assert!(state == State::Open, ESealed);
    let (_, values) = notes.into_keys_values();
    values
}

/// Leaves a frozen record of a parcel.
public fun display(self: &Parcel, text: vector<u8>, ctx: &mut TxContext) {
    transfer::freeze_object(Plaque { id: object::new(ctx), parcel: object::id(self), text });
}

public fun read(self: &Plaque): (ID, vector<u8>) { (self.parcel, self.text) }

public fun postage(self: &Parcel, rate: u64): u64 { ((self.weight as u128) * (rate as u128) / 3) as u64 }

public fun weigh(self: &Parcel, name: String): (u32, Option<u64>) {
    let value = if (dynamic_field::exists_(&self.id, name)) {
        option::some(*dynamic_field::borrow<String, u64>(&self.id, name))
    } else option::none();
    (self.weight, value)
}
