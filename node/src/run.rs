//! Puts a node together and takes it down again: from a configuration file to tasks under a
//! supervisor, and back in the order that loses nothing.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use floe_chain::{
    id::NetworkId,
    keys::{BlsSecretKey, IdentitySecretKey, KeyError},
    rpc::{
        ChainError, ChainEvents, ChainRead, ChainWrite, ErrorKind, SuiChain, Wallet,
        keyfile::{KeyFileError, read_secret_line},
    },
};
use floe_codec::{Codec, CodecError};
use floe_p2p::{
    Resolve,
    control::{book::AddressBook, record::ControlAddress, settings::ControlSettings},
    guard::{GuardSettings, RoomSettings},
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
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, AdminError, Door},
    config::{NetworkConfig, NodeConfig, Upkeep},
    control::{self, Archive, ChainSlot, ControlError, ControlParts, Directory},
    epoch, follower, guests,
    heal::{self, Healer},
    keeper,
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
    /// The operator's door cannot be opened.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The control plane cannot start.
    #[error(transparent)]
    Control(#[from] ControlError),
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

/// Proofs of inconsistency waiting to be gossiped about.
const PROOFS: usize = 64;

/// What a node is made of, besides its own state and the chain.
pub struct Parts {
    /// The node over its store.
    pub node: Arc<Node>,
    /// How it reaches peers.
    pub transport: Arc<dyn DataTransport>,
    /// Where everybody is.
    pub directory: Directory,
    /// How it finds peers; none in simulations.
    pub control: Option<ControlParts>,
    /// The operator's door; none in simulations.
    pub admin: Option<TcpListener>,
    /// Bytes of requests and answers in memory.
    pub request_memory: u64,
    /// How the store is kept in order.
    pub upkeep: Upkeep,
}

/// The chain as a node uses it.
#[derive(Clone)]
pub struct Chain {
    /// Read.
    pub read: Arc<dyn ChainRead>,
    /// Written with the node's account.
    pub write: Arc<dyn ChainWrite>,
    /// Followed.
    pub events: Arc<dyn ChainEvents>,
}

/// Starts to serve from what the ledger knows. Must be called within a tokio runtime.
///
/// # Errors
///
/// The control plane cannot listen.
pub fn serve(
    parts: Parts,
    supervisor: &Supervisor,
) -> Result<DataPlane<NodeService>, ControlError> {
    let Parts {
        node,
        transport,
        directory,
        control,
        admin,
        request_memory,
        upkeep,
    } = parts;
    let book = Arc::clone(&directory.book);
    // The rest is what QUIC holds besides; see the limits of the data plane.
    let eighths = |count| usize::try_from(request_memory / 8 * count).unwrap_or(usize::MAX);
    let settings = ServerSettings {
        inbound_memory: eighths(4),
        outbound_memory: eighths(3),
        guard: GuardSettings {
            rooms: RoomSettings::with_memory(request_memory),
            ..GuardSettings::default()
        },
        ..ServerSettings::default()
    };
    let view = node.watch();
    let classify = move |peer: &PeerId| {
        let membership = view.borrow().membership.clone();
        membership.map_or(floe_p2p::class::ConnectionClass::Anonymous, |m| {
            m.class_of(peer)
        })
    };
    let (proofs, proved) = mpsc::channel(PROOFS);
    let local = transport.local_peer();
    let service = NodeService::new(Arc::clone(&node), directory.clone(), local, proofs.clone());
    let resolve: Arc<dyn Resolve> = Arc::clone(&book) as Arc<dyn Resolve>;
    let classify = Arc::new(classify);
    let plane = DataPlane::resolving(transport, service, classify, settings, Some(resolve));
    let healer = Healer {
        node: Arc::clone(&node),
        data: plane.client().clone(),
        local,
        archive: directory.archive.clone(),
        proofs,
    };
    let control = match control {
        Some(parts) => {
            let (node, data) = (Arc::clone(&node), plane.client().clone());
            let token = supervisor.token();
            let (control, task) = control::start(node, parts, directory, data, proved, token)?;
            supervisor.start("control", task);
            // Whoever cannot take the data plane's QUIC asks over the control plane's connections.
            plane
                .serve_also(Arc::clone(control.plane().data_transport()) as Arc<dyn DataTransport>);
            Some(control)
        }
        None => None,
    };
    let token = || supervisor.token();
    supervisor.start("probe", keeper::probe(Arc::clone(&node), token()));
    supervisor.start("scrub", keeper::scrub(Arc::clone(&node), upkeep, token()));
    supervisor.start("collect", keeper::collect(Arc::clone(&node), token()));
    let guests = guests::follow(plane.limits(), Arc::clone(&node), book, token());
    supervisor.start("guests", guests);
    supervisor.start("heal", heal::run(healer, token()));
    if let Some(listener) = admin {
        let mut metrics = Registry::with_prefix("floe");
        plane.metrics().register(&mut metrics);
        if let Some(control) = &control {
            let book = Arc::clone(&control.directory().book);
            control.plane().metrics().register(&mut metrics, book);
        }
        let door = Door {
            node: Arc::clone(&node),
            control,
            limits: plane.limits(),
            metrics,
        };
        supervisor.start("admin", admin::serve(listener, door, supervisor.token()));
    }
    Ok(plane)
}

/// Starts to follow the chain and to take its part in it.
pub fn follow(node: &Arc<Node>, chain: Chain, supervisor: &Supervisor) {
    let Chain {
        read,
        write,
        events,
    } = chain;
    let token = || supervisor.token();
    let followed = follower::follow(Arc::clone(node), Arc::clone(&read), events, token());
    supervisor.start("follower", followed);
    let driven = epoch::drive(Arc::clone(node), read, write, token());
    supervisor.start("epoch", driven);
}

/// Runs the node of a configuration until `shutdown` is cancelled or a task fails, then drains. A
/// node that has served before does so at once, whether or not the chain answers.
///
/// # Errors
///
/// [`RunError`] says what is wrong and where.
pub async fn run(config: NodeConfig, shutdown: CancellationToken) -> Result<(), RunError> {
    let supervisor = Supervisor::new();
    let (parts, wallet, chain) = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        assembled = assemble(&config) => assembled?,
    };
    let node = Arc::clone(&parts.node);
    let met = parts.control.as_ref().map(|parts| Arc::clone(&parts.chain));
    let plane = serve(parts, &supervisor)?;
    tracing::info!(node = %node.id(), data = %config.network.listen, admin = %config.admin.listen, "up");
    let meeting = meet_chain(node, config.clone(), wallet, chain, met, supervisor.clone());
    supervisor.start("chain", meeting);

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

/// Connects to the chain, unless that is done, and starts to follow it. A chain that is not the
/// configured one raises the alarm.
async fn meet_chain(
    node: Arc<Node>,
    config: NodeConfig,
    wallet: Wallet,
    connected: Option<SuiChain>,
    met: Option<Arc<ChainSlot>>,
    supervisor: Supervisor,
) -> Result<(), std::convert::Infallible> {
    let token = supervisor.token();
    let chain = match connected {
        Some(chain) => Ok(chain),
        None => tokio::select! {
            () = token.cancelled() => return Ok(()),
            chain = connect(&config) => chain,
        },
    };
    match chain {
        Ok(chain) => {
            let chain = Chain {
                write: Arc::new(chain.account(wallet)),
                events: Arc::new(chain.clone()),
                read: Arc::new(chain),
            };
            if let Some(met) = met {
                // Met once: nobody else sets it.
                let _ = met.set(Arc::clone(&chain.read));
            }
            follow(&node, chain, &supervisor);
        }
        Err(error) => node.raise_alarm(&error),
    }
    Ok(())
}

/// Opens everything of the node. The chain is needed only by a node that has never served: the data
/// directory of any other knows the number of shards.
async fn assemble(config: &NodeConfig) -> Result<(Parts, Wallet, Option<SuiChain>), RunError> {
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

    let data_dir = |source| RunError::DataDir {
        path: config.data_dir.clone(),
        source,
    };
    let backend = DiskBackend::open(&config.data_dir).map_err(|error| data_dir(error.into()))?;
    let (shards, chain) =
        match Stamp::shards_in(&backend).map_err(|error| data_dir(error.into()))? {
            Some(shards) => (shards, None),
            None => {
                let chain = connect(config).await?;
                (chain.system().await?.shards, Some(chain))
            }
        };
    let network = NetworkId {
        chain: config.chain.chain_id,
        system: config.chain.system_object,
    };
    let stamp = Stamp {
        node: config.chain.node_id,
        network,
        shards,
    };
    let settings = floe_storage::Settings::default();
    let opened = Storage::open_or_rebuild(Arc::new(backend), stamp, &settings);
    let (storage, report) = opened.map_err(data_dir)?;
    if report != floe_storage::OpenReport::default() {
        tracing::info!(?report, "the store was mended after a crash");
    }

    let codec = Codec::new(0)?;
    let node = Node::new(config.chain.node_id, network, storage, codec, protocol_key)
        .map_err(|error| data_dir(error.into()))?;
    let address = config.network.listen;
    let identity = Identity::from_seed(identity.to_seed());
    let transport = QuicTransport::bind(&identity, QuicSettings::node(address))
        .map_err(|source| RunError::Bind { address, source })?;
    let memory = DiskBackend::open(config.data_dir.join("network"));
    let memory = memory.map_err(|error| data_dir(error.into()))?;
    let parts = Parts {
        node,
        transport: Arc::new(transport),
        directory: Directory {
            book: Arc::new(AddressBook::new(network)),
            archive: Archive::new(Arc::new(memory)),
        },
        control: Some(control_parts(&config.network, identity)),
        admin: Some(admin::open(config.admin.listen).await?),
        request_memory: config.limits.request_memory_bytes(),
        upkeep: config.upkeep,
    };
    Ok((parts, wallet, chain))
}

/// How the control plane starts; the configuration was checked when it was read.
fn control_parts(network: &NetworkConfig, identity: Identity) -> ControlParts {
    let control = network.control_addresses().unwrap_or_default();
    let plain = |addresses: &[ControlAddress]| {
        let addresses = addresses.iter();
        addresses
            .map(|address| address.as_multiaddr().clone())
            .collect()
    };
    let mut settings = ControlSettings::node(plain(&network.control_listen()));
    settings.external = plain(&control);
    settings.local_network = network.is_local();
    if control.is_empty() {
        tracing::warn!("others cannot find this node: `network.public` names no address of it");
    }
    ControlParts {
        identity,
        settings,
        data: network.data_addresses().unwrap_or_default(),
        control,
        bootstraps: network.bootstraps().unwrap_or_default(),
        chain: Arc::default(),
    }
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
