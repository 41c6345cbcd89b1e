//! The task that owns the swarm, and what it is told to do. It routes and nothing else: no decoding, no
//! signatures, no disk, no waiting.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, Swarm, gossipsub, kad,
    request_response::{InboundRequestId, OutboundRequestId, ResponseChannel},
    swarm::dial_opts::{DialOpts, PeerCondition},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    behaviour::Behaviour,
    book::AddressBook,
    check::Checkable,
    gossip::{KnownTopics, SHUT_OUT, ident},
    mesh::Mesh,
    metrics::Metrics,
    plane::AskError,
    quota::Quota,
    record::VerifiedRecord,
    request::{ControlAnswer, ControlRequest},
    respond::Asked,
    score::{Fault, Scores},
    store::key_of,
    streams::Opened,
    topic::Topic,
};
use crate::identity::PeerId;

/// What the swarm is told to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Gossip this.
    Publish { topic: Topic, data: Vec<u8> },
    /// Ask a peer.
    Ask {
        peer: PeerId,
        request: ControlRequest,
        reply: oneshot::Sender<Result<ControlAnswer, AskError>>,
    },
    /// Look up a peer's record in the table.
    Find(PeerId),
    /// This peer's own record: put it into the table, now and from time to time.
    Announce(Box<VerifiedRecord>),
    /// The members changed.
    Members,
    /// What a gossip message was worth.
    Judged {
        id: gossipsub::MessageId,
        source: PeerId,
        acceptance: gossipsub::MessageAcceptance,
    },
    /// Keep a verified record for others.
    Keep(kad::Record),
    /// The answer to a peer's request.
    Answer {
        channel: ResponseChannel<ControlAnswer>,
        answer: ControlAnswer,
    },
    /// A peer did wrong.
    Fault { peer: PeerId, fault: Fault },
    /// A peer's new address is known.
    Moved(PeerId),
    /// Dial a peer of the book now; the answer says whether there is an address.
    Connect {
        peer: PeerId,
        reply: oneshot::Sender<bool>,
    },
    /// Open a stream of the data protocol.
    Open { peer: PeerId, opened: Opened },
}

/// Between two looks at who is to be dialled and whose ban is over.
const TICK: Duration = Duration::from_millis(250);
/// Connected members below which bootstraps are dialled. Strangers do not count: they may all be one.
const FEW: usize = 4;
/// Small requests a peer may send: per second, and at once.
const REQUESTS: (u32, u32) = (16, 64);
/// Answers kept for a stranger that did not read them; and for all peers, above which a stranger has one.
const UNREAD: (usize, usize) = (8, 128);
/// Gossip messages a peer may pass on: per second, and at once.
const GOSSIP: (u32, u32) = (100, 1_000);
/// When a node's record goes into the table again after it was written; the last one repeats.
const ANNOUNCE_AFTER: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(3_600),
];

/// The swarm and what its task keeps.
pub(super) struct SwarmTask {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) book: Arc<AddressBook>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) check: mpsc::Sender<Checkable>,
    pub(super) asked: mpsc::Sender<Asked>,
    pub(super) connected: watch::Sender<Vec<PeerId>>,
    pub(super) listening: watch::Sender<Vec<Multiaddr>>,
    pub(super) settled: watch::Sender<bool>,
    pub(super) local_network: bool,
    pub(super) state: State,
}

/// What the task remembers between events.
pub(super) struct State {
    mesh: Mesh,
    scores: Scores,
    pub(super) requests: Quota,
    pub(super) gossip: Quota,
    pub(super) waiting:
        HashMap<OutboundRequestId, oneshot::Sender<Result<ControlAnswer, AskError>>>,
    /// Requests whose answers are not all with those who asked.
    pub(super) unread: HashMap<PeerId, HashSet<InboundRequestId>>,
    pub(super) topics: KnownTopics,
    announced: Option<(kad::Record, usize, Instant)>,
    pub(super) greeted: HashSet<PeerId>,
    /// Lookups under way.
    pub(super) lookups: HashMap<kad::QueryId, kad::RecordKey>,
    /// Bootstraps of which nothing was heard yet, good or bad.
    untried: HashSet<PeerId>,
}

impl State {
    pub(super) fn new(book: &AddressBook) -> Self {
        Self {
            mesh: Mesh::default(),
            scores: Scores::default(),
            requests: Quota::new(REQUESTS.0, REQUESTS.1),
            gossip: Quota::new(GOSSIP.0, GOSSIP.1),
            waiting: HashMap::new(),
            unread: HashMap::new(),
            topics: KnownTopics::new(book.network()),
            announced: None,
            greeted: HashSet::new(),
            lookups: HashMap::new(),
            untried: book.bootstraps().into_iter().collect(),
        }
    }
}

impl State {
    /// Whether so many answers are kept for a stranger that it gets no other. Everybody may have one.
    pub(super) fn reads_too_little(&self, peer: &PeerId) -> bool {
        let all: usize = self.unread.values().map(HashSet::len).sum();
        let most = if all < UNREAD.1 { UNREAD.0 } else { 1 };
        self.unread
            .get(peer)
            .is_some_and(|unread| unread.len() >= most)
    }

    /// An answer has left, or will not.
    pub(super) fn was_read(&mut self, peer: PeerId, request: InboundRequestId) {
        if let Some(unread) = self.unread.get_mut(&peer) {
            unread.remove(&request);
            if unread.is_empty() {
                self.unread.remove(&peer);
            }
        }
    }
}

impl SwarmTask {
    /// Routes until the token is cancelled or every handle is gone.
    pub(super) async fn run(mut self, token: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let local = *self.swarm.local_peer_id();
        self.tried(&local);
        self.members();
        loop {
            tokio::select! {
                () = token.cancelled() => return,
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                event = self.swarm.select_next_some() => self.event(event),
                _ = tick.tick() => self.tick(Instant::now()),
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Publish { topic, data } => self.publish(topic, data),
            Command::Ask {
                peer,
                request,
                reply,
            } => self.ask(peer, request, reply),
            Command::Find(peer) => {
                let kad = self.swarm.behaviour_mut().kad.as_mut();
                // One that those who are silent hold up is not begun again beside itself.
                if let (Some(kad), Some(key)) = (kad, key_of(&peer))
                    && !self.state.lookups.values().any(|running| *running == key)
                {
                    let id = kad.get_record(key.clone());
                    self.state.lookups.insert(id, key);
                }
            }
            Command::Announce(record) => self.announce(&record),
            Command::Members => self.members(),
            Command::Judged {
                id,
                source,
                acceptance,
            } => {
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                gossip.report_message_validation_result(&id, &source, acceptance);
            }
            Command::Keep(record) => {
                use kad::store::RecordStore;
                if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                    // It has more room than the book, which has room for every member.
                    let _ = kad.store_mut().put(record);
                }
            }
            Command::Answer { channel, answer } => {
                // A peer that gave up is told nothing.
                let _ = self
                    .swarm
                    .behaviour_mut()
                    .requests
                    .send_response(channel, answer);
            }
            Command::Fault { peer, fault } => self.fault(peer, fault),
            Command::Moved(peer) => self.state.mesh.moved(&peer),
            Command::Connect { peer, reply } => {
                let known = !self.book.control(&peer).is_empty();
                if known {
                    self.dial_peer(peer);
                }
                let _ = reply.send(known);
            }
            Command::Open { peer, opened } => self.swarm.behaviour_mut().streams.open(peer, opened),
        }
    }

    fn publish(&mut self, topic: Topic, data: Vec<u8>) {
        self.metrics.published(topic, data.len());
        let name = ident(topic, self.book.network());
        match self.swarm.behaviour_mut().gossip.publish(name, data) {
            Ok(_) | Err(gossipsub::PublishError::Duplicate) => {}
            // Whoever wants to know asks later.
            Err(error) => tracing::debug!(topic = topic.word(), %error, "not gossiped"),
        }
    }

    fn ask(
        &mut self,
        peer: PeerId,
        request: ControlRequest,
        reply: oneshot::Sender<Result<ControlAnswer, AskError>>,
    ) {
        if !self.swarm.is_connected(&peer) {
            let _ = reply.send(Err(AskError::NotConnected { peer }));
            return;
        }
        let id = self
            .swarm
            .behaviour_mut()
            .requests
            .send_request(&peer, request);
        self.state.waiting.insert(id, reply);
    }

    fn announce(&mut self, record: &VerifiedRecord) {
        let Some(key) = key_of(&record.peer()) else {
            return;
        };
        let value = bcs::to_bytes(record.signed()).expect("plain data encodes");
        let record = kad::Record::new(key, value);
        self.state.announced = Some((record, 0, Instant::now()));
    }

    /// Puts this peer's record into the table when it is time.
    fn put_own_record(&mut self, now: Instant) {
        let Some((record, round, due)) = &mut self.state.announced else {
            return;
        };
        if *due > now {
            return;
        }
        let last = ANNOUNCE_AFTER.len() - 1;
        *due = now
            + ANNOUNCE_AFTER
                .get(*round)
                .copied()
                .unwrap_or(ANNOUNCE_AFTER[last]);
        *round = (*round + 1).min(last);
        let record = record.clone();
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
            let _ = kad.put_record(record, kad::Quorum::One);
        }
    }

    /// Members are protected and exempt from connection counts; who is none any more is not. Bootstraps
    /// are exempt, too: whoever is met on the way to a member must not take their place.
    fn members(&mut self) {
        let members: HashSet<_> = self.book.members().into_keys().collect();
        let mut exempt: HashSet<_> = self.book.bootstraps().into_iter().collect();
        let behaviour = self.swarm.behaviour_mut();
        for gone in behaviour.protect.peers().difference(&members) {
            if !exempt.contains(gone) {
                behaviour.limits.remove_peer_id(gone);
            }
        }
        exempt.extend(&members);
        for peer in &exempt {
            behaviour.limits.bypass_peer_id(peer);
        }
        behaviour.gossip.exempt(exempt.clone());
        behaviour.crowd.exempt(exempt);
        behaviour.protect.set(members);
    }

    /// A bootstrap was reached, or cannot be.
    pub(super) fn tried(&mut self, peer: &PeerId) {
        self.state.untried.remove(peer);
        if self.state.untried.is_empty() && !*self.settled.borrow() {
            self.settled.send_replace(true);
        }
    }

    pub(super) fn fault(&mut self, peer: PeerId, fault: Fault) {
        let (now, member) = (Instant::now(), self.book.is_member(&peer));
        self.metrics.fault(fault);
        let ban = self.state.scores.fault(peer, fault, member, now);
        let score = self.state.scores.get(&peer, now);
        let behaviour = self.swarm.behaviour_mut();
        behaviour.gossip.set_application_score(&peer, score);
        if let Some(until) = ban {
            behaviour.blocked.block_peer(peer);
            let seconds = (until - now).as_secs();
            tracing::info!(%peer, fault = fault.word(), seconds, "peer banned");
        }
    }

    fn tick(&mut self, now: Instant) {
        for peer in self.state.scores.release(now) {
            let behaviour = self.swarm.behaviour_mut();
            behaviour.blocked.unblock_peer(peer);
            let score = self.state.scores.get(&peer, now);
            behaviour.gossip.set_application_score(&peer, score);
        }
        self.dial(now);
        self.put_own_record(now);
        self.state.requests.tidy(now);
        self.state.gossip.tidy(now);
        let connected = self.connected.borrow().clone();
        let behaviour = self.swarm.behaviour_mut();
        behaviour.gossip.tidy(now);
        for peer in &connected {
            let score = self.swarm.behaviour().gossip.peer_score(peer);
            if score.is_some_and(|score| score < SHUT_OUT) {
                self.fault(*peer, Fault::Spam);
            }
        }
        self.metrics.peers("members", self.connected_members());
        self.metrics.peers("connected", connected.len());
        let banned = self.swarm.behaviour().blocked.blocked_peers().len();
        self.metrics.peers("banned", banned);
    }

    fn dial(&mut self, now: Instant) {
        let mut wanted: Vec<_> = self.book.members().into_keys().collect();
        if self.connected_members() < FEW {
            wanted.extend(self.book.bootstraps());
        }
        wanted.retain(|peer| !self.state.scores.is_banned(peer));
        wanted.retain(|peer| !self.book.control(peer).is_empty());
        wanted.sort_unstable();
        wanted.dedup();
        let (swarm, local) = (&self.swarm, *self.swarm.local_peer_id());
        let member = self.book.is_member(&local);
        let is_connected = |peer: &PeerId| swarm.is_connected(peer);
        let due = self
            .state
            .mesh
            .due(local, member, &wanted, is_connected, now);
        for peer in due {
            self.dial_peer(peer);
        }
    }

    fn dial_peer(&mut self, peer: PeerId) {
        let options = DialOpts::peer_id(peer)
            .addresses(self.book.control(&peer))
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(%peer, %error, "not dialled");
            self.tried(&peer);
        }
    }

    fn connected_members(&self) -> usize {
        let connected = self.connected.borrow();
        let members = connected.iter().filter(|peer| self.book.is_member(peer));
        members.count()
    }
}
