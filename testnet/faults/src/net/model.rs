//! What becomes of each packet between two places: lost, late, twice, overtaken, or queued where a
//! wire is narrow. Time and chance are arguments; carries nothing itself.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Somewhere on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(pub(super) usize);

/// The way from one place to another; the way back is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// Nothing arrives.
    pub(crate) cut: bool,
    /// Packets of a thousand that are lost.
    pub(crate) lost: u32,
    /// Packets of a thousand that arrive twice.
    pub(crate) doubled: u32,
    /// Packets of a thousand that are held back by [`HELD_BACK`], so that later ones overtake them.
    pub(crate) overtaken: u32,
    /// How long a packet is on its way.
    pub(crate) delay: Duration,
}

/// How long a packet is held back to be overtaken.
pub(crate) const HELD_BACK: Duration = Duration::from_millis(30);
/// Bytes that wait for a narrow wire; what comes then is lost.
const QUEUE: u64 = 64 << 10;
/// Bytes on their way between all places: a bound of the harness, not of the network.
const FLYING: usize = 256 << 20;

/// A wire of a bounded rate, and the queue before it.
#[derive(Clone, Copy, Debug, Default)]
struct Wire {
    /// Bytes a second; as many as come if `None`.
    rate: Option<u64>,
    /// When the last byte of the queue is through.
    free_at: Option<Instant>,
}

impl Wire {
    /// When a packet is through; `None` if the queue is full.
    fn pass(&mut self, now: Instant, bytes: u64) -> Option<Instant> {
        let Some(rate) = self.rate else {
            return Some(now);
        };
        let begins = self.free_at.map_or(now, |free| free.max(now));
        let takes = |bytes: u64| Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate);
        if begins - now + takes(bytes) > takes(QUEUE) {
            return None;
        }
        let through = begins + takes(bytes);
        self.free_at = Some(through);
        Some(through)
    }
}

/// All places and the ways between them.
pub(crate) struct Model {
    places: usize,
    ways: Vec<(Way, ChaCha8Rng)>,
    up: Vec<Wire>,
    down: Vec<Wire>,
    flights: BinaryHeap<Reverse<Flight>>,
    flying: usize,
    sent: u64,
    tally: Tally,
}

/// What became of all packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    /// Cut off, lost on the way or before a narrow wire.
    pub(crate) lost: u64,
    /// For which the harness itself had no room: then its results mean nothing.
    pub(crate) overflowed: u64,
}

/// A packet on its way. Ordered by time, then by when it was sent.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Instant,
    number: u64,
    /// It is through the wire of the place it goes to.
    landed: bool,
    to: Place,
    packet: Vec<u8>,
}

impl Model {
    pub(super) fn new(places: usize, seed: u64) -> Self {
        // Each way draws for itself, so that what one carries does not change another's luck.
        let way = |way| {
            let rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(way));
            (Way::default(), rng)
        };
        Self {
            places,
            ways: (0..).take(places * places).map(way).collect(),
            up: vec![Wire::default(); places],
            down: vec![Wire::default(); places],
            flights: BinaryHeap::new(),
            flying: 0,
            sent: 0,
            tally: Tally::default(),
        }
    }

    /// Changes the way from one place to another.
    pub(crate) fn way(&mut self, from: Place, to: Place, change: impl FnOnce(&mut Way)) {
        if let Some((way, _)) = self.ways.get_mut(from.0 * self.places + to.0) {
            change(way);
        }
    }

    /// Changes every way.
    pub(crate) fn ways(&mut self, change: impl Fn(&mut Way)) {
        for (way, _) in &mut self.ways {
            change(way);
        }
    }

    /// Nothing passes from any of one side to any of the other.
    pub(crate) fn cut(&mut self, from: &[Place], to: &[Place]) {
        for &from in from {
            for &to in to {
                self.way(from, to, |way| way.cut = true);
            }
        }
    }

    /// Bounds what a place sends, and what it receives, in bytes a second.
    pub(crate) fn narrow(&mut self, place: Place, rate: u64) {
        let wires = [self.up.get_mut(place.0), self.down.get_mut(place.0)];
        for wire in wires.into_iter().flatten() {
            wire.rate = Some(rate.max(1));
        }
    }

    /// Undoes every change; what is on its way still arrives as late as it would have.
    pub(crate) fn heal(&mut self) {
        self.ways(|way| *way = Way::default());
        for wire in self.up.iter_mut().chain(&mut self.down) {
            *wire = Wire::default();
        }
    }

    pub(super) const fn tally(&self) -> Tally {
        self.tally
    }

    /// A packet sets out.
    pub(super) fn send(&mut self, now: Instant, from: Place, to: Place, packet: &[u8]) {
        let Some((way, rng)) = self.ways.get_mut(from.0 * self.places + to.0) else {
            return;
        };
        // Always as many draws, whatever the way is like.
        let [lost, doubled, overtaken] = std::array::from_fn(|_| rng.random_range(0..1000));
        let way = *way;
        let bytes = packet.len() as u64;
        let through = self.up.get_mut(from.0).and_then(|up| up.pass(now, bytes));
        self.tally.sent += 1;
        let Some(through) = through.filter(|_| !way.cut && lost >= way.lost) else {
            self.tally.lost += 1;
            return;
        };
        let held = if overtaken < way.overtaken {
            HELD_BACK
        } else {
            Duration::ZERO
        };
        let at = through + way.delay + held;
        for _ in 0..=usize::from(doubled < way.doubled) {
            if self.flying + packet.len() > FLYING {
                self.tally.overflowed += 1;
                return;
            }
            self.flying += packet.len();
            self.push(at, false, to, packet.to_vec());
        }
    }

    /// When to ask again what has arrived.
    pub(super) fn next(&self) -> Option<Instant> {
        self.flights.peek().map(|Reverse(flight)| flight.at)
    }

    /// A packet that has arrived, and where; in order of arrival.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<(Place, Vec<u8>)> {
        while self.next().is_some_and(|at| at <= now) {
            let Reverse(flight) = self.flights.pop()?;
            let down = self.down.get_mut(flight.to.0)?;
            let bytes = flight.packet.len() as u64;
            let landed = if flight.landed {
                Some(flight.at)
            } else {
                down.pass(flight.at, bytes)
            };
            match landed {
                Some(at) if at <= now => {
                    self.flying -= flight.packet.len();
                    return Some((flight.to, flight.packet));
                }
                Some(at) => self.push(at, true, flight.to, flight.packet),
                None => {
                    self.tally.lost += 1;
                    self.flying -= flight.packet.len();
                }
            }
        }
        None
    }

    fn push(&mut self, at: Instant, landed: bool, to: Place, packet: Vec<u8>) {
        self.sent += 1;
        self.flights.push(Reverse(Flight {
            at,
            number: self.sent,
            landed,
            to,
            packet,
        }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: Place = Place(0);
    const B: Place = Place(1);

    /// Sends `count` packets of `size` bytes from A to B, one every `gap`; returns the number and the
    /// time of each that arrived.
    fn arrivals(model: &mut Model, count: u32, size: usize, gap: Duration) -> Vec<(u32, Duration)> {
        let begun = Instant::now();
        let mut come = Vec::new();
        let mut take = |model: &mut Model, now: Instant| {
            // Whoever looks late must learn no other times than whoever looks at once.
            while let Some(at) = model.next().filter(|at| *at <= now) {
                while let Some((to, packet)) = model.arrived(at) {
                    assert_eq!(to, B);
                    let number = u32::from_le_bytes(packet[..4].try_into().unwrap());
                    come.push((number, at - begun));
                }
            }
        };
        for number in 0..count {
            let now = begun + gap * number;
            take(model, now);
            let mut packet = vec![0; size];
            packet[..4].copy_from_slice(&number.to_le_bytes());
            model.send(now, A, B, &packet);
        }
        take(model, begun + Duration::from_secs(3600));
        assert_eq!((model.flying, model.next()), (0, None));
        come
    }

    const GAP: Duration = Duration::from_millis(1);

    #[test]
    fn a_good_network_does_nothing_to_packets() {
        let come = arrivals(&mut Model::new(2, 1), 100, 100, GAP);
        let sent: Vec<_> = (0..100).map(|number| (number, GAP * number)).collect();
        assert_eq!(come, sent);
    }

    #[test]
    fn a_cut_holds_in_one_direction_until_it_is_healed() {
        let mut model = Model::new(2, 1);
        model.cut(&[B], &[A]);
        assert_eq!(arrivals(&mut model, 10, 100, GAP).len(), 10);
        model.cut(&[A], &[B]);
        assert_eq!(arrivals(&mut model, 10, 100, GAP), []);
        model.heal();
        assert_eq!(arrivals(&mut model, 10, 100, GAP).len(), 10);
    }

    #[test]
    fn shares_are_kept_and_a_seed_repeats() {
        let run = |seed| {
            let mut model = Model::new(2, seed);
            model.ways(|way| {
                (way.lost, way.doubled, way.overtaken) = (100, 10, 10);
                way.delay = Duration::from_millis(500);
            });
            arrivals(&mut model, 20_000, 100, GAP)
        };
        let come = run(7);
        assert_eq!(come, run(7));
        assert_ne!(come, run(8));
        let doubled = come.len()
            - come
                .iter()
                .map(|(n, _)| n)
                .collect::<std::collections::BTreeSet<_>>()
                .len();
        let late =
            |(number, at): &&(u32, Duration)| *at > GAP * *number + Duration::from_millis(500);
        let overtaken = come.iter().filter(late).count();
        // Five standard deviations.
        assert!((17_800..=18_560).contains(&come.len()), "{}", come.len());
        assert!((110..=250).contains(&doubled), "{doubled}");
        assert!((110..=250).contains(&overtaken), "{overtaken}");
        assert!(
            come.iter()
                .all(|(number, at)| *at >= GAP * *number + Duration::from_millis(500))
        );
    }

    proptest! {
        #[test]
        fn a_narrow_wire_carries_its_rate_and_queues_so_much(
            rate in 10_000_u64..1_000_000,
            size in 40_usize..1500,
            gap in 1_u64..3_000,
        ) {
            let mut model = Model::new(2, 1);
            model.narrow(B, rate);
            let count = 2_000;
            let come = arrivals(&mut model, count, size, Duration::from_micros(gap));
            let takes = |bytes: u64| Duration::from_nanos(bytes * 1_000_000_000 / rate);
            let offered = gap * u64::from(count - 1);
            let size = size as u64;
            for (number, at) in &come {
                prop_assert!(*at <= Duration::from_micros(gap) * *number + takes(QUEUE), "waits in a bounded queue");
            }
            // Never faster than the rate, and never idle while there is something.
            let bytes = come.len() as u64 * size;
            let last = come.last().unwrap().1;
            prop_assert!(takes(bytes) <= last + takes(size));
            let wanted = (u64::from(count) * size).min(offered * rate / 1_000_000);
            prop_assert!(bytes + 2 * size + rate / 1000 >= wanted, "{bytes} of {wanted}");
        }
    }
}
