//! Puts a node together and takes it down again: from a configuration file to tasks under a
//! supervisor, and back in the order that loses nothing.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use floe_chain::{
    keys::{BlsSecretKey, IdentitySecretKey, KeyError},
    rpc::{
        ChainError, ChainEvents, ChainRead, ChainWrite, ErrorKind, SuiChain, Wallet,
        keyfile::{KeyFileError, read_secret_line},
    },
};
use floe_codec::{Codec, CodecError};
use floe_p2p::{
    identity::{Identity, PeerId},
    plane::DataPlane,
    server::ServerSettings,
    transport::{
        DataTransport,
        quic::{BindError, QuicSettings, QuicTransport},
    },
};
use floe_storage::{OpenError, Stamp, Storage, backend::DiskBackend};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::{
    admin,
    config::NodeConfig,
    epoch, follower,
    node::Node,
    retry::Backoff,
    service::NodeService,
    supervisor::{DrainTimeout, Exit, Supervisor},
};

/// Why a node does not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A key file is missing, readable by others, or not one line.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// A key file holds no key of its kind.
    #[error("{path} holds no usable key", path = path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The chain is not the one configured, or its client cannot be made.
    #[error("the chain cannot be used")]
    Chain(#[from] ChainError),
    /// The data directory cannot be used.
    #[error("{path} cannot be used as data directory", path = path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// The data plane's address cannot be bound.
    #[error("the data plane cannot listen on {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: BindError,
    },
    /// The processor's threads or kernels cannot be used.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A task failed.
    #[error("{0}")]
    Stopped(Exit),
    /// Tasks did not end in time.
    #[error(transparent)]
    Drain(#[from] DrainTimeout),
}

/// What a node is made of, besides its own state.
pub struct Parts {
    /// The node over its store.
    pub node: Arc<Node>,
    /// How it reaches peers.
    pub transport: Arc<dyn DataTransport>,
    /// The chain, read.
    pub read: Arc<dyn ChainRead>,
    /// The chain, written with the node's account.
    pub write: Arc<dyn ChainWrite>,
    /// The chain, followed.
    pub events: Arc<dyn ChainEvents>,
    /// Where the operator's door is; none in simulations.
    pub admin: Option<SocketAddr>,
    /// Bytes of requests and answers in memory.
    pub request_memory: u64,
}

/// Starts all tasks. Must be called within a tokio runtime.
#[must_use]
pub fn start(parts: Parts, supervisor: &Supervisor) -> DataPlane<NodeService> {
    let Parts {
        node,
        transport,
        read,
        write,
        events,
        admin,
        request_memory,
    } = parts;
    let half = usize::try_from(request_memory / 2).unwrap_or(usize::MAX);
    let settings = ServerSettings {
        inbound_memory: half,
        outbound_memory: half,
        ..ServerSettings::default()
    };
    let view = node.watch();
    let classify = move |peer: &PeerId| {
        let membership = view.borrow().membership.clone();
        membership.map_or(floe_p2p::class::ConnectionClass::Anonymous, |m| {
            m.class_of(peer)
        })
    };
    let service = NodeService::new(Arc::clone(&node));
    let plane = DataPlane::start(transport, service, Arc::new(classify), settings);
    let token = || supervisor.token();
    let followed = follower::follow(Arc::clone(&node), Arc::clone(&read), events, token());
    supervisor.start("follower", followed);
    supervisor.start(
        "epoch",
        epoch::drive(Arc::clone(&node), read, write, token()),
    );
    if let Some(address) = admin {
        let mut metrics = Registry::with_prefix("floe");
        plane.metrics().register(&mut metrics);
        supervisor.start("admin", admin::serve(address, node, metrics, token()));
    }
    plane
}

/// Runs the node of a configuration until `shutdown` is cancelled or a task fails, then drains.
///
/// # Errors
///
/// [`RunError`] says what is wrong and where.
pub async fn run(config: NodeConfig, shutdown: CancellationToken) -> Result<(), RunError> {
    let supervisor = Supervisor::new();
    let parts = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        parts = assemble(&config) => parts?,
    };
    let id = parts.node.id();
    let plane = start(parts, &supervisor);
    tracing::info!(node = %id, data = %config.network.listen, admin = %config.admin.listen, "up");

    let exit = tokio::select! {
        () = shutdown.cancelled() => Exit::Requested,
        exit = supervisor.stopped() => exit,
    };
    tracing::info!(%exit, "draining");
    let patience = config.limits.drain();
    plane.shutdown(patience).await;
    supervisor.drain(patience).await?;
    match exit {
        Exit::Requested => Ok(()),
        failed @ Exit::TaskFailed { .. } => Err(RunError::Stopped(failed)),
    }
}

async fn assemble(config: &NodeConfig) -> Result<Parts, RunError> {
    let keys = &config.keys;
    let identity =
        IdentitySecretKey::from_line(&read_secret_line(&keys.identity)?).map_err(|source| {
            RunError::Key {
                path: keys.identity.clone(),
                source,
            }
        })?;
    let protocol_key =
        BlsSecretKey::from_line(&read_secret_line(&keys.protocol)?).map_err(|source| {
            RunError::Key {
                path: keys.protocol.clone(),
                source,
            }
        })?;
    let wallet = Wallet::from_line(&read_secret_line(&keys.wallet)?)?;

    let chain = connect(config).await?;
    let network = chain.network();
    let shards = chain.system().await?.shards;
    let stamp = Stamp {
        node: config.chain.node_id,
        network,
        shards,
    };
    let data_dir = |source| RunError::DataDir {
        path: config.data_dir.clone(),
        source,
    };
    let backend = DiskBackend::open(&config.data_dir).map_err(|error| data_dir(error.into()))?;
    let settings = floe_storage::Settings::default();
    let (storage, report) = Storage::open(Arc::new(backend), stamp, &settings).map_err(data_dir)?;
    if report != floe_storage::OpenReport::default() {
        tracing::info!(?report, "the store was mended after a crash");
    }

    let codec = Codec::new(0)?;
    let node = Node::new(config.chain.node_id, network, storage, codec, protocol_key);
    let address = config.network.listen;
    let transport = QuicTransport::bind(
        &Identity::from_seed(identity.to_seed()),
        QuicSettings::node(address),
    )
    .map_err(|source| RunError::Bind { address, source })?;
    Ok(Parts {
        node,
        transport: Arc::new(transport),
        write: Arc::new(chain.account(wallet)),
        events: Arc::new(chain.clone()),
        read: Arc::new(chain),
        admin: Some(config.admin.listen),
        request_memory: config.limits.request_memory_bytes(),
    })
}

/// Connects to the chain, waiting for it if it is not there yet.
async fn connect(config: &NodeConfig) -> Result<SuiChain, ChainError> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        match SuiChain::connect(&config.chain.network()).await {
            Err(error) if error.kind() == ErrorKind::Retry => {
                tracing::warn!(%error, "the chain does not answer yet");
                backoff.wait().await;
            }
            connected => return connected,
        }
    }
}
