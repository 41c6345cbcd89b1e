//! TCP for the control plane, behind the same door as QUIC: a connection from outside reaches the swarm when
//! its peer is proven. Until then it is one of the few handshakes that [`Handshakes`] lets in, and not one of
//! the swarm's pending connections, of which whoever says nothing would soon have all.

use std::{
    future::ready,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
        upgrade::Version,
    },
    noise, tcp,
};
use tokio::sync::mpsc;
use tracing::debug;

use super::{place::site, yamux::Yamux};
use crate::{
    guard::door::{Caller, Knock},
    identity::PeerId,
    transport::handshake::Handshakes,
};

/// How long a handshake may take: several round trips, of packets that get lost.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections whose handshake is done and that wait for the swarm.
const READY: usize = 64;

/// A proven peer and the connection with it.
type Proven = (PeerId, StreamMuxerBox);
type Upgrade = <Boxed<Proven> as Transport>::ListenerUpgrade;
/// What the swarm is told.
type Event = TransportEvent<Upgrade, io::Error>;

/// TCP with Noise and Yamux.
pub(super) struct TcpTransport {
    /// Knows no door.
    open: Boxed<Proven>,
    door: Arc<Handshakes>,
    ready: mpsc::Sender<Event>,
    proven: mpsc::Receiver<Event>,
}

impl TcpTransport {
    /// A transport whose handshakes from outside begin as `door` allows.
    pub(super) fn new(secure: noise::Config, door: Arc<Handshakes>) -> Self {
        let open = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
            .upgrade(Version::V1Lazy)
            .authenticate(secure)
            .multiplex(Yamux)
            .timeout(HANDSHAKE)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed();
        let (ready, proven) = mpsc::channel(READY);
        Self {
            open,
            door,
            ready,
            proven,
        }
    }
}

impl Transport for TcpTransport {
    type Output = Proven;
    type Error = io::Error;
    type ListenerUpgrade = Upgrade;
    type Dial = <Boxed<Proven> as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.open.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.open.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.open.dial(address, options)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Poll::Ready(Some(event)) = self.proven.poll_recv(cx) {
                return Poll::Ready(event);
            }
            let Poll::Ready(event) = Pin::new(&mut self.open).poll(cx) else {
                return Poll::Pending;
            };
            let TransportEvent::Incoming {
                listener_id,
                upgrade,
                local_addr,
                send_back_addr,
            } = event
            else {
                return Poll::Ready(event);
            };
            let Some(site) = site(&send_back_addr) else {
                continue;
            };
            let caller = Caller {
                site,
                proven: true,
                lingers: false,
            };
            let Knock::Enter { ticket, .. } = self.door.ask(caller) else {
                continue;
            };
            let handshake = async move {
                let proven = upgrade.await;
                if let Err(error) = &proven {
                    debug!(remote = %send_back_addr, %error, "a handshake failed");
                }
                let upgrade: Upgrade = Box::pin(ready(Ok(proven.ok()?)));
                Some(TransportEvent::Incoming {
                    listener_id,
                    upgrade,
                    local_addr,
                    send_back_addr,
                })
            };
            self.door.begin(site, ticket, handshake, self.ready.clone());
        }
    }
}
