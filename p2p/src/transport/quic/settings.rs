//! The numbers of the QUIC endpoint and how they become quinn's configuration.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quinn::{
    EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt, crypto::HmacKey,
};

use crate::{identity::Identity, transport::Credit};

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
    /// Handshakes from outside that may be under way at once; more are asked to prove their
    /// address first, and twice as many are refused.
    pub handshakes: usize,
    /// Established connections from outside.
    pub connections: usize,
}

impl QuicSettings {
    /// A storage node's endpoint at this address: accepts connections and keeps those it dials.
    #[must_use]
    pub const fn node(listen: SocketAddr) -> Self {
        Self {
            listen,
            accept: true,
            keep_alive: Some(Duration::from_secs(10)),
            idle: Duration::from_secs(30),
            dial_timeout: Duration::from_secs(5),
            handshakes: 64,
            connections: 4096,
        }
    }

    /// An endpoint that only dials, from any port, and lets idle connections end.
    #[must_use]
    pub const fn client() -> Self {
        Self {
            accept: false,
            keep_alive: None,
            ..Self::node(SocketAddr::V4(std::net::SocketAddrV4::new(
                std::net::Ipv4Addr::UNSPECIFIED,
                0,
            )))
        }
    }

    /// What a peer may do on a connection before its class is known, and what the peer we dialled
    /// may send us.
    const ACCEPTED: Credit = Credit {
        streams: 8,
        window: 1 << 20,
    };
    const DIALED: Credit = Credit {
        streams: 8,
        window: 16 << 20,
    };
    /// Unread bytes of one stream: holds the largest sliver.
    const STREAM_WINDOW: u32 = 4 << 20;
    /// Unacknowledged bytes kept per connection for retransmission.
    const SEND_WINDOW: u64 = 8 << 20;
    /// Kernel buffers of the socket, in bytes; the system may grant less.
    pub(super) const SOCKET_BUFFER: usize = 4 << 20;

    pub(super) fn accepted(&self) -> Arc<TransportConfig> {
        Arc::new(self.transport(Self::ACCEPTED, None))
    }

    pub(super) fn dialed(&self) -> Arc<TransportConfig> {
        Arc::new(self.transport(Self::DIALED, self.keep_alive))
    }

    fn transport(&self, credit: Credit, keep_alive: Option<Duration>) -> TransportConfig {
        let mut config = TransportConfig::default();
        config
            .max_concurrent_bidi_streams(credit.streams.into())
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .datagram_receive_buffer_size(None)
            .stream_receive_window(Self::STREAM_WINDOW.into())
            .receive_window(credit.window.into())
            .send_window(Self::SEND_WINDOW)
            .max_idle_timeout(IdleTimeout::try_from(self.idle).ok())
            .keep_alive_interval(keep_alive)
            .mtu_discovery_config(Some(MtuDiscoveryConfig::default()));
        config
    }
}

/// A key that a restarted node finds again, so that peers whose connections died with the old
/// process are told at once instead of waiting out their idle timeout.
pub(super) fn endpoint_config(identity: &Identity) -> EndpointConfig {
    let secret = identity.derive_secret(b"floe/quic-stateless-reset/1");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
    EndpointConfig::new(Arc::new(key) as Arc<dyn HmacKey>)
}
