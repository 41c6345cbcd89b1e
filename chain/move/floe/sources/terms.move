/// What storage costs and how much there is, and how the committee's votes settle both.
module floe::terms;

use floe::bls;

/// One node's vote. Prices are the least it accepts; capacity is what it itself can hold.
public struct Vote has copy, drop, store {
    /// Units of WAL per MiB and epoch.
    storage_price: u64,
    /// Units of WAL per MiB, once.
    write_price: u64,
    /// Encoded bytes on this node's disks.
    capacity: u64,
}

/// The terms of one epoch for the whole network.
public struct Terms has copy, drop, store {
    storage_price: u64,
    write_price: u64,
    /// Encoded bytes on all nodes together.
    capacity: u64,
}

public struct Ballot has copy, drop { value: u64, weight: u64 }

public fun vote(storage_price: u64, write_price: u64, capacity: u64): Vote {
    Vote { storage_price, write_price, capacity }
}

/// Nothing is sold under these.
public(package) fun closed(): Terms { Terms { storage_price: 0, write_price: 0, capacity: 0 } }

/// The lowest prices that a quorum of weight accepts, and the largest capacity that a quorum can carry when each
/// node holds its share of it. No third of the weight can move any of them beyond what the others voted.
public(package) fun tally(votes: &vector<Vote>, weights: &vector<u16>, shards: u16): Terms {
    let needed = bls::quorum(shards);
    let mut storage_prices = ballots!(votes, weights, |vote, _| vote.storage_price);
    let mut write_prices = ballots!(votes, weights, |vote, _| vote.write_price);
    let mut capacities = ballots!(votes, weights, |vote, weight| {
        let whole = (vote.capacity as u128) * (shards as u128) / (weight as u128);
        whole.min(std::u64::max_value!() as u128) as u64
    });
    storage_prices.merge_sort_by!(|a, b| a.value <= b.value);
    write_prices.merge_sort_by!(|a, b| a.value <= b.value);
    capacities.merge_sort_by!(|a, b| a.value >= b.value);
    Terms {
        storage_price: reached(&storage_prices, needed),
        write_price: reached(&write_prices, needed),
        capacity: reached(&capacities, needed),
    }
}

public fun storage_price(self: &Terms): u64 { self.storage_price }

public fun write_price(self: &Terms): u64 { self.write_price }

public fun capacity(self: &Terms): u64 { self.capacity }

/// The value at which the weight of the sorted ballots, summed from the front, reaches `needed`.
fun reached(ballots: &vector<Ballot>, needed: u64): u64 {
    let mut sum = 0;
    let at = ballots.find_index!(|ballot| {
        sum = sum + ballot.weight;
        sum >= needed
    });
    // A committee's weights sum to the number of shards, so the quorum is always reached.
    ballots[at.destroy_some()].value
}

macro fun ballots(
    $votes: &vector<Vote>,
    $weights: &vector<u16>,
    $value: |&Vote, u64| -> u64,
): vector<Ballot> {
    let (votes, weights) = ($votes, $weights);
    vector::tabulate!(votes.length(), |i| {
        let weight = weights[i] as u64;
        Ballot { value: $value(&votes[i], weight), weight }
    })
}
