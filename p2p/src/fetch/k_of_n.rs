//! The state machine of one fetch.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use super::{
    Candidate, HedgeBudget, Input, Output, PieceIndex, Source, SourceIndex, over_subscription,
    pick::pick,
};

/// One fetch of any `need` of the pieces that can be had.
#[derive(Debug)]
pub struct Fetch {
    begun: Instant,
    need: usize,
    /// Pieces to have or have asked for, as long as there are any: `need` and the
    /// over-subscription.
    target: usize,
    arrived: BTreeSet<PieceIndex>,
    candidates: Vec<(Candidate, State)>,
    sources: Vec<Source>,
    asks: BTreeMap<SourceIndex, Ask>,
    /// Overloaded sources and when they may be asked again.
    resting: BTreeMap<SourceIndex, Instant>,
    outputs: VecDeque<Output>,
    over: bool,
    rng: ChaCha8Rng,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Could be asked for.
    Open,
    /// Was asked for.
    Asked,
    /// Will not come from this source.
    Closed,
}

/// What a source was asked for and has not answered.
#[derive(Debug)]
struct Ask {
    pieces: BTreeSet<PieceIndex>,
    late_at: Instant,
    /// Somebody else was asked instead, or would have been if there were anybody; what still
    /// arrives is welcome.
    late: bool,
    /// It is late by so much that asking somebody else is no hedge any more.
    given_up: bool,
}

impl Ask {
    /// A source that delivers is not late, however much it was asked for.
    fn delivers(&mut self, late_at: Instant) {
        self.late_at = self.late_at.max(late_at);
        (self.late, self.given_up) = (false, false);
    }
}

/// How long a source whose bytes keep coming may pause, at least. Where all is slow, losses make longer
/// pauses: half the time that the fetch took so far.
const STEADY: Duration = Duration::from_secs(1);

/// How much later than late a source may be before it is replaced without asking the budget: a
/// client that lost many peers at once must not wait for deadlines.
const GIVEN_UP: Duration = Duration::from_secs(1);

impl Fetch {
    /// Plans to fetch `need` different pieces and asks for the first ones. Candidates that name no
    /// source of the list are ignored. Chance follows from `seed`.
    #[must_use]
    pub fn new(
        now: Instant,
        need: usize,
        candidates: impl IntoIterator<Item = Candidate>,
        sources: Vec<Source>,
        seed: u64,
        hedges: &mut HedgeBudget,
    ) -> Self {
        let known = |candidate: &Candidate| (candidate.source.0 as usize) < sources.len();
        let candidates = candidates
            .into_iter()
            .filter(known)
            .map(|candidate| (candidate, State::Open))
            .collect();
        let mut fetch = Self {
            begun: now,
            need,
            target: need,
            arrived: BTreeSet::new(),
            candidates,
            sources,
            asks: BTreeMap::new(),
            resting: BTreeMap::new(),
            outputs: VecDeque::new(),
            over: false,
            rng: ChaCha8Rng::seed_from_u64(seed),
        };
        let mut wave = fetch.choose(need);
        fetch.target = need + fetch.extra_pieces(&wave);
        wave.extend(fetch.choose(fetch.target - need));
        fetch.send(now, &wave, hedges);
        fetch.conclude();
        fetch
    }

    /// Takes in what happened. Reports about pieces or sources nobody asked are ignored.
    pub fn handle(&mut self, now: Instant, input: Input, hedges: &mut HedgeBudget) {
        if self.over {
            return;
        }
        match input {
            Input::Arrived(piece) => return self.arrive(now, piece),
            Input::Moving(source) => {
                let expected = self.sources.get(source.0 as usize);
                if let (Some(ask), Some(expected)) = (self.asks.get_mut(&source), expected) {
                    let so_far = now.duration_since(self.begun);
                    ask.delivers(now + expected.late_after.max(STEADY).max(so_far / 2));
                }
                return;
            }
            Input::NotHeld(source, piece) => {
                self.settle(State::Closed, |one| {
                    one.source == source && one.piece == piece
                });
                if let Some(ask) = self.asks.get_mut(&source) {
                    ask.pieces.remove(&piece);
                }
            }
            Input::Failed(source) => {
                self.settle(State::Closed, |one| one.source == source);
                self.asks.remove(&source);
            }
            Input::Busy(source, wait) => {
                if let Some(ask) = self.asks.remove(&source) {
                    self.settle(State::Open, |one| {
                        one.source == source && ask.pieces.contains(&one.piece)
                    });
                    self.resting.insert(source, now + wait);
                }
            }
            Input::Tick => {}
        }
        self.asks.retain(|_, ask| !ask.pieces.is_empty());
        self.resting.retain(|_, until| *until > now);
        self.replace(now, hedges);
        self.hedge(now, hedges);
        self.conclude();
    }

    /// An arrival costs little: it cannot make anything scarcer.
    fn arrive(&mut self, now: Instant, piece: PieceIndex) {
        let mut asked = false;
        for (source, ask) in &mut self.asks {
            let expected = self.sources.get(source.0 as usize);
            if let (true, Some(expected)) = (ask.pieces.remove(&piece), expected) {
                ask.delivers(now + expected.late_after);
                asked = true;
            }
        }
        if asked {
            self.arrived.insert(piece);
            self.asks.retain(|_, ask| !ask.pieces.is_empty());
        }
        if self.arrived.len() >= self.need {
            self.conclude();
        }
    }

    /// The next thing to do; `None` until something happens.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle`] with [`Input::Tick`] if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let late = self.asks.values().filter_map(|ask| match ask {
            Ask { given_up: true, .. } => None,
            Ask { late: true, .. } => Some(ask.late_at + GIVEN_UP),
            Ask { late: false, .. } => Some(ask.late_at),
        });
        late.chain(self.resting.values().copied()).min()
    }

    /// Whether this source did not answer in time; its answer is still awaited.
    #[must_use]
    pub fn is_late(&self, source: SourceIndex) -> bool {
        self.asks.get(&source).is_some_and(|ask| ask.late)
    }

    /// Asks others for what failed.
    fn replace(&mut self, now: Instant, hedges: &mut HedgeBudget) {
        let wanted = self
            .target
            .saturating_sub(self.arrived.len() + self.in_flight(|_| true));
        let replacements = self.choose(wanted);
        self.send(now, &replacements, hedges);
    }

    /// Asks others for what is late, as far as the budget goes.
    fn hedge(&mut self, now: Instant, hedges: &mut HedgeBudget) {
        for ask in self.asks.values_mut() {
            ask.late |= ask.late_at <= now;
            ask.given_up |= ask.late_at + GIVEN_UP <= now;
        }
        let free = self.asks.values().any(|ask| ask.given_up);
        let on_time = self.in_flight(|ask| !ask.late);
        let wanted = self.need.saturating_sub(self.arrived.len() + on_time);
        if wanted == 0 || self.in_flight(|ask| ask.late) == 0 {
            return;
        }
        let mut chosen = self.choose(wanted);
        let mut allowed = BTreeSet::new();
        chosen.retain(|&position| {
            let source = self
                .candidates
                .get(position)
                .map(|(candidate, _)| candidate.source);
            let paid = source.is_some_and(|source| {
                allowed.contains(&source) || ((free || hedges.spend()) && allowed.insert(source))
            });
            if let (false, Some((_, state))) = (paid, self.candidates.get_mut(position)) {
                *state = State::Open;
            }
            paid
        });
        self.send(now, &chosen, hedges);
    }

    /// Pieces enough to stand in for the sources of `wave` that are likely to fail: those asked for
    /// most are assumed to.
    fn extra_pieces(&self, wave: &[usize]) -> usize {
        let mut asked: BTreeMap<SourceIndex, usize> = BTreeMap::new();
        for (candidate, _) in wave
            .iter()
            .filter_map(|&position| self.candidates.get(position))
        {
            *asked.entry(candidate.source).or_default() += 1;
        }
        let failing = asked
            .keys()
            .filter_map(|source| self.sources.get(source.0 as usize));
        let total: f32 = failing.map(|source| source.failing).sum();
        let count = u16::try_from(asked.len()).unwrap_or(u16::MAX);
        let extra = over_subscription(count.into(), total / f32::from(count.max(1)));
        let mut largest: Vec<_> = asked.into_values().collect();
        largest.sort_unstable_by(|a, b| b.cmp(a));
        largest.into_iter().take(extra as usize).sum()
    }

    /// Marks up to `count` open candidates as asked and returns their positions: sources that are
    /// not quarantined first, then by rank.
    fn choose(&mut self, count: usize) -> Vec<usize> {
        let mut chosen = Vec::new();
        if count == 0 {
            return chosen;
        }
        let mut queued = vec![0; self.sources.len()];
        let mut taken = self.arrived.clone();
        for (source, ask) in &self.asks {
            if let Some(queued) = queued.get_mut(source.0 as usize) {
                *queued = u32::try_from(ask.pieces.len()).unwrap_or(u32::MAX);
            }
            taken.extend(&ask.pieces);
        }
        let mut groups: BTreeMap<(bool, u8), Vec<usize>> = BTreeMap::new();
        for (position, (candidate, state)) in self.candidates.iter().enumerate() {
            let source = self.sources.get(candidate.source.0 as usize);
            let open = *state == State::Open && !self.resting.contains_key(&candidate.source);
            if let (true, Some(source)) = (open, source) {
                groups
                    .entry((source.quarantined, candidate.rank))
                    .or_default()
                    .push(position);
            }
        }
        for mut group in groups.into_values() {
            while chosen.len() < count {
                let finish = |position: usize| {
                    let source = self.candidates.get(position)?.0.source.0 as usize;
                    Some(self.sources.get(source)?.finish(queued.get(source)? + 1))
                };
                let finish = |position| finish(position).unwrap_or(Duration::MAX);
                let Some(position) = pick(&mut group, finish, &mut self.rng) else {
                    break;
                };
                let Some((candidate, state)) = self.candidates.get_mut(position) else {
                    break;
                };
                if taken.insert(candidate.piece) {
                    *state = State::Asked;
                    if let Some(queued) = queued.get_mut(candidate.source.0 as usize) {
                        *queued += 1;
                    }
                    chosen.push(position);
                }
            }
        }
        chosen
    }

    /// One request for each source of the chosen candidates.
    fn send(&mut self, now: Instant, chosen: &[usize], hedges: &mut HedgeBudget) {
        let mut batches: BTreeMap<SourceIndex, Vec<PieceIndex>> = BTreeMap::new();
        for (candidate, _) in chosen
            .iter()
            .filter_map(|&position| self.candidates.get(position))
        {
            batches
                .entry(candidate.source)
                .or_default()
                .push(candidate.piece);
        }
        for (source, pieces) in batches {
            hedges.earn();
            let ask = self.asks.entry(source).or_insert_with(|| Ask {
                pieces: BTreeSet::new(),
                late_at: now,
                late: false,
                given_up: false,
            });
            ask.pieces.extend(&pieces);
            let count = u32::try_from(ask.pieces.len()).unwrap_or(u32::MAX);
            if let Some(expected) = self.sources.get(source.0 as usize) {
                ask.late_at = now + expected.late_after + expected.per_piece * count;
            }
            self.outputs.push_back(Output::Ask { source, pieces });
        }
    }

    /// Ends the fetch if enough arrived or enough cannot arrive.
    fn conclude(&mut self) {
        let have = self.arrived.len();
        let end = if have >= self.need {
            Output::Done
        } else {
            let mut reachable: BTreeSet<PieceIndex> = self.arrived.clone();
            let open = self
                .candidates
                .iter()
                .filter(|(_, state)| *state == State::Open);
            reachable.extend(open.map(|(candidate, _)| candidate.piece));
            self.asks
                .values()
                .for_each(|ask| reachable.extend(&ask.pieces));
            if reachable.len() >= self.need {
                return;
            }
            Output::Impossible {
                have,
                need: self.need,
            }
        };
        self.over = true;
        self.outputs
            .extend(self.asks.keys().map(|source| Output::Cancel(*source)));
        self.outputs.push_back(end);
    }

    fn settle(&mut self, to: State, which: impl Fn(&Candidate) -> bool) {
        for (candidate, state) in &mut self.candidates {
            if which(candidate) {
                *state = to;
            }
        }
    }

    /// Different pieces asked for, in the requests that `which` selects.
    fn in_flight(&self, which: impl Fn(&Ask) -> bool) -> usize {
        let asks = self.asks.values().filter(|ask| which(ask));
        asks.flat_map(|ask| &ask.pieces)
            .collect::<BTreeSet<_>>()
            .len()
    }
}
