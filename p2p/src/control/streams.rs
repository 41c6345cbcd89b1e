//! Streams of the data protocol on the swarm's connections: opens them when told, and hands over
//! those that peers open. Knows no message; what a peer may have open is the transport's business.
//!
//! The stream behaviour of libp2p's own collection hands incoming streams over one at a time and drops
//! whatever comes meanwhile, and may never answer an open; see `docs/adr/0042-streams-of-our-own.md`.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    io,
    net::IpAddr,
    option,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    core::{Endpoint, InboundUpgrade, OutboundUpgrade, UpgradeInfo, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, Stream, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};
use tokio::sync::{mpsc, oneshot};

use super::{place::ip, swarm::Command};

/// The data protocol as a libp2p stream protocol.
pub(super) const DATA: StreamProtocol = StreamProtocol::new("/floe/data/1");
/// How long the other side may take to agree on the protocol.
const NEGOTIATION: Duration = Duration::from_secs(10);

/// Where an opened stream goes.
pub(crate) type Opened = oneshot::Sender<io::Result<Stream>>;
/// A stream a peer opened, and from where, if that is known.
pub(crate) struct Incoming {
    pub(crate) peer: PeerId,
    pub(crate) from: Option<IpAddr>,
    pub(crate) stream: Stream,
}

/// Tells a swarm to connect and to open streams.
#[derive(Clone)]
pub(crate) struct Opener(mpsc::Sender<Command>);

impl Opener {
    pub(super) const fn new(commands: mpsc::Sender<Command>) -> Self {
        Self(commands)
    }

    /// A stream to a connected peer; `None` if the connection ends, or the peer speaks no such
    /// protocol.
    pub(crate) async fn open(&self, peer: PeerId) -> Option<Stream> {
        let (opened, stream) = oneshot::channel();
        self.0.send(Command::Open { peer, opened }).await.ok()?;
        let stream = stream.await.ok()?;
        stream
            .inspect_err(|error| tracing::debug!(%peer, %error, "no stream"))
            .ok()
    }

    /// Begins to dial a peer; `None` while closing, false if no address is known.
    pub(crate) async fn connect(&self, peer: PeerId) -> Option<bool> {
        let (reply, dialled) = oneshot::channel();
        self.0.send(Command::Connect { peer, reply }).await.ok()?;
        dialled.await.ok()
    }
}

/// Opens and hands over streams.
pub(super) struct Streams {
    /// Who serves them; a client serves none, and does not say that it speaks the protocol.
    served: Option<mpsc::Sender<Incoming>>,
    wanted: VecDeque<(PeerId, Opened)>,
}

impl Streams {
    pub(super) const fn new(served: Option<mpsc::Sender<Incoming>>) -> Self {
        Self {
            served,
            wanted: VecDeque::new(),
        }
    }

    /// Opens a stream to a connected peer. Should the connection end first, `opened` is dropped.
    pub(super) fn open(&mut self, peer: PeerId, opened: Opened) {
        self.wanted.push_back((peer, opened));
    }

    fn handler(&self, peer: PeerId, address: &Multiaddr) -> Handler {
        Handler {
            peer,
            from: ip(address),
            served: self.served.clone(),
            wanted: VecDeque::new(),
        }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, remote))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, address))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.wanted.pop_front() {
            Some((peer_id, event)) => Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::Any,
                event,
            }),
            // The swarm polls every behaviour again after each call into one.
            None => Poll::Pending,
        }
    }
}

/// The streams of one connection.
pub(super) struct Handler {
    peer: PeerId,
    from: Option<IpAddr>,
    served: Option<mpsc::Sender<Incoming>>,
    wanted: VecDeque<Opened>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Opened;
    type ToBehaviour = Infallible;
    type InboundProtocol = Speaks;
    type OutboundProtocol = Speaks;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Opened;

    fn listen_protocol(&self) -> SubstreamProtocol<Speaks> {
        SubstreamProtocol::new(Speaks(self.served.is_some()), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Speaks, Opened, Infallible>> {
        match self.wanted.pop_front() {
            Some(opened) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(Speaks(true), opened).with_timeout(NEGOTIATION),
            }),
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, opened: Opened) {
        self.wanted.push_back(opened);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Speaks, Speaks, (), Opened>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => {
                let incoming = Incoming {
                    peer: self.peer,
                    from: self.from,
                    stream,
                };
                let served = self.served.as_ref();
                if served.is_some_and(|served| served.try_send(incoming).is_err()) {
                    tracing::debug!(peer = %self.peer, "no room for another stream");
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: opened,
            }) => {
                // Whoever gave up waiting needs no stream.
                let _ = opened.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError {
                info: opened,
                error,
            }) => {
                let _ = opened.send(Err(io::Error::other(error.to_string())));
            }
            _ => {}
        }
    }
}

/// The protocol, if it is spoken: agreed on, a stream is used as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaks(bool);

impl UpgradeInfo for Speaks {
    type Info = StreamProtocol;
    type InfoIter = option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.then_some(DATA).into_iter()
    }
}

impl<S> InboundUpgrade<S> for Speaks {
    type Output = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn upgrade_inbound(self, stream: S, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl<S> OutboundUpgrade<S> for Speaks {
    type Output = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn upgrade_outbound(self, stream: S, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}
