//! The network: one UDP socket that dials and accepts QUIC connections for the data plane.
//!
//! Before a connection leaves this module its peer is proven: the certificate's peer id is read
//! after *every* handshake, resumed ones too, and compared with the expected one. There is no
//! early data.

pub(crate) mod accept;
mod congestion;
mod connection;
pub(crate) mod settings;
mod stream;
mod tls;

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use quinn::{Endpoint, VarInt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    sync::{Mutex, mpsc},
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;
use tracing::warn;

use self::{connection::QuicConnection, tls::TlsConfigs};
use super::{Connection, DataTransport, DialError, handshake::Handshakes};
use crate::{
    address::{DataAddress, PeerAddress},
    guard::{Plane, Watch},
    identity::{Identity, PeerId},
    wire::CloseCode,
};

pub use settings::QuicSettings;
pub use tls::TlsSetupError;

/// The QUIC endpoint of one peer.
pub struct QuicTransport {
    endpoint: Endpoint,
    client: quinn::ClientConfig,
    settings: QuicSettings,
    local_peer: PeerId,
    local_address: SocketAddr,
    accepted: Mutex<mpsc::Receiver<Arc<dyn Connection>>>,
    handshakes: Arc<Handshakes>,
    tasks: TaskTracker,
}

/// Why the endpoint could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The socket.
    #[error("cannot listen on UDP {address}: {source}")]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
}

impl QuicTransport {
    /// Connections whose handshake is done and that wait to be served.
    const ACCEPT_QUEUE: usize = 64;
    /// How long the last close messages may take.
    const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

    /// Opens the endpoint. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address is taken or not ours, or TLS could not be set up.
    pub fn bind(identity: &Identity, settings: QuicSettings) -> Result<Self, BindError> {
        let tls = TlsConfigs::new(identity)?;
        let server = settings.accept.then(|| {
            let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls.server));
            config.transport_config(settings.accepted());
            settings::bound_strangers(&mut config);
            config
        });
        let mut client = quinn::ClientConfig::new(Arc::new(tls.client));
        client.transport_config(settings.dialed());

        let wrong = |source| BindError::Socket {
            address: settings.listen,
            source,
        };
        let socket = bind_socket(settings.listen, false).map_err(wrong)?;
        let config = settings::endpoint_config(identity, "");
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = Endpoint::new(config, server, socket, runtime).map_err(wrong)?;
        let local_address = endpoint.local_addr().map_err(wrong)?;

        let (ready, accepted) = mpsc::channel(Self::ACCEPT_QUEUE);
        let tasks = TaskTracker::new();
        let handshakes = Handshakes::new(Plane::Data, settings.door, tasks.clone());
        accept::serve(&handshakes, endpoint.clone(), proven, ready);
        Ok(Self {
            endpoint,
            client,
            settings,
            local_peer: identity.peer_id(),
            local_address,
            accepted: Mutex::new(accepted),
            handshakes,
            tasks,
        })
    }

    /// The address the socket is bound to, with its real port.
    #[must_use]
    pub const fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    async fn dial_any(&self, to: &PeerAddress) -> Result<Arc<dyn Connection>, DialError> {
        let deadline = Instant::now() + self.settings.dial_timeout;
        let mut last = DialError::NoAddress { peer: to.peer };
        for (tried, address) in to.addresses.iter().enumerate() {
            // An address that swallows packets must leave time for the next one.
            let share = deadline.saturating_duration_since(Instant::now())
                / u32::try_from(to.addresses.len() - tried).unwrap_or(u32::MAX);
            last = match timeout(share, self.dial_one(to.peer, address)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(DialError::Closed)) => return Err(DialError::Closed),
                Ok(Err(error)) => error,
                Err(_) => DialError::Timeout {
                    peer: to.peer,
                    address: address.to_string(),
                    within: share,
                },
            };
        }
        Err(last)
    }

    async fn dial_one(
        &self,
        peer: PeerId,
        address: &DataAddress,
    ) -> Result<Arc<dyn Connection>, DialError> {
        let failed = |reason: String| DialError::Failed {
            peer,
            address: address.to_string(),
            reason,
        };
        let name = tls::server_name(&peer)
            .ok_or_else(|| failed("its peer id holds no Ed25519 key".to_owned()))?;
        let remote = self.resolve(address).await?;
        let connecting = self
            .endpoint
            .connect_with(self.client.clone(), remote, &name)
            .map_err(|error| match error {
                quinn::ConnectError::EndpointStopping => DialError::Closed,
                other => failed(other.to_string()),
            })?;
        let connection = connecting.await.map_err(|error| match error {
            quinn::ConnectionError::LocallyClosed => DialError::Closed,
            other => failed(other.to_string()),
        })?;
        if tls::proven_peer(&connection) != Some(peer) {
            connection.close(VarInt::from_u32(CloseCode::WrongPeer.code()), b"");
            return Err(DialError::WrongPeer {
                expected: peer,
                address: address.to_string(),
            });
        }
        Ok(Arc::new(QuicConnection {
            inner: connection,
            peer,
        }))
    }

    /// The first resolved address of the socket's own family.
    async fn resolve(&self, address: &DataAddress) -> Result<SocketAddr, DialError> {
        let wrong = |reason: String| DialError::Resolve {
            address: address.to_string(),
            reason,
        };
        let v6 = self.local_address.is_ipv6();
        tokio::net::lookup_host((address.host(), address.port()))
            .await
            .map_err(|error| wrong(error.to_string()))?
            .find(|found| v6 || found.is_ipv4())
            .ok_or_else(|| wrong("no address of the socket's family".to_owned()))
    }
}

impl DataTransport for QuicTransport {
    fn local_peer(&self) -> PeerId {
        self.local_peer
    }

    fn dial<'a>(
        &'a self,
        to: &'a PeerAddress,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>, DialError>> {
        Box::pin(self.dial_any(to))
    }

    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>> {
        Box::pin(async { self.accepted.lock().await.recv().await })
    }

    fn members_at(&self, addresses: &[IpAddr]) {
        self.handshakes.members_at(addresses);
    }

    fn report_to(&self, watch: Arc<Watch>) {
        self.handshakes.report_to(watch);
    }

    fn close(&self, code: CloseCode) {
        self.endpoint.close(VarInt::from_u32(code.code()), b"");
        self.tasks.close();
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.tasks.wait().await;
            // A peer that is gone answers nothing; its state here ends with the process.
            let _ = timeout(Self::CLOSE_TIMEOUT, self.endpoint.wait_idle()).await;
        })
    }
}

/// A connection from outside, if its peer is one that can be known.
fn proven(inner: quinn::Connection) -> Option<Arc<dyn Connection>> {
    let Some(peer) = tls::proven_peer(&inner) else {
        inner.close(VarInt::from_u32(CloseCode::WrongPeer.code()), b"");
        return None;
    };
    Some(Arc::new(QuicConnection { inner, peer }))
}

/// A socket with large buffers: without them bursts are lost in the kernel. An unspecified IPv6 address
/// takes IPv4 packets, too, unless it is `only_v6`.
pub(crate) fn bind_socket(address: SocketAddr, only_v6: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(only_v6)?;
    }
    for (name, result) in [
        (
            "receive",
            socket.set_recv_buffer_size(QuicSettings::SOCKET_BUFFER),
        ),
        (
            "send",
            socket.set_send_buffer_size(QuicSettings::SOCKET_BUFFER),
        ),
    ] {
        if let Err(error) = result {
            warn!(%error, "the {name} buffer of a QUIC socket could not be enlarged");
        }
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
