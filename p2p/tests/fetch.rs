//! The k-of-n planner against a simulated population of peers, in virtual time, by seed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::Duration,
};

use floe_p2p::fetch::{
    Candidate, Fetch, HedgeBudget, Input, Output, PieceIndex, Source, SourceIndex,
};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

const MS: Duration = Duration::from_millis(1);

/// How a peer of the population answers.
#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    Answers(Duration),
    /// Fails after its timeout.
    Dead(Duration),
    /// Answers that it has nothing.
    Empty(Duration),
    /// Is overloaded at first.
    Busy(Duration),
}

/// When, in which order, who answers, and for what.
type Event = (Instant, u64, SourceIndex, Vec<PieceIndex>);

struct World {
    behaviours: Vec<Behaviour>,
    hedges: HedgeBudget,
    now: Instant,
    events: BinaryHeap<Reverse<Event>>,
    sequence: u64,
    /// Pieces asked of each source.
    asked: BTreeMap<SourceIndex, BTreeSet<PieceIndex>>,
    busy_before: BTreeSet<SourceIndex>,
}

#[derive(Debug, PartialEq)]
enum End {
    Done(Duration),
    Impossible { have: usize, need: usize },
}

impl World {
    fn new(behaviours: Vec<Behaviour>) -> Self {
        Self {
            behaviours,
            hedges: HedgeBudget::default(),
            now: Instant::now(),
            events: BinaryHeap::new(),
            sequence: 0,
            asked: BTreeMap::new(),
            busy_before: BTreeSet::new(),
        }
    }

    fn run(&mut self, fetch: &mut Fetch) -> End {
        let start = self.now;
        loop {
            while let Some(output) = fetch.poll_output() {
                match output {
                    Output::Ask { source, pieces } => self.ask(source, pieces),
                    Output::Cancel(_) => {}
                    Output::Done => return End::Done(self.now - start),
                    Output::Impossible { have, need } => return End::Impossible { have, need },
                }
            }
            let event = self.events.peek().map(|Reverse((at, ..))| *at);
            let timeout = fetch.poll_timeout();
            match (event, timeout) {
                (Some(event), timeout) if timeout.is_none_or(|timeout| event <= timeout) => {
                    let Reverse((at, _, source, pieces)) = self.events.pop().unwrap();
                    self.now = at;
                    self.report(fetch, source, &pieces);
                }
                (_, Some(timeout)) => {
                    assert!(timeout >= self.now, "time goes on");
                    self.now = timeout;
                    fetch.handle(self.now, Input::Tick, &mut self.hedges);
                }
                _ => panic!("the fetch neither ends nor waits for anything"),
            }
        }
    }

    fn ask(&mut self, source: SourceIndex, pieces: Vec<PieceIndex>) {
        let asked = self.asked.entry(source).or_default();
        let again = self.busy_before.contains(&source);
        for piece in &pieces {
            assert!(
                asked.insert(*piece) || again,
                "{piece:?} was asked twice of {source:?}"
            );
        }
        let after = match self.behaviours[source.0 as usize] {
            Behaviour::Answers(after)
            | Behaviour::Dead(after)
            | Behaviour::Empty(after)
            | Behaviour::Busy(after) => after,
        };
        self.sequence += 1;
        self.events
            .push(Reverse((self.now + after, self.sequence, source, pieces)));
    }

    fn report(&mut self, fetch: &mut Fetch, source: SourceIndex, pieces: &[PieceIndex]) {
        let mut say = |input| fetch.handle(self.now, input, &mut self.hedges);
        match self.behaviours[source.0 as usize] {
            Behaviour::Answers(_) => pieces.iter().for_each(|piece| say(Input::Arrived(*piece))),
            Behaviour::Empty(_) => pieces
                .iter()
                .for_each(|piece| say(Input::NotHeld(source, *piece))),
            Behaviour::Dead(_) => say(Input::Failed(source)),
            Behaviour::Busy(_) if self.busy_before.insert(source) => {
                say(Input::Busy(source, 50 * MS));
            }
            Behaviour::Busy(_) => pieces.iter().for_each(|piece| say(Input::Arrived(*piece))),
        }
    }
}

fn source(failing: f32) -> Source {
    Source {
        response: 80 * MS,
        per_piece: MS,
        late_after: 400 * MS,
        failing,
        quarantined: false,
    }
}

/// One piece per source, the first `systematic` of rank 0.
fn one_each(n: u32, systematic: u32) -> Vec<Candidate> {
    let rank = |i| u8::from(i >= systematic);
    (0..n)
        .map(|i| Candidate {
            piece: PieceIndex(i),
            source: SourceIndex(i),
            rank: rank(i),
        })
        .collect()
}

/// Log-normal answers around 80 ms; 5 % ten times slower, 2 % dead for 10 s.
fn population(n: u32, rng: &mut ChaCha8Rng) -> Vec<Behaviour> {
    let mut normal = || {
        // Irwin-Hall: twelve uniform numbers make a normal one, near enough.
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    };
    let mut answers: Vec<_> = (0..n)
        .map(|_| Duration::from_secs_f64(0.08 * (0.3 * normal()).exp()))
        .map(Behaviour::Answers)
        .collect();
    let mut order: Vec<_> = (0..n as usize).collect();
    order.shuffle(rng);
    let (slow, dead) = (n as usize / 20, n as usize / 50);
    for &i in &order[..slow] {
        if let Behaviour::Answers(after) = answers[i] {
            answers[i] = Behaviour::Answers(after * 10);
        }
    }
    for &i in &order[slow..slow + dead] {
        answers[i] = Behaviour::Dead(Duration::from_secs(10));
    }
    answers
}

/// The 99th percentile of five hundred fetches by one client that believes `failing`.
fn percentile_99(failing: f32) -> (Duration, f64) {
    let mut hedges = HedgeBudget::default();
    let mut asked = 0;
    let mut times: Vec<_> = (0..500)
        .map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut world = World::new(population(100, &mut rng));
            world.hedges = hedges;
            let sources = vec![source(failing); 100];
            let candidates = one_each(100, 0);
            let mut fetch = Fetch::new(world.now, 67, candidates, sources, seed, &mut world.hedges);
            let end = world.run(&mut fetch);
            hedges = world.hedges;
            asked += world.asked.values().map(BTreeSet::len).sum::<usize>();
            let End::Done(time) = end else {
                panic!("{end:?}")
            };
            time
        })
        .collect();
    times.sort_unstable();
    (
        times[495],
        f64::from(u32::try_from(asked).unwrap()) / 33_500.0,
    )
}

#[test]
fn over_subscription_keeps_the_slowest_reads_near_the_median() {
    let (expected, load) = percentile_99(0.07);
    assert!(expected < 400 * MS, "{expected:?}");
    assert!(load < 1.25, "{load}");
    // Without it, hedges have to save the read, and come late.
    let (surprised, load) = percentile_99(0.0);
    assert!(surprised > 400 * MS, "{surprised:?}");
    assert!(load < 1.15, "{load}");
}

#[test]
fn healthy_peers_are_asked_for_the_systematic_pieces_only_and_once() {
    let mut world = World::new(vec![Behaviour::Answers(50 * MS); 10]);
    let per_source = |i: u32| SourceIndex(i / 10);
    let candidates = (0..100).map(|i| Candidate {
        piece: PieceIndex(i),
        source: per_source(i),
        rank: u8::from(i >= 34),
    });
    let mut fetch = Fetch::new(
        world.now,
        34,
        candidates,
        vec![source(0.0); 10],
        1,
        &mut world.hedges,
    );
    assert_eq!(world.run(&mut fetch), End::Done(50 * MS));
    let asked: BTreeSet<_> = world.asked.values().flatten().copied().collect();
    assert_eq!(asked, (0..34).map(PieceIndex).collect());
    assert_eq!(world.asked.len(), 4, "one request for each holder");
}

#[test]
fn failures_and_absences_are_replaced_at_once() {
    let mut behaviours = vec![Behaviour::Answers(50 * MS); 10];
    behaviours[0] = Behaviour::Dead(20 * MS);
    behaviours[1] = Behaviour::Empty(10 * MS);
    behaviours[2] = Behaviour::Busy(5 * MS);
    let mut world = World::new(behaviours);
    let sources = vec![source(0.0); 10];
    let mut fetch = Fetch::new(world.now, 4, one_each(10, 4), sources, 1, &mut world.hedges);
    assert_eq!(world.run(&mut fetch), End::Done(70 * MS));
}

#[test]
fn an_overloaded_peer_is_asked_again_when_nobody_else_has_it() {
    let mut world = World::new(vec![Behaviour::Busy(10 * MS); 3]);
    let sources = vec![source(0.0); 3];
    let mut fetch = Fetch::new(world.now, 3, one_each(3, 3), sources, 1, &mut world.hedges);
    assert_eq!(world.run(&mut fetch), End::Done(70 * MS));
}

#[test]
fn too_few_pieces_end_in_impossible_with_the_numbers() {
    let mut behaviours = vec![Behaviour::Answers(50 * MS); 10];
    behaviours[3..].fill(Behaviour::Empty(10 * MS));
    let mut world = World::new(behaviours);
    let sources = vec![source(0.1); 10];
    let mut fetch = Fetch::new(world.now, 4, one_each(10, 0), sources, 1, &mut world.hedges);
    let End::Impossible { have, need: 4 } = world.run(&mut fetch) else {
        panic!("too few")
    };
    assert!(have <= 3);

    let mut hedges = HedgeBudget::default();
    let mut nothing = Fetch::new(Instant::now(), 1, [], vec![], 1, &mut hedges);
    assert_eq!(
        nothing.poll_output(),
        Some(Output::Impossible { have: 0, need: 1 })
    );
    assert_eq!(nothing.poll_timeout(), None);
}

#[test]
fn quarantined_peers_come_last() {
    let mut world = World::new(vec![Behaviour::Answers(50 * MS); 10]);
    let mut sources = vec![source(0.0); 10];
    sources[0].quarantined = true;
    let mut fetch = Fetch::new(world.now, 9, one_each(10, 5), sources, 1, &mut world.hedges);
    world.run(&mut fetch);
    assert!(!world.asked.contains_key(&SourceIndex(0)));
}

#[test]
fn a_late_answer_is_hedged_and_still_welcome() {
    let mut behaviours = vec![Behaviour::Answers(10 * MS); 4];
    behaviours[0] = Behaviour::Answers(Duration::from_secs(5));
    let mut world = World::new(behaviours);
    let sources = vec![source(0.0); 4];
    let mut fetch = Fetch::new(world.now, 3, one_each(4, 3), sources, 1, &mut world.hedges);
    let End::Done(time) = world.run(&mut fetch) else {
        panic!("it ends")
    };
    assert!(time < Duration::from_secs(1), "{time:?}");
    assert!(fetch.poll_output().is_none());

    // Without anybody to hedge with, the late one is waited for.
    let mut world = World::new(vec![Behaviour::Answers(Duration::from_secs(5)); 3]);
    let sources = vec![source(0.0); 3];
    let mut fetch = Fetch::new(world.now, 3, one_each(3, 3), sources, 1, &mut world.hedges);
    assert_eq!(world.run(&mut fetch), End::Done(Duration::from_secs(5)));
}

#[test]
fn who_keeps_delivering_is_not_replaced_however_long_it_takes() {
    let (start, mut hedges) = (Instant::now(), HedgeBudget::default());
    let sources = vec![source(0.0); 4];
    let mut fetch = Fetch::new(start, 3, one_each(4, 3), sources, 1, &mut hedges);
    let mut asked = Vec::new();
    while let Some(Output::Ask { source, .. }) = fetch.poll_output() {
        asked.push(source);
    }
    assert_eq!(asked.len(), 3);
    let mut wait = |half_seconds: std::ops::Range<u32>, moving: &[SourceIndex]| {
        for half in half_seconds {
            let now = start + 500 * MS * half;
            for source in moving {
                fetch.handle(now, Input::Moving(*source), &mut hedges);
            }
            fetch.handle(now, Input::Tick, &mut hedges);
        }
        fetch.poll_output()
    };
    assert_eq!(wait(1..40, &asked), None);
    let instead = wait(40..80, &asked[1..]);
    assert!(
        matches!(instead, Some(Output::Ask { .. })),
        "one has stopped"
    );
}

#[test]
fn silent_peers_are_replaced_even_when_the_budget_is_spent() {
    let mut behaviours = vec![Behaviour::Answers(10 * MS); 10];
    behaviours[..3].fill(Behaviour::Dead(Duration::from_secs(10)));
    let mut world = World::new(behaviours);
    while world.hedges.spend() {}
    let sources = vec![source(0.0); 10];
    let mut fetch = Fetch::new(world.now, 4, one_each(10, 4), sources, 1, &mut world.hedges);
    let End::Done(time) = world.run(&mut fetch) else {
        panic!("seven of ten answer")
    };
    assert!(time < Duration::from_secs(3), "{time:?}");
}

#[test]
fn any_population_ends_done_or_impossible_and_by_seed_alone() {
    for seed in 0..1000 {
        let run = || {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let n = rng.random_range(1..40);
            let behaviours: Vec<_> = (0..n)
                .map(|_| {
                    let after = MS * rng.random_range(1..3000);
                    match rng.random_range(0..4) {
                        0 => Behaviour::Dead(after),
                        1 => Behaviour::Empty(after),
                        2 => Behaviour::Busy(after),
                        _ => Behaviour::Answers(after),
                    }
                })
                .collect();
            let holds = |b: &&Behaviour| matches!(b, Behaviour::Answers(_) | Behaviour::Busy(_));
            let reachable = behaviours.iter().filter(holds).count();
            let need = rng.random_range(1..=n as usize);
            let sources = (0..n)
                .map(|_| Source {
                    quarantined: rng.random_bool(0.1),
                    ..source(rng.random())
                })
                .collect();
            let mut world = World::new(behaviours);
            let start = world.now;
            let mut fetch = Fetch::new(
                world.now,
                need,
                one_each(n, n / 2),
                sources,
                seed,
                &mut world.hedges,
            );
            let end = world.run(&mut fetch);
            assert_eq!(
                matches!(end, End::Done(_)),
                reachable >= need,
                "seed {seed}: {end:?}"
            );
            (end, world.now - start, world.asked)
        };
        assert_eq!(run(), run());
    }
}
