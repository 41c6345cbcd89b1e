/// The committee of one epoch, twice: a flat copy that the epoch change works with, and the immutable object that
/// anyone can prove and cache for ever.
module floe::committee;

use floe::apportion::nobody;
use floe::rank;

public struct Committee has copy, drop, store {
    epoch: u32,
    /// Ascending.
    nodes: vector<ID>,
    /// Shards held, in member order; none is zero.
    weights: vector<u16>,
    /// Member index by shard.
    owners: vector<u16>,
}

/// Immutable, at the address derived from the System's id and the epoch (a `u32`), created when it is selected:
/// the members of the epoch before can sign for it, and a light client proves it before it takes over.
public struct EpochCommittee has key {
    id: UID,
    epoch: u32,
    /// When it takes over, at the earliest.
    start_ms: u64,
    duration_ms: u64,
    /// Ascending by node id: the order of signer bitmaps.
    members: vector<Member>,
    /// Member index by shard.
    owners: vector<u16>,
}

public struct Member has copy, drop, store {
    node: ID,
    weight: u16,
    bls_key: vector<u8>,
    ed25519_key: vector<u8>,
}

public(package) fun new(
    epoch: u32,
    nodes: vector<ID>,
    weights: vector<u16>,
    owners: vector<u16>,
): Committee {
    Committee { epoch, nodes, weights, owners }
}

public(package) fun member(node: ID, weight: u16, bls_key: vector<u8>, ed25519_key: vector<u8>): Member {
    Member { node, weight, bls_key, ed25519_key }
}

/// Makes the committee public for ever. `system` is the parent of its address.
public(package) fun publish(
    self: &Committee,
    system: &mut UID,
    start_ms: u64,
    duration_ms: u64,
    members: vector<Member>,
): ID {
    let committee = EpochCommittee {
        id: sui::derived_object::claim(system, self.epoch),
        epoch: self.epoch,
        start_ms,
        duration_ms,
        members,
        owners: self.owners,
    };
    let id = object::id(&committee);
    transfer::freeze_object(committee);
    id
}

/// Who owns each shard, as an index into the ascending `nodes`, or `nobody()` for owners that are not among them.
public(package) fun owners_among(self: &Committee, nodes: &vector<ID>): vector<u16> {
    let there = self.nodes.map_ref!(|node| {
        let (found, at) = rank::find(nodes, *node);
        if (found) at as u16 else nobody()
    });
    self.owners.map_ref!(|owner| if (*owner == nobody()) nobody() else there[*owner as u64])
}

/// Shards held by `node`; zero if it is no member.
public fun weight_of(self: &Committee, node: ID): u16 {
    let (found, at) = rank::find(&self.nodes, node);
    if (found) self.weights[at] else 0
}

public fun epoch(self: &Committee): u32 { self.epoch }

public fun nodes(self: &Committee): &vector<ID> { &self.nodes }

public fun weights(self: &Committee): &vector<u16> { &self.weights }

public fun owners(self: &Committee): &vector<u16> { &self.owners }
