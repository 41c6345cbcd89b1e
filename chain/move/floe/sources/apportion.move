/// Who gets how many shards, and which: pure arithmetic over vectors.
module floe::apportion;

const WHOLE_BPS: u64 = 10_000;
/// From this many candidates on the cap is a fixed part of all shards.
const MANY_NODES: u64 = 20;
/// In an owner map: nobody.
const NOBODY: u16 = 0xffff;

/// Shards per candidate by highest averages: every shard goes to whoever has the most stake per shard it would
/// then hold, up to a cap. Ties go to the first. Candidates without stake get nothing.
/// Requires one candidate with stake; the quotas sum to `shards`.
public(package) fun quotas(stakes: &vector<u64>, shards: u16, cap_bps: u16): vector<u16> {
    let shards = shards as u64;
    let cap = cap(stakes.count!(|stake| *stake > 0), shards, cap_bps);
    // Everyone gets the shards that their stake buys, at the least whole price at which those are not too many.
    let (mut low, mut price) = (0, 1u64);
    stakes.do_ref!(|stake| price = price.max(*stake + 1));
    while (price - low > 1) {
        let middle = low + (price - low) / 2;
        if (sold(stakes, middle, cap) <= shards) price = middle else low = middle;
    };
    let mut quotas = stakes.map_ref!(|stake| cap.min(*stake / price));
    // What is left is worth between that price and one unit less: a few shards, or a tie.
    let mut left = shards - sold(stakes, price, cap);
    while (left > 0) {
        let (mut best, mut best_stake, mut best_seats) = (0, 0u128, 1u128);
        stakes.length().do!(|i| if (quotas[i] < cap) {
            let (stake, seats) = (stakes[i] as u128, quotas[i] as u128 + 1);
            if (stake * best_seats > best_stake * seats) {
                best = i;
                best_stake = stake;
                best_seats = seats;
            }
        });
        *&mut quotas[best] = quotas[best] + 1;
        left = left - 1;
    };
    quotas.map!(|quota| quota as u16)
}

/// Shards that the stakes buy at `price`, nobody more than `cap`.
fun sold(stakes: &vector<u64>, price: u64, cap: u64): u64 {
    let mut sum = 0;
    stakes.do_ref!(|stake| sum = sum + cap.min(*stake / price));
    sum
}

/// Gives every shard an owner (an index into `quotas`): whoever owns it now while its quota lasts, so that no
/// assignment to these quotas moves fewer shards; the others in order to whoever has room.
/// `current` maps a shard to its owner among the candidates, or to `nobody()`.
public(package) fun assign(current: &vector<u16>, quotas: &vector<u16>): vector<u16> {
    let mut room = *quotas;
    let mut owners = current.map_ref!(|owner| {
        if (*owner != NOBODY && room[*owner as u64] > 0) {
            let room = &mut room[*owner as u64];
            *room = *room - 1;
            *owner
        } else NOBODY
    });
    let mut next = 0;
    owners.do_mut!(|owner| if (*owner == NOBODY) {
        while (room[next] == 0) next = next + 1;
        let room = &mut room[next];
        *room = *room - 1;
        *owner = next as u16;
    });
    owners
}

public(package) fun nobody(): u16 { NOBODY }

/// The most shards that one of `nodes` candidates may hold: `cap_bps` of all; with few candidates twice the mean,
/// but no more than a network survives losing. Always enough for all shards to find an owner.
public(package) fun cap(nodes: u64, shards: u64, cap_bps: u16): u64 {
    let fair = shards.divide_and_round_up(nodes);
    let most = if (nodes >= MANY_NODES) shards * (cap_bps as u64) / WHOLE_BPS
    else ((shards - 1) / 3).min(2 * shards / nodes);
    fair.max(most)
}
