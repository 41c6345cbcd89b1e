//! One socket that is listened on: tells the swarm its addresses and the connections that came through
//! the door.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    task::{Context, Poll},
};

use if_watch::{IfEvent, tokio::IfWatcher};
use libp2p::core::transport::{ListenerId, TransportEvent};
use quinn::{Endpoint, VarInt};
use tokio::sync::mpsc;

use super::{
    Error, Upgrade, address,
    muxer::Muxer,
    settings::{Settings, proven_peer},
};
use crate::{
    identity::PeerId,
    transport::{handshake::Handshakes, quic::accept},
};

/// Connections whose handshake is done and that wait for the swarm.
const READY: usize = 64;

/// What a listener tells the swarm, but for [`TransportEvent::Incoming`].
type Told = TransportEvent<Upgrade, Error>;

/// What happens at a listener.
pub(super) enum Event {
    /// Somebody is here.
    Incoming(PeerId, Muxer),
    /// Its addresses changed, or it is no more.
    Told(Told),
}

/// A socket that is listened on. Dropping it closes it and all its connections.
pub(super) struct Listener {
    pub(super) id: ListenerId,
    pub(super) endpoint: Endpoint,
    pub(super) local: SocketAddr,
    socket: UdpSocket,
    incoming: mpsc::Receiver<(PeerId, Muxer)>,
    /// Of a socket that listens on every interface.
    interfaces: Option<IfWatcher>,
    told: Option<Told>,
    closed: bool,
}

impl Listener {
    pub(super) fn open(
        id: ListenerId,
        address: SocketAddr,
        settings: &Settings,
        door: &Arc<Handshakes>,
    ) -> io::Result<Self> {
        let (endpoint, socket) = settings.open(address, true)?;
        let local = endpoint.local_addr()?;
        let everywhere = local.ip().is_unspecified();
        let interfaces = everywhere.then(IfWatcher::new).transpose()?;
        let told = (!everywhere).then(|| TransportEvent::NewAddress {
            listener_id: id,
            listen_addr: address::write(local),
        });
        let (ready, incoming) = mpsc::channel(READY);
        accept::serve(door, endpoint.clone(), prove, ready);
        Ok(Self {
            id,
            endpoint,
            local,
            socket,
            incoming,
            interfaces,
            told,
            closed: false,
        })
    }

    /// Whether a peer at this address can be reached from here.
    pub(super) fn reaches(&self, remote: SocketAddr) -> bool {
        let (here, there) = (self.local.ip(), remote.ip());
        !self.closed
            && here.is_ipv4() == there.is_ipv4()
            && (here.is_unspecified() || here.is_loopback() == there.is_loopback())
    }

    /// Another handle of the socket.
    pub(super) fn socket(&self) -> io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    /// Ends every connection; the swarm is told, and then nothing more.
    pub(super) fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.endpoint.close(VarInt::from_u32(0), b"");
        self.told = Some(TransportEvent::ListenerClosed {
            listener_id: self.id,
            reason: Ok(()),
        });
    }

    /// The next event; none after the last.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(told) = self.told.take() {
                return Poll::Ready(Some(Event::Told(told)));
            }
            if self.closed {
                return Poll::Ready(None);
            }
            if let Poll::Ready(told) = self.poll_interfaces(cx) {
                return Poll::Ready(Some(Event::Told(told)));
            }
            match self.incoming.poll_recv(cx) {
                Poll::Ready(Some((peer, muxer))) => {
                    return Poll::Ready(Some(Event::Incoming(peer, muxer)));
                }
                // The socket is lost.
                Poll::Ready(None) => self.close(),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The next address that came or went.
    fn poll_interfaces(&mut self, cx: &mut Context<'_>) -> Poll<Told> {
        let (listener_id, local) = (self.id, self.local);
        let Some(interfaces) = &mut self.interfaces else {
            return Poll::Pending;
        };
        loop {
            let (up, network) = match interfaces.poll_if_event(cx) {
                Poll::Ready(Ok(IfEvent::Up(network))) => (true, network),
                Poll::Ready(Ok(IfEvent::Down(network))) => (false, network),
                Poll::Ready(Err(error)) => {
                    // It would say the same again and again.
                    self.interfaces = None;
                    let error = error.into();
                    return Poll::Ready(TransportEvent::ListenerError { listener_id, error });
                }
                Poll::Pending => return Poll::Pending,
            };
            if network.addr().is_ipv4() != local.is_ipv4() {
                continue;
            }
            let listen_addr = address::write(SocketAddr::new(network.addr(), local.port()));
            return Poll::Ready(if up {
                TransportEvent::NewAddress {
                    listener_id,
                    listen_addr,
                }
            } else {
                TransportEvent::AddressExpired {
                    listener_id,
                    listen_addr,
                }
            });
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.endpoint.close(VarInt::from_u32(0), b"");
    }
}

fn prove(connection: quinn::Connection) -> Option<(PeerId, Muxer)> {
    let peer = proven_peer(&connection)?;
    Some((peer, Muxer::new(connection)))
}
