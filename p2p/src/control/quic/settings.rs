//! How control connections are set up: libp2p's TLS, and windows for small messages of many peers.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use quinn::{
    IdleTimeout, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::pki_types::CertificateDer;

use crate::{
    identity::{Identity, PeerId},
    transport::quic::{
        bind_socket,
        settings::{bound_strangers, endpoint_config},
    },
};

/// Unread bytes that a peer may have in flight: control messages are small, and there are hundreds of
/// strangers.
const ACCEPTED_WINDOW: u32 = 64 << 10;
/// The same of a peer that this side dialled, which mostly answers what it was asked.
const DIALED_WINDOW: u32 = 512 << 10;
/// Bytes on one connection that the peer has not acknowledged.
const SEND_WINDOW: u64 = 64 << 10;
/// Streams a peer may have open.
const STREAMS: u32 = 256;
/// Silence after which a connection is over.
const IDLE: Duration = Duration::from_secs(10);
/// How often a silent connection is kept alive.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// What every endpoint of a peer is made with.
#[derive(Clone)]
pub(super) struct Settings {
    identity: Identity,
    pub(super) client: quinn::ClientConfig,
    server: quinn::ServerConfig,
}

impl Settings {
    pub(super) fn new(identity: &Identity) -> io::Result<Self> {
        let keypair = identity.keypair();

        let mut tls = libp2p_tls::make_client_config(keypair, None).map_err(io::Error::other)?;
        tls.key_log = Arc::new(rustls::NoKeyLog);
        // Every handshake proves the peer anew.
        tls.resumption = rustls::client::Resumption::disabled();
        let crypto = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
        let mut client = quinn::ClientConfig::new(Arc::new(crypto));
        client.transport_config(Arc::new(transport(DIALED_WINDOW)));

        let mut tls = libp2p_tls::make_server_config(keypair).map_err(io::Error::other)?;
        tls.key_log = Arc::new(rustls::NoKeyLog);
        tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
        let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        // Whoever looks at a connection's address must be able to rely on it.
        server.migration(false);
        server.transport_config(Arc::new(transport(ACCEPTED_WINDOW)));
        bound_strangers(&mut server);
        Ok(Self {
            identity: identity.clone(),
            client,
            server,
        })
    }

    /// Opens an endpoint, and a second handle of its socket.
    pub(super) fn open(
        &self,
        address: SocketAddr,
        accept: bool,
    ) -> io::Result<(quinn::Endpoint, std::net::UdpSocket)> {
        let socket = bind_socket(address, true)?;
        let raw = socket.try_clone()?;
        let scope = format!("/control/{}", socket.local_addr()?);
        let mut config = endpoint_config(&self.identity, &scope);
        config.supported_versions(vec![1]);
        let server = accept.then(|| self.server.clone());
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = quinn::Endpoint::new(config, server, socket, runtime)?;
        Ok((endpoint, raw))
    }
}

fn transport(window: u32) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(STREAMS.into())
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(window.into())
        .receive_window(window.into())
        .send_window(SEND_WINDOW)
        .max_idle_timeout(IdleTimeout::try_from(IDLE).ok())
        .keep_alive_interval(Some(KEEP_ALIVE))
        .allow_spin(false);
    config
}

/// The peer that a finished handshake proves.
pub(super) fn proven_peer(connection: &quinn::Connection) -> Option<PeerId> {
    let chain = connection
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    let certificate = libp2p_tls::certificate::parse(chain.first()?).ok()?;
    Some(certificate.peer_id())
}
