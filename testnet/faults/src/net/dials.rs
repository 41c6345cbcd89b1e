//! How often sockets begin QUIC connections to each other: a storm of dials is a failure of its own,
//! even when everything gets through.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddrV4,
    time::{Duration, Instant},
};

use super::packet::Initial;

/// Time in which dials are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Connections remembered between two sockets.
const REMEMBERED: usize = 4096;

/// The dials seen so far, by who dialled whom.
#[derive(Debug, Default)]
pub(super) struct Dials {
    pairs: BTreeMap<(SocketAddrV4, SocketAddrV4), Pair>,
}

#[derive(Debug, Default)]
struct Pair {
    /// The ids that the sender chose for itself, as dialler or as the one dialled.
    ids: BTreeSet<Vec<u8>>,
    recent: VecDeque<Instant>,
    most: usize,
}

impl Dials {
    /// An Initial packet was seen. One that begins a connection goes to an id that its receiver never
    /// named; further ones of the same connection repeat the sender's.
    pub(super) fn seen(&mut self, now: Instant, packet: Initial) {
        let Initial { from, to, .. } = packet;
        let other = self.pairs.get(&(to, from));
        let answer = other.is_some_and(|pair| pair.ids.contains(&packet.receiver));
        let pair = self.pairs.entry((from, to)).or_default();
        if pair.ids.len() >= REMEMBERED {
            pair.ids.pop_first();
        }
        if !pair.ids.insert(packet.sender) || answer {
            return;
        }
        pair.recent.push_back(now);
        while pair
            .recent
            .front()
            .is_some_and(|at| now.duration_since(*at) > WINDOW)
        {
            pair.recent.pop_front();
        }
        pair.most = pair.most.max(pair.recent.len());
    }

    /// The most dials within a minute, and between whom.
    pub(super) fn most(&self) -> Option<(usize, String)> {
        let ((from, to), pair) = self.pairs.iter().max_by_key(|(_, pair)| pair.most)?;
        Some((pair.most, format!("{from} to {to}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initial(from: u8, to: u8, receiver: u8, sender: u8) -> Initial {
        let at = |host| SocketAddrV4::new([10, 77, 0, host].into(), 9601);
        Initial {
            from: at(from),
            to: at(to),
            receiver: vec![receiver; 8],
            sender: vec![sender; 8],
        }
    }

    #[test]
    fn repetitions_and_answers_are_no_dials() {
        let (mut dials, now) = (Dials::default(), Instant::now());
        for _ in 0..5 {
            dials.seen(now, initial(1, 2, 100, 1));
            dials.seen(now, initial(2, 1, 1, 50));
            dials.seen(now, initial(1, 2, 50, 1));
        }
        assert_eq!(
            dials.most(),
            Some((1, "10.77.0.1:9601 to 10.77.0.2:9601".to_owned()))
        );
        // The other side dials too.
        dials.seen(now, initial(2, 1, 101, 51));
        dials.seen(now, initial(2, 1, 102, 52));
        assert_eq!(dials.most().map(|(most, _)| most), Some(2));
    }

    #[test]
    fn a_minute_is_a_minute() {
        let (mut dials, begun) = (Dials::default(), Instant::now());
        for dial in 0..100_u8 {
            let now = begun + Duration::from_secs(10) * dial.into();
            dials.seen(now, initial(1, 2, 200, dial));
        }
        assert_eq!(dials.most().map(|(most, _)| most), Some(7));
    }
}
