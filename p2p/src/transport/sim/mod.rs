//! The simulated network: every peer in one process, time by tokio's clock, chance by one seed.
//!
//! Run it on a current-thread runtime with a paused clock (`#[tokio::test(start_paused = true)]`):
//! then nothing really waits, and a seed always gives the same run. Peers are found by their id;
//! addresses are ignored, and nobody can pretend to be somebody else.

mod connection;
mod pipe;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Waker,
    time::Duration,
};

use futures::future::BoxFuture;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use self::connection::{Link, SimConnection};
use super::{Connection, DataTransport, DialError, StreamError};
use crate::{address::PeerAddress, identity::PeerId, wire::CloseCode};

/// How one direction between two peers behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkProfile {
    /// The shortest time a byte is under way.
    pub latency: Duration,
    /// What chance adds to it, at most.
    pub jitter: Duration,
    /// Bytes a second.
    pub bandwidth: u64,
    /// The share of chunks, 0 to 1, that are lost and sent again after [`Self::RESEND`].
    pub loss: f64,
}

impl LinkProfile {
    /// What the repetition of a lost chunk costs.
    pub const RESEND: Duration = Duration::from_millis(200);

    /// Machines next to each other.
    pub const LAN: Self = Self {
        latency: Duration::from_micros(100),
        jitter: Duration::from_micros(50),
        bandwidth: 1 << 30,
        loss: 0.0,
    };

    /// Machines on different continents.
    pub const WAN: Self = Self {
        latency: Duration::from_millis(40),
        jitter: Duration::from_millis(10),
        bandwidth: 100 << 20,
        loss: 0.001,
    };
}

/// A simulated network. Clones are the same network.
#[derive(Clone)]
pub struct SimNetwork {
    world: Arc<Mutex<World>>,
}

struct World {
    rng: ChaCha8Rng,
    default: LinkProfile,
    links: BTreeMap<(PeerId, PeerId), LinkProfile>,
    /// When each direction has sent what it was given.
    free_at: BTreeMap<(PeerId, PeerId), Instant>,
    blocked: BTreeSet<(PeerId, PeerId)>,
    peers: BTreeMap<PeerId, mpsc::Sender<Arc<dyn Connection>>>,
    connections: Vec<Weak<Link>>,
    /// Receivers whose next chunk waits for a partition to heal.
    stuck: Vec<Waker>,
}

impl SimNetwork {
    /// Silence after which a connection is given up, and how long a dial is tried.
    const IDLE: Duration = Duration::from_secs(30);
    const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
    const ACCEPT_QUEUE: usize = 1024;

    /// A network without peers, whose links are [`LinkProfile::LAN`]. Chance follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let world = World {
            rng: ChaCha8Rng::seed_from_u64(seed),
            default: LinkProfile::LAN,
            links: BTreeMap::new(),
            free_at: BTreeMap::new(),
            blocked: BTreeSet::new(),
            peers: BTreeMap::new(),
            connections: Vec::new(),
            stuck: Vec::new(),
        };
        Self {
            world: Arc::new(Mutex::new(world)),
        }
    }

    /// Adds a peer, or replaces it after a [`crash`](Self::crash).
    #[must_use]
    pub fn join(&self, peer: PeerId) -> SimTransport {
        let (sender, accepted) = mpsc::channel(Self::ACCEPT_QUEUE);
        self.lock().peers.insert(peer, sender);
        SimTransport {
            network: self.clone(),
            peer,
            accepted: tokio::sync::Mutex::new(accepted),
        }
    }

    /// Sets how every direction without a profile of its own behaves.
    pub fn set_default(&self, profile: LinkProfile) {
        self.lock().default = profile;
    }

    /// Sets how the direction from one peer to another behaves, from the next chunk on.
    pub fn set_link(&self, from: PeerId, to: PeerId, profile: LinkProfile) {
        self.lock().links.insert((from, to), profile);
    }

    /// Stops everything from one peer to another; the other direction goes on. Connections between
    /// them end when they have been silent for too long.
    pub fn block(&self, from: PeerId, to: PeerId) {
        self.lock().blocked.insert((from, to));
        let network = self.clone();
        tokio::spawn(async move {
            sleep(Self::IDLE).await;
            if network.lock().blocked.contains(&(from, to)) {
                network.end(
                    |link| link.joins(from) && link.joins(to),
                    StreamError::TimedOut,
                );
            }
        });
    }

    /// Lets everything pass again, what was held up included.
    pub fn unblock(&self, from: PeerId, to: PeerId) {
        let mut world = self.lock();
        world.blocked.remove(&(from, to));
        world.stuck.drain(..).for_each(Waker::wake);
    }

    /// Ends a peer without a word: its connections are lost and it is not found any more.
    pub fn crash(&self, peer: PeerId) {
        self.lock().peers.remove(&peer);
        self.end(|link| link.joins(peer), StreamError::Lost);
    }

    fn end(&self, which: impl Fn(&Link) -> bool, why: StreamError) {
        let links: Vec<_> = {
            let mut world = self.lock();
            world.connections.retain(|link| link.strong_count() > 0);
            world.connections.iter().filter_map(Weak::upgrade).collect()
        };
        links
            .iter()
            .filter(|link| which(link))
            .for_each(|link| link.end(why, why));
    }

    /// When a chunk handed over now arrives.
    fn arrival(&self, from: PeerId, to: PeerId, bytes: usize) -> Instant {
        let world = &mut *self.lock();
        let profile = world
            .links
            .get(&(from, to))
            .copied()
            .unwrap_or(world.default);
        let now = Instant::now();
        let micros = (bytes as u64).saturating_mul(1_000_000) / profile.bandwidth.max(1);
        let free_at = world.free_at.entry((from, to)).or_insert(now);
        *free_at = (*free_at).max(now) + Duration::from_micros(micros);
        let mut due = *free_at + profile.latency + profile.jitter.mul_f64(world.rng.random());
        while profile.loss < 1.0 && world.rng.random_bool(profile.loss.clamp(0.0, 1.0)) {
            due += LinkProfile::RESEND;
        }
        due
    }

    /// Whether nothing passes now; if so, `waker` is woken when it may.
    fn is_blocked(&self, from: PeerId, to: PeerId, waker: Option<&Waker>) -> bool {
        let mut world = self.lock();
        let blocked = world.blocked.contains(&(from, to));
        if let (true, Some(waker)) = (blocked, waker) {
            world.stuck.push(waker.clone());
        }
        blocked
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One peer of a simulated network.
pub struct SimTransport {
    network: SimNetwork,
    peer: PeerId,
    accepted: tokio::sync::Mutex<mpsc::Receiver<Arc<dyn Connection>>>,
}

impl SimTransport {
    async fn connect(&self, to: PeerId) -> Result<Arc<dyn Connection>, DialError> {
        let network = &self.network;
        // A handshake is one round trip.
        let there = network.arrival(self.peer, to, 1200);
        tokio::time::sleep_until(there).await;
        let back = network.arrival(to, self.peer, 1200);
        tokio::time::sleep_until(back).await;

        let blocked =
            network.is_blocked(self.peer, to, None) || network.is_blocked(to, self.peer, None);
        let target = network.lock().peers.get(&to).filter(|_| !blocked).cloned();
        let Some(target) = target else {
            sleep(SimNetwork::DIAL_TIMEOUT).await;
            return Err(DialError::Timeout {
                peer: to,
                address: "the simulated network".to_owned(),
                within: SimNetwork::DIAL_TIMEOUT,
            });
        };
        let (link, dialer, listener) = SimConnection::pair(network.clone(), self.peer, to);
        network.lock().connections.push(Arc::downgrade(&link));
        let failed = |_| DialError::Failed {
            peer: to,
            address: "the simulated network".to_owned(),
            reason: "the peer accepts no connection".to_owned(),
        };
        target.try_send(Arc::new(listener)).map_err(failed)?;
        Ok(Arc::new(dialer))
    }
}

impl DataTransport for SimTransport {
    fn local_peer(&self) -> PeerId {
        self.peer
    }

    fn dial<'a>(
        &'a self,
        to: &'a PeerAddress,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>, DialError>> {
        Box::pin(self.connect(to.peer))
    }

    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>> {
        Box::pin(async { self.accepted.lock().await.recv().await })
    }

    fn close(&self, code: CloseCode) {
        self.network.lock().peers.remove(&self.peer);
        let links: Vec<_> = self
            .network
            .lock()
            .connections
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        for link in links.iter().filter(|link| link.joins(self.peer)) {
            link.end_by(self.peer, code);
        }
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
