//! The control plane of a peer, put together, and the handle by which others use it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use floe_chain::{committee::Committee, epoch::ChainTime};
use libp2p::{Multiaddr, Swarm, swarm};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    behaviour::Behaviour,
    book::AddressBook,
    check::{Blamed, Checker},
    discover::discover,
    judge::{Judge, members_of},
    metrics::Metrics,
    news::News,
    record::VerifiedRecord,
    request::{ControlAnswer, ControlRequest},
    respond::{Respond, answer},
    score::Fault,
    settings::{ControlSettings, Role},
    streams::{Opener, Streams},
    swarm::{Command, State, SwarmTask},
    topic::Topic,
    transport::transport,
};
use crate::{
    client::DataClient,
    guard::Plane,
    identity::{Identity, PeerId},
    transport::{handshake::Handshakes, libp2p::StreamTransport},
};

/// A running control plane; cheap to clone. It runs until [`ControlPlane::shutdown`].
#[derive(Clone)]
pub struct ControlPlane {
    local: PeerId,
    commands: mpsc::Sender<Command>,
    book: Arc<AddressBook>,
    committees: Arc<watch::Sender<Vec<Arc<Committee>>>>,
    connected: watch::Receiver<Vec<PeerId>>,
    listening: watch::Receiver<Vec<Multiaddr>>,
    settled: watch::Receiver<bool>,
    metrics: Arc<Metrics>,
    streams: Arc<StreamTransport>,
    tasks: TaskTracker,
    token: CancellationToken,
}

/// Why a control plane does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("the control plane cannot listen on {address}: {why}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        why: String,
    },
    /// The transports cannot be made.
    #[error("the control plane has no transport")]
    Transport(#[from] std::io::Error),
    /// The settings contradict each other.
    #[error("the control plane cannot be configured: {0}")]
    Settings(String),
}

/// Why a peer gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// There is no connection to it.
    #[error("peer {peer} is not connected")]
    NotConnected {
        /// Who was asked.
        peer: PeerId,
    },
    /// It did not answer in time, or not with an answer.
    #[error("peer {peer} gave no answer: {why}")]
    Failed {
        /// Who was asked.
        peer: PeerId,
        /// What went wrong.
        why: String,
    },
    /// This side is closing.
    #[error("the control plane is shutting down")]
    Closed,
}

/// Commands waiting for the swarm.
const COMMANDS: usize = 1_024;
/// Messages and records waiting to be checked.
const TO_CHECK: usize = 256;
/// Requests waiting to be answered.
const TO_ANSWER: usize = 128;
/// Streams of the data protocol waiting to be sorted by peer.
const STREAMS: usize = 256;
/// News waiting for whoever started the plane.
const NEWS: usize = 256;
/// Streams of a connection whose protocol is not agreed on yet: each may hold 16 KiB of a name that never
/// ends. The others wait for a moment.
const NEGOTIATING: usize = 8;
/// How long a connection on which nothing is said is kept, unless it is a member's.
const IDLE: Duration = Duration::from_secs(60);

impl ControlPlane {
    /// Starts. The receiver gets all news that passed the checks; it must be read. `data` is how
    /// records are asked for while nobody is connected. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        identity: &Identity,
        settings: &ControlSettings,
        book: Arc<AddressBook>,
        respond: Arc<dyn Respond>,
        data: Option<DataClient>,
    ) -> Result<(Self, mpsc::Receiver<News>), StartError> {
        let local = identity.peer_id();
        let tasks = TaskTracker::new();
        let door = Handshakes::new(Plane::Control, settings.door, tasks.clone());
        let (transport, relay) = transport(identity, &door)?;
        let (incoming, streams) = mpsc::channel(STREAMS);
        let served = (settings.role == Role::Node).then_some(incoming);
        let streamed = Streams::new(served);
        let behaviour = Behaviour::new(identity, book.network(), settings, relay, streamed)
            .map_err(StartError::Settings)?;
        let config = swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(IDLE)
            .with_max_negotiating_inbound_streams(NEGOTIATING)
            .with_substream_upgrade_protocol_override(libp2p::core::upgrade::Version::V1Lazy);
        let mut swarm = Swarm::new(transport, behaviour, local, config);
        for address in &settings.listen {
            let listened = swarm.listen_on(address.clone());
            listened.map_err(|error| StartError::Listen {
                address: address.clone(),
                why: error.to_string(),
            })?;
        }
        for address in &settings.external {
            swarm.add_external_address(address.clone());
        }

        let metrics = Arc::new(Metrics::default());
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (check, checkables) = mpsc::channel(TO_CHECK);
        let (asked, requests) = mpsc::channel(TO_ANSWER);
        let (news, heard) = mpsc::channel(NEWS);
        let (connected_sender, connected) = watch::channel(Vec::new());
        let (listening_sender, listening) = watch::channel(Vec::new());
        let (settled_sender, settled) = watch::channel(false);
        let committees = watch::Sender::new(Vec::new());
        let opener = Opener::new(commands.clone());
        let (streamed, sorter) =
            StreamTransport::new(local, opener, connected.clone(), streams, door);
        let checker = Checker {
            judge: Judge::new(book.network()),
            book: Arc::clone(&book),
            committees: committees.subscribe(),
            inbox: checkables,
            swarm: commands.clone(),
            news,
            metrics: Arc::clone(&metrics),
            blamed: Blamed::default(),
        };
        let task = SwarmTask {
            swarm,
            book: Arc::clone(&book),
            metrics: Arc::clone(&metrics),
            commands: inbox,
            check: check.clone(),
            asked,
            connected: connected_sender,
            listening: listening_sender,
            settled: settled_sender,
            local_network: settings.local_network,
            state: State::new(&book),
        };
        let plane = Self {
            local,
            commands: commands.clone(),
            book: Arc::clone(&book),
            committees: Arc::new(committees),
            connected: connected.clone(),
            listening,
            settled,
            metrics,
            streams: Arc::new(streamed),
            tasks,
            token: CancellationToken::new(),
        };
        let token = plane.token.clone();
        let until_closed = |work: futures::future::BoxFuture<'static, ()>| {
            let token = token.clone();
            plane.tasks.spawn(async move {
                let _ = token.run_until_cancelled(work).await;
            })
        };
        plane.tasks.spawn(task.run(token.clone()));
        until_closed(Box::pin(checker.run()));
        until_closed(Box::pin(sorter.run()));
        until_closed(Box::pin(answer(
            local,
            Arc::clone(&book),
            respond,
            requests,
            commands,
        )));
        until_closed(Box::pin(discover(
            plane.clone(),
            book,
            data,
            check,
            connected,
        )));
        plane.tasks.close();
        Ok((plane, heard))
    }

    /// The peer id this side proves.
    #[must_use]
    pub const fn local_peer(&self) -> PeerId {
        self.local
    }

    /// Where everybody is.
    #[must_use]
    pub const fn book(&self) -> &Arc<AddressBook> {
        &self.book
    }

    /// What this plane counts.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The data protocol over streams of this plane's connections.
    #[must_use]
    pub const fn data_transport(&self) -> &Arc<StreamTransport> {
        &self.streams
    }

    /// The peers connected now, and later changes.
    #[must_use]
    pub fn connected(&self) -> watch::Receiver<Vec<PeerId>> {
        self.connected.clone()
    }

    /// Where this side listens.
    #[must_use]
    pub fn listening(&self) -> watch::Receiver<Vec<Multiaddr>> {
        self.listening.clone()
    }

    /// Whether every bootstrap has been reached or found out of reach: until then, whoever is connected
    /// may be those who answer fastest, and nothing better.
    #[must_use]
    pub fn settled(&self) -> watch::Receiver<bool> {
        self.settled.clone()
    }

    /// The committees that matter now, and later changes.
    pub(super) fn committees(&self) -> watch::Receiver<Vec<Arc<Committee>>> {
        self.committees.subscribe()
    }

    /// Judges gossip by these committees from now on, and connects to their members: those of the
    /// epoch before, the current and the next one.
    pub async fn set_committees(&self, committees: Vec<Arc<Committee>>) {
        self.book.set_members(members_of(&committees));
        self.committees.send_replace(committees);
        self.tell(Command::Members).await;
    }

    /// Makes this peer's own record known: to the table, by gossip, and to whoever asks.
    pub async fn announce(&self, record: VerifiedRecord) {
        let data = bcs::to_bytes(record.signed()).expect("plain data encodes");
        // Only an older one would not be taken, and there is none of an honest clock.
        let _ = self.book.offer(record.clone());
        self.tell(Command::Announce(Box::new(record))).await;
        self.publish(Topic::Record, data).await;
    }

    /// Gossips a message. Who is not connected hears it later, by asking.
    pub async fn publish(&self, topic: Topic, data: Vec<u8>) {
        self.tell(Command::Publish { topic, data }).await;
    }

    /// Asks a connected peer.
    ///
    /// # Errors
    /// It is not connected, or gives no answer.
    pub async fn ask(
        &self,
        peer: PeerId,
        request: ControlRequest,
    ) -> Result<ControlAnswer, AskError> {
        let (reply, answer) = oneshot::channel();
        self.tell(Command::Ask {
            peer,
            request,
            reply,
        })
        .await;
        answer.await.unwrap_or(Err(AskError::Closed))
    }

    /// Looks a peer up in the table; what is found goes into the book.
    pub async fn find(&self, peer: PeerId) {
        self.tell(Command::Find(peer)).await;
    }

    /// Holds a fault against a peer.
    pub async fn report(&self, peer: PeerId, fault: Fault) {
        self.tell(Command::Fault { peer, fault }).await;
    }

    /// Ends everything and waits for it.
    pub async fn shutdown(&self) {
        self.token.cancel();
        self.tasks.wait().await;
    }

    async fn tell(&self, command: Command) {
        // Without a swarm there is nobody to tell: the plane is closing.
        let _ = self.commands.send(command).await;
    }
}

/// This machine's clock. Signed values carry the time they were written.
#[must_use]
pub fn wall_clock() -> ChainTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    ChainTime::from_ms(u64::try_from(ms).unwrap_or(u64::MAX))
}
