//! The network: one UDP socket that dials and accepts QUIC connections for the data plane.
//!
//! Before a connection leaves this module its peer is proven: the certificate's peer id is read
//! after *every* handshake, resumed ones too, and compared with the expected one. There is no
//! early data.

mod connection;
mod settings;
mod stream;
mod tls;

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use quinn::{Endpoint, Incoming, VarInt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use self::{connection::QuicConnection, tls::TlsConfigs};
use super::{Connection, DataTransport, DialError};
use crate::{
    address::{DataAddress, PeerAddress},
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
    /// How long a handshake from outside may take.
    const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
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
            config
        });
        let mut client = quinn::ClientConfig::new(Arc::new(tls.client));
        client.transport_config(settings.dialed());

        let wrong = |source| BindError::Socket {
            address: settings.listen,
            source,
        };
        let socket = bind_socket(settings.listen).map_err(wrong)?;
        let config = settings::endpoint_config(identity);
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = Endpoint::new(config, server, socket, runtime).map_err(wrong)?;
        let local_address = endpoint.local_addr().map_err(wrong)?;

        let (ready, accepted) = mpsc::channel(Self::ACCEPT_QUEUE);
        let tasks = TaskTracker::new();
        let handshakes = Handshakes {
            ready,
            tasks: tasks.clone(),
            under_way: Arc::new(Semaphore::new(settings.handshakes * 2)),
            validate_above: settings.handshakes,
            connections: Arc::new(Semaphore::new(settings.connections)),
        };
        tasks.spawn(handshakes.run(endpoint.clone()));
        Ok(Self {
            endpoint,
            client,
            settings,
            local_peer: identity.peer_id(),
            local_address,
            accepted: Mutex::new(accepted),
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
            _slot: None,
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

/// Turns packets of strangers into connections of proven peers, a bounded number at a time.
struct Handshakes {
    ready: mpsc::Sender<Arc<dyn Connection>>,
    tasks: TaskTracker,
    under_way: Arc<Semaphore>,
    validate_above: usize,
    connections: Arc<Semaphore>,
}

impl Handshakes {
    async fn run(self, endpoint: Endpoint) {
        while let Some(incoming) = endpoint.accept().await {
            let Ok(handshake) = Arc::clone(&self.under_way).try_acquire_owned() else {
                incoming.refuse();
                continue;
            };
            if self.under_way.available_permits() < self.validate_above
                && !incoming.remote_address_validated()
                && incoming.may_retry()
            {
                // Cannot fail: just asked whether it may.
                let _ = incoming.retry();
                continue;
            }
            let Ok(slot) = Arc::clone(&self.connections).try_acquire_owned() else {
                debug!(remote = %incoming.remote_address(), "no room for another connection");
                incoming.refuse();
                continue;
            };
            let ready = self.ready.clone();
            self.tasks.spawn(async move {
                let deadline = Instant::now() + QuicTransport::HANDSHAKE_TIMEOUT;
                let connection = timeout_at(deadline, establish(incoming, slot)).await;
                drop(handshake);
                if let Ok(Some(connection)) = connection {
                    // The receiver is gone only while closing.
                    let _ = ready.send(connection).await;
                }
            });
        }
    }
}

async fn establish(
    incoming: Incoming,
    slot: tokio::sync::OwnedSemaphorePermit,
) -> Option<Arc<dyn Connection>> {
    let remote = incoming.remote_address();
    let connection = match incoming.accept() {
        Ok(connecting) => connecting.await,
        Err(error) => Err(error),
    };
    let inner = match connection {
        Ok(connection) => connection,
        Err(error) => {
            debug!(%remote, %error, "a handshake failed");
            return None;
        }
    };
    let Some(peer) = tls::proven_peer(&inner) else {
        debug!(%remote, "a peer proved no Ed25519 identity");
        inner.close(VarInt::from_u32(CloseCode::WrongPeer.code()), b"");
        return None;
    };
    Some(Arc::new(QuicConnection {
        inner,
        peer,
        _slot: Some(slot),
    }))
}

/// A socket with large buffers: without them bursts are lost in the kernel.
fn bind_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
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
            warn!(%error, "the {name} buffer of the data socket could not be enlarged");
        }
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
