//! Whose turn it is: deficit round robin over (traffic class, peer). Pure.
//!
//! Control goes first. The other classes share by weight, so that none waits for ever behind another; the
//! peers of a class share equally, in bytes of work. A peer may hold as many places as are free: one that
//! asks alone gets half of them, and a crowd leaves one for whoever comes next. Some places are kept for
//! control and challenges, which load must not fail.

use std::collections::{HashMap, VecDeque};

use crate::{identity::PeerId, wire::TrafficClass};

/// A wish to be worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) class: TrafficClass,
    pub(super) peer: PeerId,
    /// What the work costs, in bytes.
    pub(super) cost: u64,
}

/// Everybody who waits for a place, and who has one.
#[derive(Debug)]
pub(super) struct Queue<T> {
    lanes: [Lane<T>; TrafficClass::ALL.len()],
    /// The most any served lane has had, so that one that was empty saves nothing up.
    virtual_time: u64,
    free: usize,
    reserved: usize,
    held: HashMap<PeerId, usize>,
    waiting: usize,
}

/// The waiting peers of a class, in the order of their turns.
#[derive(Debug)]
struct Lane<T> {
    round: VecDeque<Flow<T>>,
    /// Bytes of work had so far, divided by the weight of the class.
    had: u64,
}

#[derive(Debug)]
struct Flow<T> {
    peer: PeerId,
    /// Bytes of work that may be had in this round.
    deficit: u64,
    /// Whether the quantum of this round is in it.
    credited: bool,
    waiting: VecDeque<(u64, T)>,
}

impl<T> Lane<T> {
    const fn new() -> Self {
        Self {
            round: VecDeque::new(),
            had: 0,
        }
    }
}

/// The share of a class among those that wait; control needs none.
const fn weight(class: TrafficClass) -> u64 {
    match class {
        TrafficClass::Control | TrafficClass::Read => 16,
        TrafficClass::Write => 8,
        TrafficClass::LiveRecovery => 4,
        TrafficClass::ShardSync | TrafficClass::Challenge => 2,
        TrafficClass::Scrub => 1,
    }
}

/// Whether a class may have the reserved places.
const fn is_urgent(class: TrafficClass) -> bool {
    matches!(class, TrafficClass::Control | TrafficClass::Challenge)
}

impl<T> Queue<T> {
    /// Bytes of work a peer may have more in each round.
    const QUANTUM: u64 = 256 << 10;
    /// What costs more counts as this, so that finding the next takes few rounds.
    const COSTLIEST: u64 = 16 << 20;

    /// A queue for so many places, some of them for control and challenges only.
    pub(super) fn new(places: usize, reserved: usize) -> Self {
        Self {
            lanes: [const { Lane::new() }; TrafficClass::ALL.len()],
            virtual_time: 0,
            free: places,
            reserved: reserved.min(places.saturating_sub(1)),
            held: HashMap::new(),
            waiting: 0,
        }
    }

    /// How many wait.
    pub(super) const fn len(&self) -> usize {
        self.waiting
    }

    /// Forgets whoever does not wait any more.
    pub(super) fn retain(&mut self, waits: impl Fn(&T) -> bool) {
        self.waiting = 0;
        for lane in &mut self.lanes {
            for flow in &mut lane.round {
                flow.waiting.retain(|(_, who)| waits(who));
                self.waiting += flow.waiting.len();
            }
            lane.round.retain(|flow| !flow.waiting.is_empty());
        }
    }

    /// Gets in line.
    pub(super) fn join(&mut self, turn: Turn, who: T) {
        self.waiting += 1;
        let virtual_time = self.virtual_time;
        let lane = self.lane(turn.class);
        if lane.round.is_empty() {
            lane.had = lane.had.max(virtual_time);
        }
        let waiting = (turn.cost.min(Self::COSTLIEST), who);
        match lane.round.iter_mut().find(|flow| flow.peer == turn.peer) {
            Some(flow) => flow.waiting.push_back(waiting),
            None => lane.round.push_back(Flow {
                peer: turn.peer,
                deficit: 0,
                credited: false,
                waiting: VecDeque::from([waiting]),
            }),
        }
    }

    /// Gives a place to whoever's turn it is, if there is one to give.
    pub(super) fn next(&mut self) -> Option<(PeerId, T)> {
        let mut classes = TrafficClass::ALL;
        classes.sort_by_key(|class| {
            let had = self.lanes[*class as usize].had;
            (*class != TrafficClass::Control, had)
        });
        classes.into_iter().find_map(|class| self.next_of(class))
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, peer: PeerId) {
        self.free += 1;
        if let Some(held) = self.held.get_mut(&peer) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&peer);
            }
        }
    }

    fn next_of(&mut self, class: TrafficClass) -> Option<(PeerId, T)> {
        let kept = if is_urgent(class) { 0 } else { self.reserved };
        let free = self.free.saturating_sub(kept);
        if free == 0 {
            return None;
        }
        let Self { lanes, held, .. } = self;
        let lane = &mut lanes[class as usize];
        let mut passed_over = 0;
        while passed_over < lane.round.len() {
            let mut flow = lane.round.pop_front()?;
            let may = held.get(&flow.peer).is_none_or(|held| *held < free);
            let cost = flow.waiting.front().map_or(0, |(cost, _)| *cost);
            if !may {
                // Saves nothing up meanwhile.
                passed_over += 1;
                lane.round.push_back(flow);
                continue;
            }
            passed_over = 0;
            if !flow.credited {
                flow.credited = true;
                flow.deficit += Self::QUANTUM;
            }
            if flow.deficit < cost {
                flow.credited = false;
                lane.round.push_back(flow);
                continue;
            }
            flow.deficit -= cost;
            let peer = flow.peer;
            let (_, who) = flow.waiting.pop_front()?;
            if !flow.waiting.is_empty() {
                lane.round.push_front(flow);
            }
            lane.had += cost / weight(class);
            self.virtual_time = self.virtual_time.max(lane.had);
            self.waiting -= 1;
            self.free -= 1;
            *self.held.entry(peer).or_default() += 1;
            return Some((peer, who));
        }
        None
    }

    const fn lane(&mut self, class: TrafficClass) -> &mut Lane<T> {
        &mut self.lanes[class as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn peer(seed: u8) -> PeerId {
        Identity::from_seed([seed; 32]).peer_id()
    }

    fn turn(class: TrafficClass, seed: u8, cost: u64) -> Turn {
        let peer = peer(seed);
        Turn { class, peer, cost }
    }

    const KIB: u64 = 1 << 10;

    /// Serves one at a time and says whom, by what was put in.
    fn serve(queue: &mut Queue<u8>, turns: usize) -> Vec<u8> {
        let mut served = Vec::new();
        while served.len() < turns
            && let Some((peer, who)) = queue.next()
        {
            served.push(who);
            queue.leave(peer);
        }
        served
    }

    #[test]
    fn a_thousand_wishes_of_one_peer_delay_another_by_one_round() {
        let mut queue = Queue::new(1, 0);
        for _ in 0..1000 {
            queue.join(turn(TrafficClass::Read, 1, 64 * KIB), 1);
        }
        serve(&mut queue, 10);
        queue.join(turn(TrafficClass::Read, 2, 64 * KIB), 2);
        let after = serve(&mut queue, 1000).iter().position(|who| *who == 2);
        let round = usize::try_from(Queue::<u8>::QUANTUM / (64 * KIB)).unwrap();
        assert!(after.unwrap() <= round, "{after:?}");
    }

    #[test]
    fn peers_share_bytes_and_not_wishes() {
        let mut queue = Queue::new(1, 0);
        for _ in 0..10_000 {
            queue.join(turn(TrafficClass::Read, 1, 1024 * KIB), 1);
            queue.join(turn(TrafficClass::Read, 2, 32 * KIB), 2);
        }
        let served = serve(&mut queue, 3300);
        let bytes =
            |peer, each: u64| each * served.iter().filter(|who| **who == peer).count() as u64;
        let (large, small) = (bytes(1, 1024), bytes(2, 32));
        assert!(large.abs_diff(small) <= 2 * 1024, "{large} and {small} KiB");
    }

    #[test]
    fn classes_share_by_weight_and_control_goes_first() {
        let mut queue = Queue::new(1, 0);
        for class in TrafficClass::ALL {
            for _ in 0..10_000 {
                let who = class as u8;
                queue.join(turn(class, who, 64 * KIB), who);
            }
        }
        let served = serve(&mut queue, 13_300);
        let had = |class: TrafficClass| {
            let of_class = served[10_000..].iter().filter(|who| **who == class as u8);
            of_class.count()
        };
        assert!(
            served[..10_000]
                .iter()
                .all(|who| *who == TrafficClass::Control as u8)
        );
        assert!((1550..1650).contains(&had(TrafficClass::Read)));
        assert!((780..820).contains(&had(TrafficClass::Write)));
        assert!((190..210).contains(&had(TrafficClass::Challenge)));
        assert!((95..105).contains(&had(TrafficClass::Scrub)));
    }

    #[test]
    fn a_peer_leaves_as_many_places_free_as_it_holds_and_some_are_for_challenges() {
        let mut queue = Queue::new(36, 4);
        for asking in 1..=40 {
            for _ in 0..100 {
                queue.join(turn(TrafficClass::Read, asking, KIB), asking);
            }
        }
        queue.join(turn(TrafficClass::Read, 99, KIB), 99);
        let mut held = [0; 100];
        while let Some((_, who)) = queue.next() {
            held[usize::from(who)] += 1;
        }
        assert_eq!(held.iter().sum::<i32>(), 32);
        queue.join(turn(TrafficClass::Challenge, 100, KIB), 100);
        assert_eq!(queue.next(), Some((peer(100), 100)));

        let mut queue = Queue::new(36, 4);
        for _ in 0..100 {
            queue.join(turn(TrafficClass::Read, 1, KIB), 1);
        }
        let alone = std::iter::from_fn(|| queue.next()).count();
        assert_eq!(alone, 16, "half of what is not reserved");
        queue.join(turn(TrafficClass::Scrub, 2, KIB), 2);
        assert_eq!(
            queue.next(),
            Some((peer(2), 2)),
            "whoever comes next finds a place"
        );
    }

    #[test]
    fn whoever_stops_waiting_is_forgotten() {
        let mut queue = Queue::new(1, 0);
        for who in 0..100 {
            queue.join(turn(TrafficClass::Write, who, KIB), who);
        }
        queue.retain(|who| *who >= 90);
        assert_eq!(queue.len(), 10);
        assert_eq!(serve(&mut queue, 100).len(), 10);
        assert_eq!(queue.len(), 0);
    }
}
