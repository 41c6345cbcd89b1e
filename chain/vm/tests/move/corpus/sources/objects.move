/// Objects, dynamic fields and the collections built on them.
module corpus::objects;

use corpus::random;
use std::string::{Self, String};
use sui::{
    bag, balance, bcs, coin, derived_object, dynamic_field, dynamic_object_field, event, linked_table,
    object_bag, object_table, sui::SUI, table, table_vec, versioned,
};

public struct Thing has key, store { id: UID, count: u64, label: String }
public struct Key<T> has copy, drop, store { inner: T }
public struct Made has copy, drop { id: ID, count: u64 }
public struct Sealed has store { bytes: vector<u8> }

fun thing(count: u64, ctx: &mut TxContext): Thing {
    let thing = Thing { id: object::new(ctx), count, label: count.to_string() };
    event::emit(Made { id: object::id(&thing), count });
    thing
}

fun destroy(thing: Thing): (u64, String) {
    let Thing { id, count, label } = thing;
    id.delete();
    (count, label)
}

public fun fields(seed: u64, ctx: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut owner = thing(seed, ctx);
    let id = &mut owner.id;
    dynamic_field::add(id, b"bytes", 5u64);
    dynamic_field::add(id, 7u8, string::utf8(b"seven"));
    dynamic_field::add(id, Key { inner: @0xb0b }, vector[true]);
    dynamic_field::add(id, Key { inner: 4u16 }, Sealed { bytes: b"sealed" });
    *dynamic_field::borrow_mut<vector<u8>, u64>(id, b"bytes") = random.bits(64);
    let sealed: &mut Sealed = dynamic_field::borrow_mut(id, Key { inner: 4u16 });
    sealed.bytes.push_back(1);
    out.put_ref(dynamic_field::borrow<vector<u8>, u64>(id, b"bytes"));
    out.put(dynamic_field::exists_(id, 7u8));
    out.put(dynamic_field::exists_(id, 8u8));
    out.put(dynamic_field::exists_with_type<u8, String>(id, 7));
    out.put(dynamic_field::exists_with_type<u8, u64>(id, 7));
    out.put(dynamic_field::remove_if_exists<u8, String>(id, 9));
    out.put(dynamic_field::remove<u8, String>(id, 7));
    dynamic_field::add(id, 7u8, 77u64);
    out.put(dynamic_field::remove<u8, u64>(id, 7));
    let Sealed { bytes } = dynamic_field::remove(id, Key { inner: 4u16 });
    out.put(bytes);
    dynamic_object_field::add(id, b"child", thing(1, ctx));
    out.put(dynamic_object_field::id(id, b"child"));
    let child: &mut Thing = dynamic_object_field::borrow_mut(id, b"child");
    child.count = child.count + 41;
    out.put_ref(child);
    let (count, label) = destroy(dynamic_object_field::remove(id, b"child"));
    out.put(count);
    out.put(label);
    // Derived addresses themselves are left out: the unit-test VM, a 32-bit build, hashes the length
    // of their key in four bytes instead of eight.
    out.put(derived_object::exists(id, seed));
    let derived = derived_object::claim(id, seed);
    out.put(derived_object::exists(id, seed));
    derived.delete();
    out.put_ref(&owner);
    transfer::public_transfer(owner, @0xb0b);
    out.done()
}

/// Fields that are absent, present already, or of another type.
public fun bad_fields(seed: u64, ctx: &mut TxContext): vector<u8> {
    let mut out = random::log();
    let mut owner = thing(seed, ctx);
    let id = &mut owner.id;
    dynamic_field::add(id, 1u64, 1u64);
    let kind = seed % 6;
    if (kind == 0) dynamic_field::add(id, 1u64, 2u64)
    else if (kind == 1) out.put(*dynamic_field::borrow<u64, u64>(id, 2))
    else if (kind == 2) out.put(*dynamic_field::borrow<u64, u8>(id, 1))
    else if (kind == 3) out.put(dynamic_field::remove<u64, bool>(id, 1))
    else if (kind == 4) out.put(dynamic_field::remove<u8, u64>(id, 1))
    else {
        let first = derived_object::claim(id, b"once");
        first.delete();
        let second = derived_object::claim(id, b"once");
        second.delete();
    };
    transfer::public_freeze_object(owner);
    out.done()
}

public fun tables(seed: u64, ctx: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut table = table::new<u64, vector<u8>>(ctx);
    let mut bag = bag::new(ctx);
    let mut list = linked_table::new<u64, u64>(ctx);
    let mut vec = table_vec::empty<u64>(ctx);
    let mut things = object_table::new<u64, Thing>(ctx);
    let mut mixed = object_bag::new(ctx);
    let mut keys = vector[];
    16u64.do!(|i| {
        let key = random.below(10);
        vec.push_back(key);
        if (table.contains(key)) {
            table[key].push_back(i as u8);
            *(&mut list[key]) = i;
            things[key].count = things[key].count + 1;
        } else {
            keys.push_back(key);
            table.add(key, vector[i as u8]);
            if (key % 3 == 0) list.push_front(key, i) else list.push_back(key, i);
            if (key % 2 == 0) bag.add(key, i) else bag.add(key, b"odd");
            things.add(key, thing(i, ctx));
            mixed.add(key as u8, thing(i, ctx));
        }
    });
    out.put(table.length());
    out.put(bag.length());
    out.put_ref(list.front());
    out.put_ref(list.back());
    keys.do!(|key| {
        out.put(table.remove(key));
        if (key % 2 == 0) out.put(bag.remove<u64, u64>(key)) else out.put(bag.remove<u64, vector<u8>>(key));
        out.put_ref(list.next(key));
        out.put(list.remove(key));
        let (count, label) = destroy(things.remove(key));
        out.put(count);
        out.put(label);
        let (count, _) = destroy(mixed.remove<u8, Thing>(key as u8));
        out.put(count);
    });
    let last = vec.length() - 1;
    vec.swap(0, last);
    while (!vec.is_empty()) out.put(vec.pop_back());
    table.destroy_empty();
    bag.destroy_empty();
    list.destroy_empty();
    vec.destroy_empty();
    things.destroy_empty();
    mixed.destroy_empty();
    out.put(ctx.fresh_object_address());
    out.put(ctx.sender());
    out.put(*ctx.digest());
    out.done()
}

public fun money(seed: u64, ctx: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut pot = balance::zero<SUI>();
    let mut supply = coin::zero<SUI>(ctx);
    out.put_ref(&supply);
    pot.join(supply.balance_mut().withdraw_all());
    supply.join(coin::from_balance(pot, ctx));
    out.put(supply.value());
    let split = supply.split(random.below(2) / 2, ctx);
    out.put_ref(&split);
    split.destroy_zero();
    if (seed % 5 == 4) transfer::public_transfer(supply.split(1, ctx), @0x1);
    supply.destroy_zero();
    let mut record = versioned::create(1, seed, ctx);
    let (old, cap) = record.remove_value_for_upgrade<u64>();
    record.upgrade(2, vector[old, old + 1], cap);
    out.put(record.version());
    out.put_ref(record.load_value<vector<u64>>());
    out.put(record.destroy<vector<u64>>());
    out.done()
}

public fun peeled(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut log = random::log();
    log.put(random.bits(64));
    log.put(vector[random.bits(64), 2]);
    log.put(option::some(random.bits(8) as u8));
    log.put(@0xcafe);
    log.put(true);
    log.put((random.bits(64) as u256) << 77);
    let mut reader = bcs::new(log.done());
    out.put(reader.peel_u64());
    out.put(reader.peel_vec_u64());
    out.put(reader.peel_option_u8());
    out.put(reader.peel_address());
    out.put(reader.peel_bool());
    out.put(reader.peel_u256());
    out.put(reader.into_remainder_bytes());
    out.put(sui::address::from_u256((seed as u256) << 200).to_string());
    out.put(@0xabc.to_u256());
    if (seed % 4 == 3) out.put(bcs::new(b"short").peel_u64());
    if (seed % 4 == 2) out.put(bcs::new(vector[2]).peel_bool());
    if (seed % 4 == 1) out.put(sui::address::from_bytes(b"short"));
    out.done()
}
