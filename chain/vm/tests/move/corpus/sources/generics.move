/// Type parameters, nested structs, references into paths, macros and higher-order code.
module corpus::generics;

use corpus::random;
use std::type_name;

public struct Tree<T> has copy, drop, store { value: T, children: vector<Tree2<T>>, note: Option<u64> }
public struct Tree2<T> has copy, drop, store { value: T, leaves: vector<T> }
public struct Marker<phantom T> has copy, drop, store {}
public struct Pair<A, B>(A, B) has copy, drop, store;

fun tree<T: copy + drop + store>(value: T, n: u64): Tree<T> {
    Tree {
        value,
        children: vector::tabulate!(n, |i| Tree2 { value, leaves: vector::tabulate!(i, |_| value) }),
        note: option::some(n),
    }
}

fun swap<A, B>(pair: Pair<A, B>): Pair<B, A> {
    let Pair(a, b) = pair;
    Pair(b, a)
}

fun deepest<T>(tree: &mut Tree<T>, i: u64): &mut T { &mut tree.children[i].value }

fun pick(left: &mut u64, right: &mut u64, first: bool): &mut u64 { if (first) left else right }

public fun trees(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let n = random.below(4) + 1;
    let mut numbers = tree(random.bits(64), n);
    *numbers.deepest(n - 1) = 5;
    let leaf = &mut numbers.children[n - 1];
    leaf.leaves.push_back(seed);
    leaf.leaves.reverse();
    out.put_ref(&numbers);
    let mut nested = tree(tree(random.bits(16) as u16, 2), 2);
    nested.deepest(1).value = 3;
    nested.children[1].value.children[0].leaves.push_back(4);
    nested.note = option::none();
    out.put_ref(&nested);
    out.put(tree(b"bytes", 2));
    out.put(tree(@0xb0b, 1));
    out.put(tree(Marker<u8> {}, 1));
    let Tree { value, children, note } = nested;
    out.put(value);
    out.put(children.length());
    out.put(note);
    out.done()
}

public fun pairs(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let pair = Pair(random.bits(64), vector[true, false]);
    out.put(swap(pair));
    out.put(swap(swap(pair)) == pair);
    let Pair(mut x, mut y) = Pair(random.bits(32), random.bits(32));
    let chosen = pick(&mut x, &mut y, seed % 2 == 0);
    *chosen = *chosen + 1;
    out.put(x);
    out.put(y);
    let mut table = vector[vector[1, 2], vector[], vector[3u64]];
    let row = &mut table[seed % 3];
    row.push_back(9);
    let last = row.length() - 1;
    row.swap(0, last);
    let copied = *row;
    out.put(copied);
    out.put(table);
    out.done()
}

public fun names(_: u64, _: &mut TxContext): vector<u8> {
    let mut out = random::log();
    out.put(type_name::with_defining_ids<Tree<Pair<u8, vector<Marker<bool>>>>>());
    out.put(type_name::with_original_ids<Option<address>>());
    out.put(type_name::with_defining_ids<vector<vector<u256>>>().is_primitive());
    out.put(type_name::defining_id<Marker<u8>>());
    out.put(type_name::with_defining_ids<sui::coin::Coin<sui::sui::SUI>>().module_string());
    out.done()
}

public fun control(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let mut i = 0u64;
    let found = 'outer: loop {
        let mut j = 0u64;
        while (j < 5) {
            if (random.below(20) == 0) break 'outer i * 10 + j;
            j = j + 1;
            if (j == 3 && i % 2 == 0) continue;
            out.put(j as u8);
        };
        i = i + 1;
        if (i > 6) return out.done();
    };
    out.put(found);
    out.put(recursive(seed % 12));
    out.done()
}

fun recursive(n: u64): u64 { if (n < 2) n else recursive(n - 1) + recursive(n - 2) }
