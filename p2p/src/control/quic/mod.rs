//! libp2p's QUIC for the control plane, over quinn, with a door: whoever only pretends to come leaves
//! nothing behind. On the wire it is `/quic-v1` as everybody speaks it.
//!
//! A connection from outside reaches the swarm when its peer is proven. Until then it is one of the few
//! handshakes that [`Handshakes`] lets in, and not one of the swarm's pending connections. Dials leave from
//! a socket that is listened on, where there is one, so that peers see the address that they can dial.

mod address;
mod listener;
mod muxer;
mod punch;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    future::{Ready, ready},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures::future::BoxFuture;
use libp2p::{
    Multiaddr, Transport,
    core::{
        Endpoint as Role,
        transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent},
    },
};
use quinn::Endpoint;
use tokio::time::timeout;

use self::{
    listener::{Event, Listener},
    muxer::Muxer,
    punch::{Punches, punch},
    settings::{Settings, proven_peer},
};
use crate::{
    identity::{Identity, PeerId},
    transport::{handshake::Handshakes, quic::accept::TIMEOUT},
};

/// A proven peer and the connection with it.
type Proven = (PeerId, Muxer);
/// There is nothing to upgrade.
type Upgrade = Ready<Result<Proven, Error>>;

/// The QUIC endpoints of a control plane.
pub(super) struct QuicTransport {
    settings: Settings,
    door: Arc<Handshakes>,
    listeners: Vec<Listener>,
    /// What is dialled from where nothing is listened on: IPv4, IPv6.
    dialers: [Option<Endpoint>; 2],
    punches: Punches,
    waker: Option<Waker>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The socket.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// It cannot begin.
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    /// It failed.
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    /// The peer showed no certificate of libp2p's.
    #[error("the peer proved no identity")]
    NoIdentity,
    /// Silence.
    #[error("no connection within {TIMEOUT:?}")]
    Timeout,
    /// It is waited for already.
    #[error("the peer's connection is waited for already")]
    Expected,
}

impl QuicTransport {
    /// A transport whose handshakes from outside begin as `door` allows.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn new(identity: &Identity, door: Arc<Handshakes>) -> io::Result<Self> {
        Ok(Self {
            settings: Settings::new(identity)?,
            door,
            listeners: Vec::new(),
            dialers: [None, None],
            punches: Punches::default(),
            waker: None,
        })
    }

    /// Where to dial from.
    fn endpoint(&mut self, remote: SocketAddr, port: PortUse) -> io::Result<Endpoint> {
        if port == PortUse::New {
            return Ok(self.settings.open(any(remote), false)?.0);
        }
        if let Some(listener) = self.listeners.iter().find(|it| it.reaches(remote)) {
            return Ok(listener.endpoint.clone());
        }
        let dialer = &mut self.dialers[usize::from(remote.is_ipv6())];
        let endpoint = match dialer.take() {
            Some(endpoint) => endpoint,
            None => self.settings.open(any(remote), false)?.0,
        };
        Ok(dialer.insert(endpoint).clone())
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Any port of a peer's address family.
fn any(remote: SocketAddr) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

impl Transport for QuicTransport {
    type Output = Proven;
    type Error = Error;
    type ListenerUpgrade = Upgrade;
    type Dial = BoxFuture<'static, Result<Proven, Error>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Error>> {
        let Some((socket, _)) = address::parse(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let listener = Listener::open(id, socket, &self.settings, &self.door)
            .map_err(|error| TransportError::Other(error.into()))?;
        self.listeners.push(listener);
        // It ends with its last connection; the next dial leaves from here.
        self.dialers[usize::from(socket.is_ipv6())] = None;
        self.wake();
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let Some(listener) = self.listeners.iter_mut().find(|it| it.id == id) else {
            return false;
        };
        listener.close();
        self.wake();
        true
    }

    /// Whoever dials as a listener opens a hole for the peer's dial, from a socket that takes it; without
    /// one, both dial.
    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Error>> {
        let parsed = address::parse(&address);
        let dialable = |at: &(SocketAddr, _)| at.0.port() != 0 && !at.0.ip().is_unspecified();
        let Some((remote, peer)) = parsed.filter(dialable) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let listener = self.listeners.iter().find(|it| it.reaches(remote));
        if options.role == Role::Listener
            && let (Some(listener), Some(peer)) = (listener, peer)
        {
            let Some(comes) = self.punches.expect(remote, peer) else {
                return Err(TransportError::Other(Error::Expected));
            };
            let socket = listener.socket();
            return Ok(Box::pin(async move {
                Ok((peer, punch(socket?, remote, comes).await?))
            }));
        }
        let endpoint = self
            .endpoint(remote, options.port_use)
            .map_err(|error| TransportError::Other(error.into()))?;
        let client = self.settings.client.clone();
        Ok(Box::pin(async move {
            // TLS wants a name. Nobody looks at it, and an address is not even sent.
            let name = remote.ip().to_string();
            let connecting = endpoint.connect_with(client, remote, &name)?;
            let connected = timeout(TIMEOUT, connecting).await;
            let connection = connected.map_err(|_| Error::Timeout)??;
            let peer = proven_peer(&connection).ok_or(Error::NoIdentity)?;
            Ok((peer, Muxer::new(connection)))
        }))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Upgrade, Error>> {
        let this = &mut *self;
        let mut at = 0;
        while let Some(listener) = this.listeners.get_mut(at) {
            match listener.poll(cx) {
                Poll::Ready(Some(Event::Told(told))) => return Poll::Ready(told),
                Poll::Ready(Some(Event::Incoming(peer, muxer))) => {
                    let Err(muxer) = this.punches.pass(peer, muxer) else {
                        continue;
                    };
                    return Poll::Ready(TransportEvent::Incoming {
                        listener_id: listener.id,
                        local_addr: address::write(listener.local),
                        send_back_addr: address::write(muxer.connection().remote_address()),
                        upgrade: ready(Ok((peer, muxer))),
                    });
                }
                Poll::Ready(None) => {
                    this.listeners.remove(at);
                }
                Poll::Pending => at += 1,
            }
        }
        this.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
