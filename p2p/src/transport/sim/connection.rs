//! A simulated connection: two ends that hand each other streams.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{SimNetwork, pipe};
use crate::{
    identity::PeerId,
    transport::{
        Connection, Credit, RecvStream, SendStream, Side, StreamError, credit::StreamCredit,
    },
    wire::CloseCode,
};

type Streams = (SendStream, RecvStream);

/// What both ends share.
pub(super) struct Link {
    pub(super) network: SimNetwork,
    ends: [End; 2],
}

struct End {
    peer: PeerId,
    /// Why the connection is over, as this end sees it.
    over: watch::Sender<Option<StreamError>>,
    /// Streams the *other* end may open towards this one.
    credit: StreamCredit,
    incoming: mpsc::UnboundedSender<(Instant, Streams)>,
}

/// One end of a connection.
pub(super) struct SimConnection {
    link: Arc<Link>,
    side: Side,
    incoming: tokio::sync::Mutex<mpsc::UnboundedReceiver<(Instant, Streams)>>,
}

impl Link {
    pub(super) fn joins(&self, peer: PeerId) -> bool {
        self.ends.iter().any(|end| end.peer == peer)
    }

    /// Ends the connection, if it is not over, with what each end is to see.
    pub(super) fn end(&self, dialer: StreamError, listener: StreamError) {
        for (end, why) in self.ends.iter().zip([dialer, listener]) {
            end.over
                .send_if_modified(|over| over.is_none() && over.replace(why).is_none());
        }
    }

    /// Ends the connection because one peer closed it.
    pub(super) fn end_by(&self, peer: PeerId, code: CloseCode) {
        let see = |end: &End| {
            if end.peer == peer {
                StreamError::LocallyClosed
            } else {
                StreamError::Closed(code)
            }
        };
        let [dialer, listener] = &self.ends;
        self.end(see(dialer), see(listener));
    }

    /// Why the connection is over for the end of `peer`.
    pub(super) fn over(&self, side: Side) -> watch::Receiver<Option<StreamError>> {
        self.at(side).over.subscribe()
    }

    /// From whom to whom bytes sent by `side` travel.
    pub(super) const fn direction(&self, side: Side) -> [PeerId; 2] {
        [self.at(side).peer, self.at(side.other()).peer]
    }

    const fn at(&self, side: Side) -> &End {
        let [dialer, listener] = &self.ends;
        match side {
            Side::Dialer => dialer,
            Side::Listener => listener,
        }
    }
}

impl SimConnection {
    const FIRST_CREDIT: u32 = 8;

    pub(super) fn pair(
        network: SimNetwork,
        dialer: PeerId,
        listener: PeerId,
    ) -> (Arc<Link>, Self, Self) {
        let end = |peer| {
            let (incoming, receiver) = mpsc::unbounded_channel();
            let end = End {
                peer,
                over: watch::Sender::new(None),
                credit: StreamCredit::new(Self::FIRST_CREDIT),
                incoming,
            };
            (end, receiver)
        };
        let ((first, to_first), (second, to_second)) = (end(dialer), end(listener));
        let link = Arc::new(Link {
            network,
            ends: [first, second],
        });
        let connection = |side, incoming| Self {
            link: Arc::clone(&link),
            side,
            incoming: tokio::sync::Mutex::new(incoming),
        };
        let dialed = connection(Side::Dialer, to_first);
        let accepted = connection(Side::Listener, to_second);
        (link, dialed, accepted)
    }

    fn here(&self) -> &End {
        self.link.at(self.side)
    }

    fn there(&self) -> &End {
        self.link.at(self.side.other())
    }

    async fn open_stream(&self) -> Result<Streams, StreamError> {
        let mut over = self.here().over.subscribe();
        let ended = async {
            over.wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|why| *why)
        };
        let permit = tokio::select! {
            biased;
            why = ended => return Err(why.unwrap_or(StreamError::Lost)),
            permit = self.there().credit.take() => permit,
        };
        let (send, their_recv) = pipe::pipe(&self.link, self.side, Some(Arc::clone(&permit)));
        let (their_send, recv) = pipe::pipe(&self.link, self.side.other(), Some(permit));
        let due = self
            .link
            .network
            .arrival(self.here().peer, self.there().peer, 0);
        let theirs = (SendStream::new(their_send), RecvStream::new(their_recv));
        self.there()
            .incoming
            .send((due, theirs))
            .map_err(|_| StreamError::Lost)?;
        Ok((SendStream::new(send), RecvStream::new(recv)))
    }

    async fn accept_stream(&self) -> Result<Streams, StreamError> {
        let mut over = self.here().over.subscribe();
        let ended = async {
            over.wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|why| *why)
        };
        let mut incoming = self.incoming.lock().await;
        let next = async {
            let (due, streams) = incoming.recv().await?;
            sleep_until(due).await;
            Some(streams)
        };
        tokio::select! {
            biased;
            why = ended => Err(why.unwrap_or(StreamError::Lost)),
            streams = next => streams.ok_or(StreamError::Lost),
        }
    }
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }
}

impl Connection for SimConnection {
    fn peer(&self) -> PeerId {
        self.there().peer
    }

    fn side(&self) -> Side {
        self.side
    }

    fn open(&self) -> BoxFuture<'_, Result<Streams, StreamError>> {
        Box::pin(self.open_stream())
    }

    fn accept(&self) -> BoxFuture<'_, Result<Streams, StreamError>> {
        Box::pin(self.accept_stream())
    }

    fn grant(&self, credit: Credit) {
        self.here().credit.grant(credit.streams);
    }

    fn close_reason(&self) -> Option<StreamError> {
        *self.here().over.borrow()
    }

    fn closed(&self) -> BoxFuture<'_, StreamError> {
        Box::pin(async {
            let mut over = self.here().over.subscribe();
            let why = over
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|why| *why);
            why.unwrap_or(StreamError::Lost)
        })
    }

    fn close(&self, code: CloseCode) {
        self.link.end_by(self.here().peer, code);
    }
}

impl fmt::Debug for SimConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimConnection")
            .field("peer", &self.there().peer)
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}
