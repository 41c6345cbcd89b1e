/// Vectors of bytes, numbers and structs, in and out of bounds; strings; the bit vector.
module corpus::vectors;

use corpus::random;
use std::{ascii, bit_vector, string, uq32_32};
use sui::{hex, priority_queue, vec_map, vec_set};

public struct Item has copy, drop, store { id: u64, tag: vector<u8> }

public fun numbers(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut v = vector::tabulate!(6, |_| random.below(50));
    v.push_back(3);
    v.insert(9, 2);
    v.swap(0, 5);
    v.reverse();
    out.put(v.contains(&9));
    let (found, at) = v.index_of(&9);
    out.put(found);
    out.put(at);
    out.put(v.remove(at));
    out.put(v.swap_remove(1));
    out.put(v.pop_back());
    v.append(vector[1, 2, 3]);
    out.put(v);
    out.put(v.map!(|x| x * 3).filter!(|x| *x % 2 == 0).fold!(7, |a, b| a + b));
    out.put(v.map_ref!(|x| (*x % 256) as u8));
    out.put(v.any!(|x| *x > 30));
    out.put(v.all!(|x| *x < 60));
    out.put(v.count!(|x| *x > 10));
    out.put(v.find_index!(|x| *x == 2));
    v.insertion_sort_by!(|a, b| *a <= *b);
    out.put(v);
    out.put(v.skip(2));
    out.put(vector[v.take(2), v].flatten());
    let mut pairs = vector[];
    v.zip_do!(v.map!(|x| x + 1), |a, b| pairs.push_back(a * b));
    out.put(pairs);
    out.done()
}

public fun bytes(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut v = vector::tabulate!(40, |_| random.bits(8) as u8);
    *&mut v[3] = 200;
    let byte = &mut v[4];
    *byte = *byte / 2;
    out.put(&v[3] == &v[4]);
    v.swap(0, 39);
    v.reverse();
    out.put(v.pop_back());
    out.put(v.length());
    let copied = v;
    v.push_back(1);
    out.put(copied == v);
    out.put(copied != v);
    out.put(hex::encode(v));
    out.put(hex::decode(hex::encode(v)) == v);
    let mut rows = vector[v, b"", b"abc"];
    rows[1].append(b"xyz");
    let first = rows[1][0];
    rows[2].push_back(first);
    out.put(rows);
    out.done()
}

public fun items(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut v = vector::tabulate!(4, |i| Item { id: i, tag: vector::tabulate!(i, |_| random.bits(8) as u8) });
    v[2].tag.push_back(1);
    let last = &mut v[3];
    last.id = last.id + 10;
    last.tag = b"replaced";
    v.swap(0, 3);
    out.put(v.contains(&Item { id: 1, tag: vector[] }));
    v.do_mut!(|item| item.id = item.id * 2);
    out.put_ref(&v);
    while (!v.is_empty()) {
        let Item { id, tag } = v.pop_back();
        out.put(id);
        out.put(tag);
    };
    v.destroy_empty();
    out.done()
}

/// Each seed leaves the bounds in its own way, or keeps them.
public fun bounds(seed: u64, _: &mut TxContext): vector<u8> {
    let mut out = random::log();
    let mut v = vector[seed, 1, 2];
    let mut b = b"ab";
    let kind = seed % 10;
    if (kind == 0) out.put(v[3])
    else if (kind == 1) out.put(b[2])
    else if (kind == 2) v.swap(0, 3)
    else if (kind == 3) b.swap(7, 0)
    else if (kind == 4) { out.put(vector<u64>[].pop_back()) }
    else if (kind == 5) *&mut v[4_000_000_000] = 1
    else if (kind == 6) { v.remove(3); }
    else if (kind == 7) v.insert(5, 4)
    else if (kind == 8) v.destroy_empty()
    else b.insert(1, 2);
    out.put(v);
    out.put(b);
    out.done()
}

public fun strings(seed: u64, _: &mut TxContext): vector<u8> {
    let mut out = random::log();
    let mut s = string::utf8(b"h\xc3\xa9llo w\xc3\xb6rld");
    s.append((seed * 7919).to_string());
    s.insert(0, string::utf8(b"<"));
    s.append_utf8(b">");
    out.put(s.length());
    out.put(s.substring(1, 4));
    out.put(s.index_of(&string::utf8(b"llo")));
    out.put(s.index_of(&string::utf8(b"absent")));
    out.put(s.as_bytes().length());
    out.put(string::try_utf8(vector[0xc3, 0x28]));
    out.put(string::try_utf8(vector[0xed, 0xa0, 0x80]));
    let mut a = ascii::string(b"plain");
    a.push_char(ascii::char(65 + ((seed % 26) as u8)));
    out.put(a.to_uppercase());
    out.put(a.all_characters_printable());
    out.put(a.to_string());
    out.put(s);
    out.done()
}

/// Strings cut in two characters, or past their end.
public fun bad_strings(seed: u64, _: &mut TxContext): vector<u8> {
    let mut out = random::log();
    let mut s = string::utf8(b"h\xc3\xa9llo");
    let kind = seed % 5;
    if (kind == 0) out.put(s.substring(0, 2))
    else if (kind == 1) out.put(s.substring(3, 99))
    else if (kind == 2) s.insert(2, string::utf8(b"!"))
    else if (kind == 3) out.put(string::utf8(vector[0xff]))
    else out.put(ascii::string(vector[0x80]));
    out.put(s);
    out.done()
}

public fun sets(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut map = vec_map::empty<u64, vector<u8>>();
    let mut set = vec_set::empty<u8>();
    let mut queue = priority_queue::new<u64>(vector[]);
    20u64.do!(|i| {
        let key = random.below(12);
        if (map.contains(&key)) map[&key].push_back(i as u8) else map.insert(key, vector[i as u8]);
        if (!set.contains(&(key as u8))) set.insert(key as u8);
        queue.insert(random.below(9), i);
    });
    out.put(map.get_idx_opt(&5));
    let (removed, value) = map.remove_entry_by_idx(0);
    out.put(removed);
    out.put(value);
    out.put(map.keys());
    out.put_ref(set.keys());
    20u64.do!(|_| {
        let (priority, value) = queue.pop_max();
        out.put(priority);
        out.put(value);
    });
    let mut flags = bit_vector::new(70);
    flags.set(seed % 70);
    flags.shift_left(seed % 9);
    out.put(flags);
    let ratio = uq32_32::from_quotient(seed % 100 + 1, 7);
    out.put(uq32_32::int_mul(random.bits(40), ratio));
    out.put(ratio.add(uq32_32::from_int(3)).to_int());
    out.done()
}
