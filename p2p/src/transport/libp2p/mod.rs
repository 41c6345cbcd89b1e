//! The data protocol over libp2p streams, on the connections of the control plane: for peers that
//! cannot take QUIC, or sit behind a NAT. Nodes answer here and ask over [`quic`](super::quic).
//!
//! The swarm proves who a peer is. What it does not have is a limit of streams for each peer: that is
//! kept here.

mod connection;
mod stream;

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use futures::future::{BoxFuture, ready};
use tokio::{
    sync::{Mutex, mpsc, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::connection::{Feed, StreamConnection};
use super::{Connection, DataTransport, DialError, Side, handshake::Handshakes};
use crate::{
    address::PeerAddress,
    control::streams::{Incoming, Opener},
    guard::Watch,
    identity::PeerId,
    wire::CloseCode,
};

/// How long a dial may take.
const DIAL: Duration = Duration::from_secs(5);
/// Peers whose first stream waits for somebody to serve them.
const ACCEPT_QUEUE: usize = 64;
/// What errors say for an address: the book's are the control plane's.
const ADDRESS: &str = "its control plane";

/// The streams of a control plane as a data transport; see
/// [`ControlPlane::data_transport`](crate::control::plane::ControlPlane::data_transport).
pub struct StreamTransport {
    local: PeerId,
    opener: Opener,
    connected: watch::Receiver<Vec<PeerId>>,
    accepted: Mutex<mpsc::Receiver<Arc<dyn Connection>>>,
    /// Of the connections below.
    door: Arc<Handshakes>,
    closed: CancellationToken,
}

impl StreamTransport {
    /// A transport of what `opener` opens, and the task that sorts what comes in.
    pub(crate) fn new(
        local: PeerId,
        opener: Opener,
        connected: watch::Receiver<Vec<PeerId>>,
        incoming: mpsc::Receiver<Incoming>,
        door: Arc<Handshakes>,
    ) -> (Self, Sorter) {
        let (ready, accepted) = mpsc::channel(ACCEPT_QUEUE);
        let sorter = Sorter {
            incoming,
            ready,
            feeds: HashMap::new(),
            opener: opener.clone(),
            connected: connected.clone(),
        };
        let transport = Self {
            local,
            opener,
            connected,
            accepted: Mutex::new(accepted),
            door,
            closed: CancellationToken::new(),
        };
        (transport, sorter)
    }

    async fn connect(&self, peer: PeerId) -> Result<Arc<dyn Connection>, DialError> {
        let mut connected = self.connected.clone();
        if !connected.borrow_and_update().contains(&peer) {
            match self.opener.connect(peer).await {
                Some(true) => {}
                Some(false) => return Err(DialError::NoAddress { peer }),
                None => return Err(DialError::Closed),
            }
            let seen = connected.wait_for(|peers| peers.contains(&peer));
            match timeout(DIAL, seen).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Err(DialError::Closed),
                Err(_) => {
                    return Err(DialError::Timeout {
                        peer,
                        address: ADDRESS.to_owned(),
                        within: DIAL,
                    });
                }
            }
        }
        let opener = self.opener.clone();
        let (connection, _) =
            StreamConnection::new(peer, Side::Dialer, None, opener, self.connected.clone());
        Ok(Arc::new(connection))
    }
}

impl DataTransport for StreamTransport {
    fn local_peer(&self) -> PeerId {
        self.local
    }

    /// The addresses are those of the address book: `to` names places of another transport.
    fn dial<'a>(
        &'a self,
        to: &'a PeerAddress,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>, DialError>> {
        Box::pin(self.connect(to.peer))
    }

    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>> {
        Box::pin(async {
            let mut accepted = self.accepted.lock().await;
            self.closed
                .run_until_cancelled(accepted.recv())
                .await
                .flatten()
        })
    }

    fn members_at(&self, addresses: &[IpAddr]) {
        self.door.members_at(addresses);
    }

    fn report_to(&self, watch: Arc<Watch>) {
        self.door.report_to(watch);
    }

    /// Connections end with the control plane.
    fn close(&self, _: CloseCode) {
        self.closed.cancel();
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

/// Sorts incoming streams by peer. Waits for nothing but the next: whoever comes too fast is dropped.
pub(crate) struct Sorter {
    incoming: mpsc::Receiver<Incoming>,
    ready: mpsc::Sender<Arc<dyn Connection>>,
    feeds: HashMap<PeerId, Feed>,
    opener: Opener,
    connected: watch::Receiver<Vec<PeerId>>,
}

impl Sorter {
    pub(crate) async fn run(mut self) {
        while let Some(Incoming { peer, from, stream }) = self.incoming.recv().await {
            let rest = match self.feeds.get(&peer) {
                Some(feed) => feed.pass(stream),
                None => Some(stream),
            };
            if let Some(stream) = rest {
                self.meet(Incoming { peer, from, stream });
            }
        }
    }

    /// The first stream of a peer.
    fn meet(&mut self, Incoming { peer, from, stream }: Incoming) {
        self.feeds.retain(|_, feed| !feed.is_over());
        let (opener, connected) = (self.opener.clone(), self.connected.clone());
        let side = Side::Listener;
        let (connection, feed) = StreamConnection::new(peer, side, from, opener, connected);
        if self.ready.try_send(Arc::new(connection)).is_err() {
            tracing::debug!(%peer, "no room for another peer");
        } else if feed.pass(stream).is_none() {
            self.feeds.insert(peer, feed);
        }
    }
}
