/// The nodes that compete for shards, in flat vectors: two objects are read however many nodes there are.
/// Knows weights and cards; where they come from is `floe::staking`'s.
module floe::rank;

use floe::bls;
use floe::pool::Pool;
use floe::terms::Vote;
use sui::bcs;
use sui::bls12381::UncompressedG1;
use sui::group_ops::Element;

/// Ascending by node id. Written by every change of stake.
public struct Rank has store {
    nodes: vector<ID>,
    weights: vector<u64>,
}

/// In the order of the rank. Written only when a node enters, leaves, votes or changes keys.
public struct Cards has store {
    cards: vector<Card>,
}

/// What the selection needs of a pool besides its weight.
public struct Card has copy, drop, store {
    key: Element<UncompressedG1>,
    ed25519: vector<u8>,
    vote: Vote,
}

public(package) fun new(): (Rank, Cards) {
    (Rank { nodes: vector[], weights: vector[] }, Cards { cards: vector[] })
}

/// The pool's own words, its BLS key made ready for sums.
public(package) fun card(pool: &Pool): Card {
    let keys = pool.keys();
    Card { key: bls::uncompressed(&keys.bls()), ed25519: keys.ed25519(), vote: pool.vote() }
}

/// Where `node` is in the ascending `nodes`, or where it would have to go.
public(package) fun find(nodes: &vector<ID>, node: ID): (bool, u64) {
    let wanted = node.to_address().to_u256();
    let (mut low, mut high) = (0, nodes.length());
    while (low < high) {
        let middle = (low + high) / 2;
        let here = nodes[middle].to_address().to_u256();
        if (here == wanted) return (true, middle);
        if (here < wanted) low = middle + 1 else high = middle;
    };
    (false, low)
}

public(package) fun set_weight(self: &mut Rank, at: u64, weight: u64) {
    *&mut self.weights[at] = weight;
}

public(package) fun set_card(self: &mut Cards, at: u64, card: Card) {
    *&mut self.cards[at] = card;
}

public(package) fun insert(
    self: &mut Rank,
    cards: &mut Cards,
    node: ID,
    weight: u64,
    card: Card,
) {
    let (_, at) = find(&self.nodes, node);
    self.nodes.insert(node, at);
    self.weights.insert(weight, at);
    cards.cards.insert(card, at);
}

public(package) fun remove(self: &mut Rank, cards: &mut Cards, at: u64) {
    self.nodes.remove(at);
    self.weights.remove(at);
    cards.cards.remove(at);
}

/// Where the lightest node is, and its weight. Aborts on an empty rank.
public(package) fun lightest(self: &Rank): (u64, u64) {
    let mut lightest = 0;
    self.weights.length().do!(|at| if (self.weights[at] < self.weights[lightest]) lightest = at);
    (lightest, self.weights[lightest])
}

/// The weights, but nothing for a node that shares a key with a heavier one (of equals, with an earlier one).
/// Only an operator who holds the key can have registered it twice.
public(package) fun distinct(self: &Rank, cards: &Cards): vector<u64> {
    let mut weights = self.weights;
    self.drop_twins(&mut weights, cards.cards.map_ref!(|card| tag(&card.ed25519)));
    // Of the point, the first 32 bytes of its abscissa: they name a key and its negative, which has the same owner.
    self.drop_twins(&mut weights, cards.cards.map_ref!(|card| tag(card.key.bytes())));
    weights
}

/// Sorted by key, twins are neighbours, the one that stays in front.
fun drop_twins(self: &Rank, weights: &mut vector<u64>, tags: vector<u256>) {
    let mut order = vector::tabulate!(tags.length(), |at| at);
    order.merge_sort_by!(|a, b| {
        let (a, b) = (*a, *b);
        if (tags[a] != tags[b]) tags[a] < tags[b]
        else self.weights[a] > self.weights[b] || (self.weights[a] == self.weights[b] && a < b)
    });
    let mut i = 1;
    while (i < order.length()) {
        if (tags[order[i]] == tags[order[i - 1]]) *&mut weights[order[i]] = 0;
        i = i + 1;
    }
}

fun tag(key: &vector<u8>): u256 { bcs::new(*key).peel_u256() }

public fun nodes(self: &Rank): &vector<ID> { &self.nodes }

public fun weights(self: &Rank): &vector<u64> { &self.weights }

public fun cards(self: &Cards): &vector<Card> { &self.cards }

public fun key(self: &Card): Element<UncompressedG1> { self.key }

public fun ed25519(self: &Card): vector<u8> { self.ed25519 }

public fun vote(self: &Card): Vote { self.vote }
