//! All streams exchanged with one peer as one connection: it lives while the swarm is connected to the
//! peer, by whichever and however many connections of its own.

use std::{
    fmt,
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::future::{BoxFuture, pending};
use libp2p::swarm::Stream;
use tokio::{
    sync::{Mutex, mpsc, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Opener, stream::halves};
use crate::{
    class::ConnectionClass,
    identity::PeerId,
    transport::{
        Connection, Credit, RecvStream, SendStream, Side, StreamError, credit::StreamCredit,
    },
    wire::CloseCode,
};

type Streams = (SendStream, RecvStream);

/// Streams that wait while the peer has as many open as it may; more are dropped.
const WAITING: usize = 64;
/// How long opening a stream may take.
const OPEN: Duration = Duration::from_secs(10);

pub(super) struct StreamConnection {
    peer: PeerId,
    side: Side,
    /// Where the peer's first stream came from.
    from: Option<IpAddr>,
    opener: Opener,
    connected: watch::Receiver<Vec<PeerId>>,
    /// Whether the peer was seen among them: its first stream may come a moment before.
    met: AtomicBool,
    closed: CancellationToken,
    finishing: TaskTracker,
    incoming: Mutex<mpsc::Receiver<Stream>>,
    /// Streams the peer may have open here.
    granted: StreamCredit,
    /// Streams this side has open: as many as anybody may have at a node.
    taken: StreamCredit,
}

/// Hands a connection the streams its peer opens.
pub(super) struct Feed {
    streams: mpsc::Sender<Stream>,
    closed: CancellationToken,
}

impl StreamConnection {
    pub(super) fn new(
        peer: PeerId,
        side: Side,
        from: Option<IpAddr>,
        opener: Opener,
        connected: watch::Receiver<Vec<PeerId>>,
    ) -> (Self, Feed) {
        let (streams, incoming) = mpsc::channel(WAITING);
        let closed = CancellationToken::new();
        let anybody = ConnectionClass::Anonymous.credit().streams;
        let connection = Self {
            peer,
            side,
            from,
            opener,
            connected,
            met: AtomicBool::new(side == Side::Dialer),
            closed: closed.clone(),
            finishing: TaskTracker::new(),
            incoming: Mutex::new(incoming),
            granted: StreamCredit::new(anybody),
            taken: StreamCredit::new(anybody),
        };
        (connection, Feed { streams, closed })
    }

    async fn open_stream(&self) -> Result<Streams, StreamError> {
        let opened = async {
            let place = self.taken.take().await;
            let stream = timeout(OPEN, self.opener.open(self.peer)).await;
            match stream {
                Ok(Some(stream)) => Ok(halves(stream, place, &self.finishing)),
                Ok(None) => Err(StreamError::Lost),
                Err(_) => Err(StreamError::TimedOut),
            }
        };
        tokio::select! {
            biased;
            why = self.ended() => Err(why),
            opened = opened => opened,
        }
    }

    async fn accept_stream(&self) -> Result<Streams, StreamError> {
        let accepted = async {
            let place = self.granted.take().await;
            match self.incoming.lock().await.recv().await {
                Some(stream) => halves(stream, place, &self.finishing),
                // Nobody feeds a connection that this side dialled.
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            why = self.ended() => Err(why),
            accepted = accepted => Ok(accepted),
        }
    }

    async fn ended(&self) -> StreamError {
        let mut connected = self.connected.clone();
        let gone = async {
            if !self.met.load(Ordering::Relaxed) {
                let seen = connected.wait_for(|peers| peers.contains(&self.peer));
                let _ = timeout(OPEN, seen).await;
                self.met.store(true, Ordering::Relaxed);
            }
            let _ = connected
                .wait_for(|peers| !peers.contains(&self.peer))
                .await;
        };
        tokio::select! {
            () = self.closed.cancelled() => StreamError::LocallyClosed,
            () = gone => StreamError::Lost,
        }
    }
}

impl Feed {
    /// Passes a stream on, and gives it back if the connection is over.
    pub(super) fn pass(&self, stream: Stream) -> Option<Stream> {
        use mpsc::error::TrySendError::{Closed, Full};
        if self.is_over() {
            return Some(stream);
        }
        match self.streams.try_send(stream) {
            // One too many is dropped: the protocol says how many a peer may open.
            Ok(()) | Err(Full(_)) => None,
            Err(Closed(stream)) => Some(stream),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.closed.is_cancelled() || self.streams.is_closed()
    }
}

impl Connection for StreamConnection {
    fn peer(&self) -> PeerId {
        self.peer
    }

    fn side(&self) -> Side {
        self.side
    }

    fn remote(&self) -> Option<IpAddr> {
        self.from
    }

    fn open(&self) -> BoxFuture<'_, Result<Streams, StreamError>> {
        Box::pin(self.open_stream())
    }

    fn accept(&self) -> BoxFuture<'_, Result<Streams, StreamError>> {
        Box::pin(self.accept_stream())
    }

    /// Windows are the swarm's, the same for everybody.
    fn grant(&self, credit: Credit) {
        self.granted.grant(credit.streams);
    }

    fn close_reason(&self) -> Option<StreamError> {
        if self.closed.is_cancelled() {
            Some(StreamError::LocallyClosed)
        } else if !self.met.load(Ordering::Relaxed) || self.connected.borrow().contains(&self.peer)
        {
            None
        } else {
            Some(StreamError::Lost)
        }
    }

    fn closed(&self) -> BoxFuture<'_, StreamError> {
        Box::pin(self.ended())
    }

    /// The swarm's connection stays: the control plane uses it too.
    fn close(&self, _: CloseCode) {
        self.closed.cancel();
    }
}

impl fmt::Debug for StreamConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConnection")
            .field("peer", &self.peer)
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}
