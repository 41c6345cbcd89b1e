//! One pass of slivers to their nodes: one feeder that encodes segment after segment, one task per
//! node that sends, retries and asks for the confirmation. Reports how each node ended; decides
//! nothing about quorums and epochs (`store/mod.rs` does).
//!
//! Memory is the encoder's window. A node that holds the window up while a quorum waits is cut off
//! and served in a later pass. All nodes share one link (`link.rs`).

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use floe_chain::{
    certificate::Confirmation,
    committee::MemberIndex,
    epoch::Epoch,
    id::ObjectId,
    quorum::{Tally, Threshold},
};
use floe_codec::SegmentIndex;
use floe_p2p::{
    client::{CallError, CallOptions, DataClient},
    wire::{
        TrafficClass,
        message::{Confirm, ConfirmReply, MissingSlivers, PutSliver},
    },
};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    encode::{CodedSegment, EncodeError, Encoder},
    shipment::{Lack, Shipment, sliver_index},
};
use crate::{
    link::{Link, SLOWEST, slack},
    network::Network,
    verdict::{Verdict, judge, patience},
};

/// How a node ended its part of a pass.
#[derive(Debug)]
pub(crate) enum NodeEnd {
    /// Everything is on its disk, it says; the signature is not verified yet.
    Confirmed(Box<Confirmation>),
    /// It has what it was sent and lacks more.
    Lacking(MissingSlivers),
    /// It was cut off because others waited for it.
    Behind,
    /// It does not help any more.
    Failed(CallError),
    /// It lives in a later epoch.
    Epoch(Epoch),
}

/// What a pass reports.
#[derive(Debug)]
pub(crate) enum Report {
    /// Bytes that reached their node.
    Sent(u64),
    /// A node answered for the first time.
    Reached(MemberIndex),
    /// A node is done, in one way or another.
    Ended(MemberIndex, NodeEnd),
    /// The source cannot be encoded any further.
    Broken(EncodeError),
}

/// What is uploaded, and in which epoch.
#[derive(Clone)]
pub(crate) struct Cargo {
    pub(crate) peers: DataClient,
    pub(crate) network: Arc<Network>,
    pub(crate) encoder: Encoder,
    pub(crate) object: ObjectId,
    /// How long a node may go without one success before it is given up.
    pub(crate) patience: Duration,
    pub(crate) uplink: Arc<Link>,
}

/// A running pass. Dropped, it stops everywhere at once.
pub(crate) struct Pass {
    pub(crate) reports: mpsc::Receiver<Report>,
    nodes: Vec<(MemberIndex, CancellationToken)>,
    _tasks: JoinSet<()>,
}

/// Reports that wait for the driver.
const REPORTS: usize = 1024;
/// Segments on their way to one node at once.
const PIPELINE: usize = 4;
/// How long a node may hold others up.
const HOLD_UP: Duration = Duration::from_secs(2);
/// Time for a request besides its bytes.
const REQUEST_TIME: Duration = Duration::from_secs(10);

impl Pass {
    /// Starts sending what each node lacks. With `cut`, nodes that hold others up are cut off.
    pub(crate) fn start(cargo: &Cargo, lacks: Vec<(MemberIndex, Lack)>, cut: bool) -> Self {
        let (report, reports) = mpsc::channel(REPORTS);
        let cargo = Arc::new(cargo.clone());
        let mut tasks = JoinSet::new();
        let mut lanes = Vec::new();
        let mut nodes = Vec::new();
        for (member, lack) in lacks {
            let stop = CancellationToken::new();
            let (inbox, outbox) = mpsc::channel(QUEUE);
            let in_flight = Arc::new(AtomicUsize::new(0));
            let sender = Sender {
                cargo: Arc::clone(&cargo),
                member,
                lack: lack.clone(),
                report: report.clone(),
                in_flight: Arc::clone(&in_flight),
                failing_since: None,
                reached: false,
            };
            let stopped = stop.clone();
            let ended = report.clone();
            tasks.spawn(async move {
                let end = tokio::select! {
                    () = stopped.cancelled() => NodeEnd::Behind,
                    end = sender.run(outbox) => end,
                };
                // Nobody listens any more: the pass was dropped.
                let _ = ended.send(Report::Ended(member, end)).await;
            });
            nodes.push((member, stop.clone()));
            lanes.push(Lane {
                member,
                lack,
                inbox,
                in_flight,
                stop,
            });
        }
        let feeder = Feeder { cargo, lanes, cut };
        tasks.spawn(async move {
            if let Err(broken) = feeder.run().await {
                let _ = report.send(Report::Broken(broken)).await;
            }
        });
        Self {
            reports,
            nodes,
            _tasks: tasks,
        }
    }

    /// Stops serving a node; it ends as `Behind`.
    pub(crate) fn stop(&self, member: MemberIndex) {
        for (_, stop) in self.nodes.iter().filter(|(node, _)| *node == member) {
            stop.cancel();
        }
    }
}

/// Segments queued for one node: more than the encoder ever has in memory at once.
const QUEUE: usize = 16;

/// The feeder's view of a node.
struct Lane {
    member: MemberIndex,
    lack: Lack,
    inbox: mpsc::Sender<Arc<CodedSegment>>,
    in_flight: Arc<AtomicUsize>,
    stop: CancellationToken,
}

struct Feeder {
    cargo: Arc<Cargo>,
    lanes: Vec<Lane>,
    cut: bool,
}

impl Feeder {
    /// Encodes every segment somebody lacks and hands it to those who do. Ending it closes the
    /// nodes' queues.
    async fn run(mut self) -> Result<(), EncodeError> {
        let segments = self.cargo.encoder.commitment().layout().segment_count();
        for segment in (0..segments).map(SegmentIndex) {
            self.lanes.retain(|lane| !lane.inbox.is_closed());
            if !self.lanes.iter().any(|lane| lane.lack.touches(segment)) {
                continue;
            }
            let room = loop {
                match timeout(HOLD_UP, self.cargo.encoder.room()).await {
                    Ok(room) => break room,
                    Err(_) => self.cut_off(),
                }
            };
            let coded = self.cargo.encoder.encode(segment, room).await?;
            for lane in self.lanes.iter().filter(|lane| lane.lack.touches(segment)) {
                lane.in_flight.fetch_add(1, Ordering::Relaxed);
                // A node that has ended in the meantime does not need it.
                let _ = lane.inbox.send(Arc::clone(&coded)).await;
            }
        }
        Ok(())
    }

    /// Stops the nodes for which others wait, if those others are a quorum.
    fn cut_off(&mut self) {
        if !self.cut {
            return;
        }
        let waiting = |lane: &&Lane| lane.in_flight.load(Ordering::Relaxed) == 0;
        let mut tally = Tally::new(&self.cargo.network.committee);
        for lane in self.lanes.iter().filter(waiting) {
            tally.insert(lane.member);
        }
        if tally.meets(Threshold::Quorum) {
            for lane in self.lanes.iter().filter(|lane| !waiting(lane)) {
                lane.stop.cancel();
            }
        }
    }
}

/// One node's task.
struct Sender {
    cargo: Arc<Cargo>,
    member: MemberIndex,
    lack: Lack,
    report: mpsc::Sender<Report>,
    in_flight: Arc<AtomicUsize>,
    /// When the first request began that failed, with none since that succeeded.
    failing_since: Option<Instant>,
    reached: bool,
}

/// One request that is ready to go, once or again.
struct Parcel {
    request: PutSliver,
    items: Vec<Bytes>,
    bytes: u64,
    /// It is the last of its segment.
    last: bool,
}

impl Sender {
    async fn run(mut self, mut queue: mpsc::Receiver<Arc<CodedSegment>>) -> NodeEnd {
        // Meanwhile the first segment is coded.
        if let Err(end) = self.knock().await {
            return end;
        }
        match self.send_all(&mut queue).await {
            Ok(Some(confirmation)) => NodeEnd::Confirmed(Box::new(confirmation)),
            Ok(None) => self.confirm().await.unwrap_or_else(|end| end),
            Err(end) => end,
        }
    }

    /// Reaches the node before anything for it takes room on the link.
    async fn knock(&mut self) -> Result<(), NodeEnd> {
        loop {
            let begun = Instant::now();
            let address = self.cargo.network.address(self.member);
            let options = options(&self.cargo.network, TrafficClass::Control, 0);
            match self.cargo.peers.health(address, &options).await {
                Ok(_) | Err(CallError::Refused(_)) => {
                    self.succeeded().await;
                    return Ok(());
                }
                Err(error) => self.after(error, begun).await?,
            }
        }
    }

    /// Sends segments as they come, a few at once. Returns the confirmation if the node gave it
    /// with its last sliver.
    async fn send_all(
        &mut self,
        queue: &mut mpsc::Receiver<Arc<CodedSegment>>,
    ) -> Result<Option<Confirmation>, NodeEnd> {
        let mut parcels = VecDeque::new();
        let mut sending = FuturesUnordered::new();
        let mut confirmation = None;
        let mut open = true;
        loop {
            while sending.len() < PIPELINE {
                let Some(parcel) = parcels.pop_front() else {
                    break;
                };
                sending.push(put(Arc::clone(&self.cargo), self.member, parcel));
            }
            if sending.is_empty() && !open {
                return Ok(confirmation);
            }
            tokio::select! {
                biased;
                Some((parcel, begun, result)) = sending.next() => match result {
                    Ok(reply) => {
                        confirmation = reply.or(confirmation);
                        self.succeeded().await;
                        if parcel.last {
                            self.in_flight.fetch_sub(1, Ordering::Relaxed);
                        }
                        let _ = self.report.send(Report::Sent(parcel.bytes)).await;
                    }
                    Err(error) => {
                        self.after(error, begun).await?;
                        parcels.push_front(parcel);
                    }
                },
                segment = queue.recv(), if open && parcels.is_empty() && sending.len() < PIPELINE => {
                    match segment {
                        Some(segment) => parcels.extend(self.parcels(&segment)),
                        None => open = false,
                    }
                }
            }
        }
    }

    fn parcels(&self, segment: &Arc<CodedSegment>) -> Vec<Parcel> {
        let commitment = self.cargo.encoder.commitment();
        let (blob, layout) = (commitment.id(), commitment.layout());
        let last_segment = segment.index().get() + 1 == layout.segment_count();
        let shape = layout
            .segment(segment.index())
            .expect("only segments of the blob are coded");
        let network = &self.cargo.network;
        let shipments = self.lack.shipments(network, self.member, blob, &shape);
        let count = shipments.len();
        let parcel = |(position, Shipment { metadata, slivers }): (usize, Shipment)| {
            let bytes = slivers.iter().map(|key| {
                segment.sliver(key.axis, sliver_index(blob, network, key.shard, key.axis))
            });
            let items: Vec<Bytes> = metadata
                .then(|| segment.metadata())
                .into_iter()
                .chain(bytes)
                .collect();
            let last = position + 1 == count;
            Parcel {
                request: PutSliver {
                    blob: *blob,
                    object: self.cargo.object,
                    segment: segment.index(),
                    metadata,
                    slivers: slivers.try_into().expect("shipments keep the limits"),
                    confirm: last && last_segment,
                },
                bytes: items.iter().map(|item| item.len() as u64).sum(),
                items,
                last,
            }
        };
        shipments.into_iter().enumerate().map(parcel).collect()
    }

    /// Asks for the signature when nothing is left to send.
    async fn confirm(&mut self) -> Result<NodeEnd, NodeEnd> {
        let request = Confirm {
            blob: *self.cargo.encoder.commitment().id(),
            object: self.cargo.object,
        };
        loop {
            let begun = Instant::now();
            let address = self.cargo.network.address(self.member);
            let options = options(&self.cargo.network, TrafficClass::Control, 0);
            match self.cargo.peers.confirm(address, &request, &options).await {
                Ok(ConfirmReply::Confirmed(confirmation)) => {
                    return Ok(NodeEnd::Confirmed(Box::new(confirmation)));
                }
                Ok(ConfirmReply::Missing(missing)) => return Ok(NodeEnd::Lacking(missing)),
                Err(error) => self.after(error, begun).await?,
            }
        }
    }

    async fn succeeded(&mut self) {
        self.failing_since = None;
        if !self.reached {
            self.reached = true;
            let _ = self.report.send(Report::Reached(self.member)).await;
        }
    }

    /// Waits before the next try, or ends. `begun` is when the request began.
    async fn after(&mut self, error: CallError, begun: Instant) -> Result<(), NodeEnd> {
        let since = *self.failing_since.get_or_insert(begun);
        match judge(&error, self.cargo.network.epoch()) {
            Verdict::Epoch(epoch) => Err(NodeEnd::Epoch(epoch)),
            Verdict::GiveUp => Err(NodeEnd::Failed(error)),
            Verdict::Retry(_) if since.elapsed() > patience(&error, self.cargo.patience) => {
                Err(NodeEnd::Failed(error))
            }
            Verdict::Retry(pause) => {
                sleep(pause).await;
                Ok(())
            }
        }
    }
}

async fn put(
    cargo: Arc<Cargo>,
    member: MemberIndex,
    parcel: Parcel,
) -> (Parcel, Instant, Result<Option<Confirmation>, CallError>) {
    let address = cargo.network.address(member);
    let peer = cargo.peers.peers().get(&address.peer);
    let round_trip = peer.nearest.unwrap_or_default();
    let room = cargo.uplink.room(parcel.bytes, round_trip).await;
    let begun = Instant::now();
    let mut options = options(&cargo.network, TrafficClass::Write, parcel.bytes);
    options.deadline += slack(round_trip);
    let reply = cargo
        .peers
        .put_sliver(address, &parcel.request, &parcel.items, &options)
        .await;
    // A refusal says nothing about the link.
    if matches!(reply, Ok(_) | Err(CallError::Deadline)) {
        room.took(begun.elapsed());
    }
    (parcel, begun, reply.map(|reply| reply.confirmation))
}

/// The conditions of a call that moves so many bytes.
pub(crate) fn options(network: &Network, class: TrafficClass, bytes: u64) -> CallOptions {
    CallOptions {
        deadline: REQUEST_TIME + Duration::from_secs(bytes / SLOWEST),
        class,
        epoch: network.epoch(),
    }
}
