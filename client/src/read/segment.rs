//! One segment, from nobody knows where to verified bytes. Source rows first; what is missing, wrong
//! or late is replaced; a node that sent something else than the committed bytes is named and not
//! asked again. Of a part of a segment only its rows are fetched; one that is not to be had is
//! rebuilt from the symbols in which other slivers cross it, which are no more bytes than the row.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use floe_chain::{committee::MemberIndex, id::NodeId};
use floe_codec::{
    Axis, BlobId, DecodeBuffers, HelperSymbols, SegmentBuffers, SegmentIndex, SegmentMetadata,
    SliverIndex, SliverPairIndex,
};
use floe_p2p::{
    client::CallError,
    fetch::{Candidate, Fetch, HedgeBudget, Input, Output, PieceIndex, Source, SourceIndex},
};
use futures::StreamExt;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    Retrieval,
    error::ReadError,
    fetch::{Arrival, Piece, Request},
    metadata,
    pulse::Pulses,
};
use crate::{
    link::SLOWEST,
    network::Network,
    plan::{Part, SegmentRead},
    progress::Listener,
    verdict::{Verdict, judge},
};

/// Between two rounds over all nodes.
const PAUSE: Duration = Duration::from_millis(500);
/// How long rows of a part of a segment are waited for while nothing comes, before they are rebuilt, at
/// least: longer where answers of the nearest node take longer.
const ROWS_PAUSE: Duration = Duration::from_millis(500);
/// Rows rebuilt at once.
const REBUILDS: usize = 4;
/// Items that wait to be looked at.
const ARRIVALS: usize = 64;

/// Reads segments of one blob.
#[derive(Clone)]
pub(super) struct SegmentReader {
    pub(super) tools: Retrieval,
    pub(super) blob: BlobId,
    pub(super) listener: Listener,
    /// Metadata of the first segment, once they were fetched to learn the size of the blob.
    pub(super) first: Option<Arc<SegmentMetadata>>,
    /// Nodes that sent other bytes than the committed ones.
    pub(super) liars: Arc<Mutex<BTreeSet<NodeId>>>,
}

/// Working memory of one segment, used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(super) commit: SegmentBuffers,
    pub(super) decode: DecodeBuffers,
}

/// Slivers that arrived, by index, with the node each came from. Positions in the committee would not
/// outlive it.
pub(super) type Raw = BTreeMap<SliverIndex, (NodeId, Bytes)>;

/// What is to be fetched.
#[derive(Clone, Copy)]
struct Wish {
    piece: Piece,
    need: usize,
    /// How long to wait while nothing comes from anybody.
    pause: Option<Duration>,
}

/// Not everything wished for came.
struct Short {
    /// Who failed, and why.
    failures: Vec<(String, String)>,
    /// When the last bytes came, or asking began.
    last: Instant,
}

impl SegmentReader {
    /// The bytes of a segment, or of the part asked for.
    pub(super) async fn read(&self, read: &SegmentRead) -> Result<Bytes, ReadError> {
        let index = read.layout.index();
        let metadata = self.metadata(index).await?;
        if let Part::Rows(rows) = &read.part
            && let Some(bytes) = self.rows(&metadata, rows.clone()).await?
        {
            let start = usize::from(rows.start) * read.layout.sliver_size(Axis::Primary);
            return Ok(bytes.slice(read.bytes.start - start..read.bytes.end - start));
        }
        let bytes = self.whole(&metadata).await?;
        Ok(bytes.slice(read.bytes.clone()))
    }

    /// Metadata of a segment from whoever has them.
    pub(super) async fn metadata(
        &self,
        index: SegmentIndex,
    ) -> Result<Arc<SegmentMetadata>, ReadError> {
        if let Some(first) = self.first.as_ref().filter(|first| first.segment() == index) {
            return Ok(Arc::clone(first));
        }
        let begun = Instant::now();
        loop {
            let network = self.tools.source.network().await?;
            let order = self.members_by_speed(&network);
            match metadata::find(&self.tools.peers, &network, &order, self.blob, index).await {
                Err(ReadError::Unavailable { .. })
                    if begun.elapsed() < self.tools.patience.read =>
                {
                    sleep(PAUSE).await;
                    self.tools.source.refresh().await?;
                }
                done => return done.map(Arc::new),
            }
        }
    }

    /// Source rows, each verified; none if so many are missing that the whole segment is cheaper.
    async fn rows(
        &self,
        metadata: &Arc<SegmentMetadata>,
        rows: Range<u16>,
    ) -> Result<Option<Bytes>, ReadError> {
        let network = self.tools.source.network().await?;
        let mut raw = Raw::new();
        let wanted = |index: SliverIndex| rows.contains(&index.get());
        let bytes = (rows.len() * metadata.layout().sliver_size(Axis::Primary)) as u64;
        let pause = self.rows_pause(&network);
        let time = pause + Duration::from_millis(2 * 1000 * bytes / SLOWEST);
        let wish = Wish {
            piece: Piece::Row,
            need: rows.len(),
            pause: Some(pause),
        };
        let collect = self.collect(&network, metadata, wish, wanted, &mut raw);
        // Whatever has not come by then is missing.
        let _ = timeout(time, collect).await;
        let checked = self.check(&network, metadata, &raw).await?;
        let mut found: BTreeMap<SliverIndex, Bytes> = checked
            .good
            .into_iter()
            .map(|row| (row.index(), row.into_bytes()))
            .collect();
        let missing: Vec<SliverIndex> = rows
            .map(SliverIndex)
            .filter(|row| !found.contains_key(row))
            .collect();
        let whole = metadata.layout().shards().source_slivers().primary;
        if 2 * missing.len() > usize::from(whole) {
            return Ok(None);
        }
        let rebuilds = missing
            .into_iter()
            .map(|row| self.rebuild(&network, metadata, row));
        let mut rebuilds = futures::stream::iter(rebuilds).buffer_unordered(REBUILDS);
        while let Some(rebuilt) = rebuilds.next().await {
            let Some((row, bytes)) = rebuilt? else {
                return Ok(None);
            };
            found.insert(row, bytes);
        }
        let rows: Vec<Bytes> = found.into_values().collect();
        Ok(Some(rows.concat().into()))
    }

    fn rows_pause(&self, network: &Network) -> Duration {
        let addresses = network.addresses.iter();
        let late = addresses.map(|to| self.tools.peers.peers().get(&to.peer).late_after());
        late.min().unwrap_or_default().max(ROWS_PAUSE)
    }

    /// A row from symbols of columns, verified; none if too few come or one of them is wrong.
    async fn rebuild(
        &self,
        network: &Arc<Network>,
        metadata: &Arc<SegmentMetadata>,
        row: SliverIndex,
    ) -> Result<Option<(SliverIndex, Bytes)>, ReadError> {
        let need = metadata.layout().shards().source_symbols(Axis::Primary);
        let mut raw = Raw::new();
        let wish = Wish {
            piece: Piece::Crossing(row),
            need: need.into(),
            pause: None,
        };
        let collect = self.collect(network, metadata, wish, |_| true, &mut raw);
        if collect.await.is_err() {
            return Ok(None);
        }
        let of = Arc::clone(metadata);
        self.compute(move |codec, _| {
            let helpers: Vec<_> = raw
                .iter()
                .map(|(sliver, (_, symbols))| HelperSymbols {
                    sliver: *sliver,
                    symbols,
                })
                .collect();
            let rebuilt = codec.recover_slivers(&of, Axis::Primary, &[row], &helpers);
            let sliver = rebuilt.ok()?.pop()?.ok()?;
            Some((row, sliver.into_bytes().into()))
        })
        .await
    }

    /// The whole segment: decoded, encoded again, compared.
    async fn whole(&self, metadata: &Arc<SegmentMetadata>) -> Result<Bytes, ReadError> {
        let need = usize::from(metadata.layout().shards().source_slivers().primary);
        // Whoever gets nothing new for as long as the patience lasts is told so, in whatever round that is.
        let patience = self.tools.patience.read;
        let mut since = Instant::now();
        let mut failures = Vec::new();
        let mut raw = Raw::new();
        loop {
            let network = self.tools.source.network().await?;
            let had: BTreeSet<SliverIndex> = raw.keys().copied().collect();
            let wish = Wish {
                piece: Piece::Row,
                need: need.saturating_sub(had.len()),
                pause: Some(patience.saturating_sub(since.elapsed())),
            };
            let wanted = |index| !had.contains(&index);
            let collected = self.collect(&network, metadata, wish, wanted, &mut raw);
            match collected.await {
                Ok(()) => {
                    if let Some(bytes) = self.assemble(&network, metadata, &mut raw).await? {
                        return Ok(bytes);
                    }
                }
                Err(short) => {
                    if raw.len() > had.len() {
                        since = short.last;
                    }
                    // A round that ends before anybody was asked in vain has nothing to tell.
                    if !short.failures.is_empty() {
                        failures = short.failures;
                    }
                    if since.elapsed() + PAUSE >= patience {
                        return Err(ReadError::Unavailable {
                            blob: self.blob,
                            segment: metadata.segment(),
                            here: raw.len(),
                            need,
                            failures,
                        });
                    }
                    sleep(PAUSE).await;
                    self.tools.source.refresh().await?;
                }
            }
        }
    }

    /// Fetches the pieces wished for, of the wanted slivers, into `raw`; if they cannot be had, says
    /// who failed and why.
    async fn collect(
        &self,
        network: &Arc<Network>,
        metadata: &SegmentMetadata,
        wish: Wish,
        wanted: impl Fn(SliverIndex) -> bool,
        raw: &mut Raw,
    ) -> Result<(), Short> {
        let (to, mut arrivals) = mpsc::channel(ARRIVALS);
        let mut requests: BTreeMap<SourceIndex, JoinSet<()>> = BTreeMap::new();
        let mut failures = Vec::new();
        let mut fetch = self.plan(network, metadata, wish, wanted);
        let mut pulses = Pulses::new(Instant::now());
        loop {
            while let Some(output) = fetch.poll_output() {
                match output {
                    Output::Ask { source, pieces } => {
                        let request = Request {
                            peers: self.tools.peers.clone(),
                            network: Arc::clone(network),
                            blob: self.blob,
                            segment: *metadata.layout(),
                            member: member(source),
                            piece: wish.piece,
                            slivers: pieces.into_iter().map(sliver).collect(),
                        };
                        requests
                            .entry(source)
                            .or_default()
                            .spawn(request.run(to.clone()));
                    }
                    Output::Cancel(source) => {
                        if fetch.is_late(source) {
                            let peer = &network.address(member(source)).peer;
                            self.tools.peers.peers().late(peer, Instant::now());
                        }
                        requests.remove(&source);
                    }
                    Output::Done => return Ok(()),
                    Output::Impossible { .. } => {
                        let last = pulses.last();
                        return Err(Short { failures, last });
                    }
                }
            }
            let given_up = wish.pause.map(|pause| pulses.last() + pause);
            let tick = [fetch.poll_timeout(), given_up].into_iter().flatten().min();
            let arrival = match tick {
                Some(tick) => timeout_at(tick, arrivals.recv()).await.ok().flatten(),
                None => arrivals.recv().await,
            };
            let now = Instant::now();
            pulses.look(now);
            let stalled = |pause| now.duration_since(pulses.last()) >= pause;
            if arrival.is_none() && wish.pause.is_some_and(stalled) {
                let last = pulses.last();
                return Err(Short { failures, last });
            }
            let input = match arrival {
                Some(Arrival::Begun(from, received)) => {
                    pulses.begin(source(from), received, now);
                    continue;
                }
                Some(Arrival::Piece(from, index, bytes)) => {
                    raw.insert(index, (network.member(from).node(), bytes));
                    Input::Arrived(piece(index))
                }
                Some(Arrival::Absent(from, index)) => {
                    let peer = &network.address(from).peer;
                    self.tools.peers.peers().missed(peer, now);
                    Input::NotHeld(source(from), piece(index))
                }
                Some(Arrival::Failed(from, error)) => {
                    let node = network.member(from).node().to_string();
                    let input = match judge(&error, network.epoch()) {
                        Verdict::Retry(pause) if matches!(error, CallError::Refused(_)) => {
                            Input::Busy(source(from), pause)
                        }
                        _ => Input::Failed(source(from)),
                    };
                    failures.push((node, error.to_string()));
                    input
                }
                None => {
                    for source in pulses.moving() {
                        fetch.handle(now, Input::Moving(source), &mut self.hedges());
                    }
                    Input::Tick
                }
            };
            fetch.handle(now, input, &mut self.hedges());
        }
    }

    /// Plans a fetch over all nodes but those that lied.
    fn plan(
        &self,
        network: &Network,
        metadata: &SegmentMetadata,
        wish: Wish,
        wanted: impl Fn(SliverIndex) -> bool,
    ) -> Fetch {
        let now = Instant::now();
        let shards = network.committee.shards();
        let axis = wish.piece.axis();
        let sources_of = *shards.source_slivers().get(axis);
        let liars = self
            .liars
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let candidates = SliverPairIndex::all(shards).filter_map(|pair| {
            let from = network
                .committee
                .owner(self.blob.shard_of(pair, shards).ok()?)?;
            let index = pair.sliver(axis, shards).ok()?;
            let candidate = Candidate {
                piece: piece(index),
                source: source(from),
                rank: u8::from(index.get() >= sources_of),
            };
            let honest = !liars.contains(&network.member(from).node());
            (wanted(index) && honest).then_some(candidate)
        });
        let size = u32::try_from(wish.piece.size(metadata.layout())).unwrap_or(u32::MAX);
        let sources = network.addresses.iter().map(|address| {
            Source::from_stats(&self.tools.peers.peers().get(&address.peer), size, now)
        });
        let seed =
            u64::from(self.blob.rotation(shards)) << 32 | u64::from(metadata.segment().get());
        Fetch::new(
            now,
            wish.need,
            candidates,
            sources.collect(),
            seed,
            &mut self.hedges(),
        )
    }

    fn hedges(&self) -> MutexGuard<'_, HedgeBudget> {
        self.tools
            .hedges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn members_by_speed(&self, network: &Network) -> Vec<MemberIndex> {
        let now = Instant::now();
        let mut members: Vec<_> = network.committee.iter().map(|(member, _)| member).collect();
        // Without measurements the blob decides, so that not everybody asks the same node first.
        let start = usize::from(self.blob.rotation(network.committee.shards()));
        let count = members.len();
        members.rotate_left(start % count);
        members.sort_by_key(|member| {
            let stats = self.tools.peers.peers().get(&network.address(*member).peer);
            (stats.is_quarantined(now), stats.expected(MEASURE))
        });
        members
    }
}

/// The planner's name of a node.
fn source(member: MemberIndex) -> SourceIndex {
    SourceIndex(member.get().into())
}

fn member(source: SourceIndex) -> MemberIndex {
    MemberIndex::new(u16::try_from(source.0).expect("sources are members"))
}

/// The planner's name of a sliver.
fn piece(index: SliverIndex) -> PieceIndex {
    PieceIndex(index.get().into())
}

fn sliver(piece: PieceIndex) -> SliverIndex {
    SliverIndex(u16::try_from(piece.0).expect("pieces are slivers"))
}

/// Bytes by which nodes are compared.
const MEASURE: u64 = 128 << 10;
