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
    let cap = cap(stakes.count!(|stake| *stake > 0), shards as u64, cap_bps);
    let (mut quotas, mut left) = lower_bounds(stakes, shards as u64, cap);
    while (left > 0) {
        let (mut best, mut best_stake, mut best_seats) = (0, 0u128, 1u128);
        stakes.length().do!(|i| {
            if (quotas[i] < cap) {
                let (stake, seats) = (stakes[i] as u128, quotas[i] as u128 + 1);
                if (stake * best_seats > best_stake * seats) {
                    best = i;
                    best_stake = stake;
                    best_seats = seats;
                }
            }
        });
        let quota = &mut quotas[best];
        *quota = *quota + 1;
        left = left - 1;
    };
    quotas.map!(|quota| quota as u16)
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

/// Shards that highest averages gives in any case, and how many remain. A candidate that is certain to reach the
/// cap leaves the contest, which raises the bounds of the others: at most one pass per capped candidate.
fun lower_bounds(stakes: &vector<u64>, shards: u64, cap: u64): (vector<u64>, u64) {
    let mut quotas = stakes.map_ref!(|_| 0);
    let mut capped = true;
    while (capped) {
        let (mut stake, mut left) = (0u128, shards);
        quotas.length().do!(|i| {
            if (quotas[i] == cap) left = left - cap else stake = stake + (stakes[i] as u128)
        });
        if (stake == 0) break;
        // Above the quotient at which the contest would hand out one shard too many.
        let divisor = stake / (left as u128 + 1) + 1;
        capped = false;
        quotas.length().do!(|i| {
            if (quotas[i] < cap) {
                let bound = (stakes[i] as u128 / divisor) as u64;
                if (bound >= cap) capped = true;
                *&mut quotas[i] = bound.min(cap);
            }
        })
    };
    let given = quotas.fold!(0, |sum, quota| sum + quota);
    (quotas, shards - given)
}
