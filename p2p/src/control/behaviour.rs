//! Everything a peer does on the control plane, as one libp2p behaviour. What may refuse a
//! connection comes first: later parts must not keep state for connections that are denied.

use std::{num::NonZeroUsize, time::Duration};

use floe_chain::id::NetworkId;
use libp2p::{
    PeerId, StreamProtocol, allow_block_list, autonat, connection_limits, dcutr, identify, kad,
    memory_connection_limits, ping, relay, request_response,
    swarm::{ConnectionId, FromSwarm, NetworkBehaviour, behaviour::toggle::Toggle},
};

use super::{
    codec::ControlCodec,
    crowd::Crowd,
    gossip::gossip,
    meter::Metered,
    protect::Protect,
    request,
    settings::{ControlSettings, Role},
    store::NodeRecordStore,
    streams::Streams,
};
use crate::identity::Identity;

/// The protocol of the distributed hash table.
pub(super) const KAD: StreamProtocol = StreamProtocol::new("/floe/kad/1");
/// What identify says this software speaks.
const IDENTIFY: &str = "/floe/1";

/// Handshakes under way at once: of this side's dials, and of those that come through relays.
const PENDING: u32 = 128;
/// Connections of one peer: two that dial each other at the same moment have two.
const PER_PEER: u32 = 2;
/// Share of the machine's memory beyond which connections are refused.
const MEMORY_SHARE: f64 = 0.9;
/// Time for a small request and its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Small requests of one connection at once.
const REQUEST_STREAMS: usize = 32;
/// Time for a lookup.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(20);
/// A record in the table is believed this long; its node writes it again sooner.
const RECORD_TTL: Duration = Duration::from_secs(24 * 3600);

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    pub(super) blocked: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    pub(super) crowd: Crowd,
    pub(super) protect: Protect,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) kad: Toggle<kad::Behaviour<NodeRecordStore>>,
    pub(super) gossip: Metered,
    pub(super) requests: request_response::Behaviour<ControlCodec>,
    pub(super) streams: Streams,
    relay: Toggle<relay::Behaviour>,
    relay_client: relay::client::Behaviour,
    dcutr: Toggle<dcutr::Behaviour>,
    autonat_server: Toggle<autonat::v2::server::Behaviour>,
    autonat_client: Toggle<autonat::v2::client::Behaviour>,
}

impl Behaviour {
    pub(super) fn new(
        identity: &Identity,
        network: NetworkId,
        settings: &ControlSettings,
        relay_client: relay::client::Behaviour,
        streams: Streams,
    ) -> Result<Self, String> {
        let peer = identity.peer_id();
        let node = settings.role == Role::Node;
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING))
            .with_max_pending_outgoing(Some(PENDING))
            .with_max_established_per_peer(Some(PER_PEER));
        let identify = identify::Config::new(IDENTIFY.into(), identity.keypair().public())
            .with_agent_version(concat!("floe/", env!("CARGO_PKG_VERSION")).into())
            .with_push_listen_addr_updates(true);
        let requests = request_response::Config::default()
            .with_request_timeout(REQUEST_TIMEOUT)
            .with_max_concurrent_streams(REQUEST_STREAMS);
        let support = if node {
            request_response::ProtocolSupport::Full
        } else {
            request_response::ProtocolSupport::Outbound
        };
        let protocol = StreamProtocol::new(request::PROTOCOL);
        let kad = settings.table.then(|| {
            let store = NodeRecordStore::default();
            let mut kad = kad::Behaviour::with_config(peer, store, kad_config());
            // Without a confirmed address the automatic mode would stay a client for ever.
            kad.set_mode(Some(if node {
                kad::Mode::Server
            } else {
                kad::Mode::Client
            }));
            kad
        });
        Ok(Self {
            limits: connection_limits::Behaviour::new(limits),
            memory: memory_connection_limits::Behaviour::with_max_percentage(MEMORY_SHARE),
            blocked: allow_block_list::Behaviour::default(),
            crowd: Crowd::new(settings.strangers),
            protect: Protect::default(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            kad: kad.into(),
            gossip: Metered::new(gossip(identity, network, settings.role)?),
            requests: request_response::Behaviour::with_codec(
                ControlCodec,
                [(protocol, support)],
                requests,
            ),
            streams,
            relay: node
                .then(|| relay::Behaviour::new(peer, relay_config()))
                .into(),
            relay_client,
            dcutr: (!node).then(|| dcutr::Behaviour::new(peer)).into(),
            autonat_server: node.then(autonat::v2::server::Behaviour::default).into(),
            autonat_client: (!node).then(autonat::v2::client::Behaviour::default).into(),
        })
    }
}

/// A peer needs one place; the library would give it four of 128. Through it peers find out how to reach each
/// other, and no more: a circuit whose other end reads nothing stops its connection (see [`super::yamux`]).
fn relay_config() -> relay::Config {
    relay::Config {
        max_reservations_per_peer: 1,
        max_circuit_bytes: 32 << 10,
        ..relay::Config::default()
    }
}

/// The connection that is no more, and its peer if that is known. One that a later behaviour denied is told of
/// here, too.
pub(super) fn ended(event: &FromSwarm<'_>) -> Option<(ConnectionId, Option<PeerId>)> {
    match event {
        FromSwarm::ConnectionClosed(closed) => Some((closed.connection_id, Some(closed.peer_id))),
        FromSwarm::ListenFailure(failure) => Some((failure.connection_id, failure.peer_id)),
        FromSwarm::DialFailure(failure) => Some((failure.connection_id, failure.peer_id)),
        _ => None,
    }
}

fn kad_config() -> kad::Config {
    let mut config = kad::Config::new(KAD);
    config
        .set_query_timeout(LOOKUP_TIMEOUT)
        .disjoint_query_paths(true)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        // Every record comes here first, is verified off this task, and only then kept.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_record_ttl(Some(RECORD_TTL))
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_caching(kad::Caching::Disabled)
        .set_replication_factor(NonZeroUsize::new(20).expect("20 is not 0"));
    config
}
