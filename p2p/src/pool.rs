//! One connection per peer: dialled once however many ask, whichever side dialled, and replaced
//! when it ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::{BoxFuture, ready};
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};

use crate::{
    address::PeerAddress,
    identity::PeerId,
    transport::{Connection, DataTransport, DialError, Side},
    wire::CloseCode,
};

/// Knows where peers are better than whoever asks.
pub trait Resolve: Send + Sync + 'static {
    /// Where to try, given what the caller knows.
    fn resolve(&self, to: &PeerAddress) -> PeerAddress;

    /// Looks for a peer that did not answer at any address of `tried`; `None` if no other is found.
    fn search<'a>(&'a self, _tried: &'a PeerAddress) -> BoxFuture<'a, Option<PeerAddress>> {
        Box::pin(ready(None))
    }
}

/// The connections of a data plane.
pub(crate) struct Pool {
    transport: Arc<dyn DataTransport>,
    resolve: Option<Arc<dyn Resolve>>,
    peers: Mutex<HashMap<PeerId, Arc<Slot>>>,
    dials: Semaphore,
    opened: mpsc::UnboundedSender<Arc<dyn Connection>>,
}

#[derive(Default)]
struct Slot {
    /// Held by whoever dials; the others wait and find the connection, or why there is none.
    dialing: Arc<tokio::sync::Mutex<Option<Failure>>>,
    chosen: Mutex<Option<Chosen>>,
}

/// The last dial, if it failed.
struct Failure {
    begun: Instant,
    at: Instant,
    in_a_row: u32,
    to: PeerAddress,
    error: DialError,
}

impl Failure {
    /// Whether a dial that `asked` for the same now would fail in the same way: it waited for this
    /// one, or the last ones failed and too little time went by.
    fn holds(&self, asked: Instant, to: &PeerAddress) -> bool {
        self.at > asked
            || (self.in_a_row >= Pool::FAILURES
                && self.to == *to
                && self.begun.elapsed() < Pool::SPACING)
    }
}

#[derive(Clone)]
struct Chosen {
    connection: Arc<dyn Connection>,
    since: Instant,
}

impl Pool {
    /// Dials under way at once.
    const DIALS: usize = 64;
    /// Failed dials in a row after which there is time between dials.
    const FAILURES: u32 = 2;
    /// From the beginning of one dial of a peer that does not answer to the next: a network that is
    /// bad enough without must not be filled with dials.
    const SPACING: Duration = Duration::from_secs(7);
    /// Two connections are taken for a simultaneous dial if they came this close together.
    const SIMULTANEOUS: Duration = Duration::from_secs(5);
    /// How long a connection that lost against another one lives on for its requests.
    const LINGER: Duration = Duration::from_secs(120);

    /// Every connection, dialled or accepted, is reported through the receiver once. Their number
    /// is bounded by the transport.
    pub(crate) fn new(
        transport: Arc<dyn DataTransport>,
        resolve: Option<Arc<dyn Resolve>>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Arc<dyn Connection>>) {
        let (opened, reports) = mpsc::unbounded_channel();
        let (peers, dials) = (Mutex::default(), Semaphore::new(Self::DIALS));
        (
            Arc::new(Self {
                transport,
                resolve,
                peers,
                dials,
                opened,
            }),
            reports,
        )
    }

    /// The connection to a peer, and whether it was there already. A dial goes on when whoever asked
    /// does not wait for it any more: where answers take long, nobody would ever be reached.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        to: &PeerAddress,
    ) -> Result<(Arc<dyn Connection>, bool), DialError> {
        let slot = self.slot(to.peer);
        if let Some(connection) = slot.live() {
            return Ok((connection, true));
        }
        let asked = Instant::now();
        let mut last = Arc::clone(&slot.dialing).lock_owned().await;
        if let Some(connection) = slot.live() {
            return Ok((connection, true));
        }
        if let Some(failure) = last.as_ref().filter(|failure| failure.holds(asked, to)) {
            return Err(failure.error.clone());
        }
        let (pool, to) = (Arc::clone(self), to.clone());
        let dial = tokio::spawn(async move {
            let _permit = pool.dials.acquire().await.map_err(|_| DialError::Closed)?;
            let begun = Instant::now();
            let dialed = pool.dial(&to).await;
            *last = dialed.as_ref().err().map(|error| Failure {
                begun,
                at: Instant::now(),
                in_a_row: last.as_ref().map_or(0, |last| last.in_a_row) + 1,
                to,
                error: error.clone(),
            });
            Ok((pool.add(dialed?), false))
        });
        // It is cancelled only with the whole runtime.
        dial.await.unwrap_or(Err(DialError::Closed))
    }

    /// Dials where the peer should be, and once more where it is found if that is elsewhere.
    async fn dial(&self, to: &PeerAddress) -> Result<Arc<dyn Connection>, DialError> {
        let Some(book) = &self.resolve else {
            return self.transport.dial(to).await;
        };
        let tried = book.resolve(to);
        let error = match self.transport.dial(&tried).await {
            Err(error) if error != DialError::Closed => error,
            result => return result,
        };
        match book.search(&tried).await {
            Some(found) => self.transport.dial(&found).await,
            None => Err(error),
        }
    }

    /// Takes in a connection and returns the one to use for its peer.
    pub(crate) fn add(&self, connection: Arc<dyn Connection>) -> Arc<dyn Connection> {
        let slot = self.slot(connection.peer());
        // Without a receiver nobody serves this connection, which a pure client does not.
        let _ = self.opened.send(Arc::clone(&connection));
        let now = Instant::now();
        let mut chosen = lock(&slot.chosen);
        let old = chosen
            .take()
            .filter(|old| old.connection.close_reason().is_none());
        let (keep, lose) = match old {
            None => (
                Chosen {
                    connection,
                    since: now,
                },
                None,
            ),
            Some(old) => {
                let local_first = self.transport.local_peer() < connection.peer();
                let old_age = now.duration_since(old.since);
                let new = Chosen {
                    connection,
                    since: now,
                };
                if newer_wins(
                    local_first,
                    old.connection.side(),
                    new.connection.side(),
                    old_age,
                ) {
                    (new, Some(old.connection))
                } else {
                    (old, Some(new.connection))
                }
            }
        };
        *chosen = Some(keep.clone());
        drop(chosen);
        if let Some(lost) = lose {
            tokio::spawn(async move {
                let _ = tokio::time::timeout(Self::LINGER, lost.closed()).await;
                lost.close(CloseCode::Duplicate);
            });
        }
        keep.connection
    }

    /// Bytes that all connections of now received; `None` if one of them does not know.
    pub(crate) fn received(&self) -> Option<u64> {
        let slots: Vec<_> = lock(&self.peers).values().map(Arc::clone).collect();
        let live = slots.iter().filter_map(|slot| slot.live());
        live.map(|connection| connection.received()).sum()
    }

    pub(crate) fn transport(&self) -> &Arc<dyn DataTransport> {
        &self.transport
    }

    fn slot(&self, peer: PeerId) -> Arc<Slot> {
        let mut peers = lock(&self.peers);
        if let Some(slot) = peers.get(&peer) {
            return Arc::clone(slot);
        }
        // Peers that went away make room when another comes; a slot in use has a second holder.
        peers.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.live().is_some());
        Arc::clone(peers.entry(peer).or_default())
    }
}

impl Slot {
    fn live(&self) -> Option<Arc<dyn Connection>> {
        let chosen = lock(&self.chosen);
        let connection = &chosen.as_ref()?.connection;
        connection
            .close_reason()
            .is_none()
            .then(|| Arc::clone(connection))
    }
}

/// No code under these locks panics, so a poisoned one still guards whole data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which of two connections to the same peer both sides will use. If both sides dialled at the same
/// time, the one dialled by the smaller peer id; else the newer one, since a peer that dials
/// although it is connected has lost the old connection.
fn newer_wins(local_first: bool, old: Side, new: Side, old_age: Duration) -> bool {
    if old == new || old_age > Pool::SIMULTANEOUS {
        return true;
    }
    (new == Side::Dialer) == local_first
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn both_sides_of_a_simultaneous_dial_keep_the_same_connection() {
        // The connection that the smaller peer dialled stays, in whichever order a side sees them.
        for (smaller, dialed_by_smaller, other) in [
            (true, Side::Dialer, Side::Listener),
            (false, Side::Listener, Side::Dialer),
        ] {
            assert!(newer_wins(smaller, other, dialed_by_smaller, NOW));
            assert!(!newer_wins(smaller, dialed_by_smaller, other, NOW));
        }
    }

    #[test]
    fn a_peer_that_dials_again_is_believed() {
        assert!(newer_wins(true, Side::Listener, Side::Listener, NOW));
        assert!(newer_wins(
            true,
            Side::Dialer,
            Side::Listener,
            Duration::from_secs(6)
        ));
    }
}
