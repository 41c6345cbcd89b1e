//! The numbers of the QUIC endpoint and how they become quinn's configuration.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quinn::{
    EndpointConfig, IdleTimeout, MtuDiscoveryConfig, NoneTokenLog, TransportConfig,
    ValidationTokenConfig, VarInt,
    crypto::{CryptoError, HmacKey},
};
use quinn_proto::HashedConnectionIdGenerator;

use super::congestion::PersistentConfig;
use crate::{class::ConnectionClass, guard::DoorSettings, identity::Identity};

/// How the QUIC endpoint is set up. The defaults suit a storage node; see [`Self::client`].
#[derive(Clone, Debug)]
pub struct QuicSettings {
    /// The local UDP address. Port 0 takes any.
    pub listen: SocketAddr,
    /// Whether connections from outside are accepted.
    pub accept: bool,
    /// How often an idle connection this side dialled is kept alive; `None` lets it end after
    /// [`Self::idle`].
    pub keep_alive: Option<Duration>,
    /// Silence after which a connection is given up.
    pub idle: Duration,
    /// How long a dial may take, all addresses together.
    pub dial_timeout: Duration,
    /// Who from outside may begin a handshake.
    pub door: DoorSettings,
    /// Unread bytes that a peer this side dialled may have sent, all answers together.
    pub dialed_window: u32,
}

impl QuicSettings {
    /// A storage node's endpoint at this address: accepts connections and keeps those it dials.
    #[must_use]
    pub fn node(listen: SocketAddr) -> Self {
        Self {
            listen,
            accept: true,
            keep_alive: Some(Duration::from_secs(10)),
            idle: Duration::from_secs(30),
            dial_timeout: Duration::from_secs(5),
            door: DoorSettings::default(),
            dialed_window: 1 << 20,
        }
    }

    /// An endpoint that only dials, from any port, and lets idle connections end.
    #[must_use]
    pub fn client() -> Self {
        Self {
            accept: false,
            keep_alive: None,
            dialed_window: 16 << 20,
            ..Self::node(SocketAddr::V4(std::net::SocketAddrV4::new(
                std::net::Ipv4Addr::UNSPECIFIED,
                0,
            )))
        }
    }

    /// Streams a peer may open before its class is known, and whoever this side dialled.
    const FIRST_STREAMS: u32 = 8;
    /// Unread bytes of one stream: holds the largest sliver.
    const STREAM_WINDOW: u32 = 4 << 20;
    /// Unacknowledged bytes kept per connection for retransmission.
    const SEND_WINDOW: u64 = 8 << 20;
    /// Kernel buffers of the socket, in bytes; the system may grant less.
    pub(super) const SOCKET_BUFFER: usize = 4 << 20;

    pub(super) fn accepted(&self) -> Arc<TransportConfig> {
        let window = ConnectionClass::Anonymous.credit().window;
        Arc::new(self.transport(window, None))
    }

    pub(super) fn dialed(&self) -> Arc<TransportConfig> {
        Arc::new(self.transport(self.dialed_window, self.keep_alive))
    }

    fn transport(&self, window: u32, keep_alive: Option<Duration>) -> TransportConfig {
        let mut config = TransportConfig::default();
        config
            .max_concurrent_bidi_streams(Self::FIRST_STREAMS.into())
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .datagram_receive_buffer_size(None)
            .stream_receive_window(Self::STREAM_WINDOW.into())
            .receive_window(window.into())
            .send_window(Self::SEND_WINDOW)
            .congestion_controller_factory(Arc::new(PersistentConfig::default()))
            .max_idle_timeout(IdleTimeout::try_from(self.idle).ok())
            .keep_alive_interval(keep_alive)
            .mtu_discovery_config(Some(MtuDiscoveryConfig::default()));
        config
    }
}

/// Bounds what the endpoint keeps for strangers before the door has decided about them: their first
/// packets, which it looks at right away. Nobody is given a token for his next visit: remembering which
/// of them were used takes ten megabytes, and Retry costs a round trip only when there is a crowd.
pub(crate) fn bound_strangers(config: &mut quinn::ServerConfig) {
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0).log(Arc::new(NoneTokenLog));
    config
        .validation_token_config(tokens)
        .max_incoming(1024)
        .incoming_buffer_size(64 << 10)
        .incoming_buffer_size_total(1 << 20);
}

/// The endpoint's own settings, with keys that a restarted node finds again: it recognises packets
/// for connections of an earlier process, and can tell their senders that those are dead.
///
/// Every endpoint of an identity has a `scope` of its own: with the keys of another one, anybody could
/// make it say that the other's connections are dead.
pub(crate) fn endpoint_config(identity: &Identity, scope: &str) -> EndpointConfig {
    let secret = |label: &str| identity.derive_secret(format!("{label}{scope}").as_bytes());
    let reset = ResetKey(secret("floe/quic-stateless-reset/1"));
    let [a, b, c, d, e, f, g, h, ..] = secret("floe/quic-connection-id/1");
    let ids = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let mut config = EndpointConfig::new(Arc::new(reset));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)));
    config
}

/// Signs the token by which a peer is told that its connection died with an earlier process: it need
/// not wait out its idle timeout then.
struct ResetKey([u8; 32]);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        let hash = blake3::keyed_hash(&self.0, data);
        signature_out.copy_from_slice(hash.as_bytes());
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let signature = blake3::Hash::from_slice(signature).map_err(|_| CryptoError)?;
        // Comparing hashes takes constant time.
        if blake3::keyed_hash(&self.0, data) == signature {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }
}
