//! Starts a chain: directory, log, ledger, server. Owns the process-wide pieces and stops them in order.

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fs4::fs_std::FileExt;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};
use tower_http::cors::CorsLayer;

use crate::{
    admin, faucet,
    framework::{self, FrameworkError},
    genesis::GenesisError,
    info::Info,
    ledger::{Ledger, ReplayError},
    node::{self, Cadence, Node},
    rpc,
    store::{Frames, Genesis, LogError, Writer},
};

/// The log within the directory.
const LOG: &str = "chain.log";
/// The lock within the directory.
const LOCK: &str = "lock";
/// What a running chain tells its clients, within the directory.
const INFO: &str = "devnet.json";
/// Streams one connection may have open.
const STREAMS: u32 = 1_024;
/// Longest wait for open requests when stopping.
const DRAIN: Duration = Duration::from_secs(2);

/// How to start a chain.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the chain lives; created if it does not exist.
    pub directory: PathBuf,
    /// Where the compiled framework is; read only when a chain begins.
    pub packages: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How often to make checkpoints.
    pub cadence: Cadence,
    /// Secret of a new chain; random if not given.
    pub seed: Option<[u8; 32]>,
    /// Whether to answer admin calls.
    pub admin: bool,
}

/// Why a chain does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What it said.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log does not lead to the ledger it was written by.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The framework cannot be read.
    #[error(transparent)]
    Framework(#[from] FrameworkError),
    /// A new chain cannot begin.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The operating system has no random numbers.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    /// The services cannot be described.
    #[error(transparent)]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A running chain. Dropping it stops it without waiting; [`Devnet::stop`] waits.
pub struct Devnet {
    info: Info,
    port: u16,
    node: Arc<Node>,
    tasks: JoinSet<Result<(), String>>,
    stop: CancellationToken,
    _lock: File,
}

impl Devnet {
    /// Starts a chain; it is reachable when this returns.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let io = |what: &Path| {
            let what = what.display().to_string();
            move |source| StartError::Io { what, source }
        };
        fs::create_dir_all(&settings.directory).map_err(io(&settings.directory))?;
        let lock = lock(&settings.directory)?;
        let node = Arc::new(open(&settings)?);

        let listener = TcpListener::bind(settings.listen).await;
        let listener = listener.map_err(|source| StartError::Io {
            what: format!("listen on {}", settings.listen),
            source,
        })?;
        let address = listener.local_addr().map_err(|source| StartError::Io {
            what: "listen".into(),
            source,
        })?;
        let routes = routes(&node, settings.admin)?;

        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (sealer, sealer_stop) = (node.clone(), stop.clone());
        tasks.spawn(async move {
            sealer
                .run(sealer_stop)
                .await
                .map_err(|error| error.to_string())
        });
        let server_stop = stop.clone();
        tasks.spawn(async move {
            let server = Server::builder().accept_http1(true).max_concurrent_streams(STREAMS).tcp_nodelay(true).add_routes(routes);
            let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
            let serving = server.serve_with_incoming_shutdown(incoming, server_stop.clone().cancelled_owned());
            tokio::select! {
                served = serving => served.map_err(|error| error.to_string()),
                () = async { server_stop.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
            }
        });
        let info = info(&node, address).await.map_err(|error| StartError::Io {
            what: "genesis".into(),
            source: io::Error::other(error),
        })?;
        let path = settings.directory.join(INFO);
        info.write(&path).map_err(io(&path))?;
        tracing::info!(url = %info.url, chain = %info.chain_id, "the chain runs");
        Ok(Self {
            info,
            port: address.port(),
            node,
            tasks,
            stop,
            _lock: lock,
        })
    }

    /// How to reach it and what to trust.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until a task ends by itself, which only a failure makes it do.
    pub async fn failed(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Ok(Ok(()))) | None => "stopped".into(),
            Some(Err(error)) => error.to_string(),
        }
    }

    /// Stops it; returns when everything is on disk.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        drop(self.node);
    }
}

fn lock(directory: &Path) -> Result<File, StartError> {
    let path = directory.join(LOCK);
    let io = |source| StartError::Io {
        what: path.display().to_string(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io)?;
    match file.try_lock_exclusive() {
        Ok(true) => Ok(file),
        Ok(false) => Err(StartError::InUse(directory.to_owned())),
        Err(source) => Err(io(source)),
    }
}

fn open(settings: &Settings) -> Result<Node, StartError> {
    let path = settings.directory.join(LOG);
    let mut frames = Frames::open(&path)?;
    if frames.torn > 0 {
        tracing::info!(
            bytes = frames.torn,
            "cut off the end of the log, which was never acknowledged"
        );
    }
    sync_directories(&settings.directory)?;
    let records = std::mem::take(&mut frames.records);
    let ledger = if records.is_empty() {
        let packages = framework::read(&settings.packages)?;
        let secret = settings.seed.map_or_else(random, Ok)?;
        Ledger::create(Genesis {
            secret,
            timestamp_ms: node::now_ms(),
            packages,
        })?
    } else {
        Ledger::replay(records)?
    };
    Ok(Node::new(
        ledger,
        Writer::start(frames, path)?,
        settings.cadence,
    ))
}

/// Makes the names of the directory and of the log in it durable.
fn sync_directories(directory: &Path) -> Result<(), StartError> {
    let parent = directory
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    for path in [Some(directory), parent].into_iter().flatten() {
        let synced = File::open(path).and_then(|directory| directory.sync_all());
        synced.map_err(|source| StartError::Io {
            what: path.display().to_string(),
            source,
        })?;
    }
    Ok(())
}

fn random() -> Result<[u8; 32], StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(StartError::Random)?;
    Ok(bytes)
}

fn routes(node: &Arc<Node>, admin: bool) -> Result<Routes, StartError> {
    let open = rpc::routes(node)?
        .merge(faucet::routes(node))
        .layer(CorsLayer::very_permissive());
    Ok(Routes::from(if admin {
        open.merge(admin::routes(node))
    } else {
        open
    }))
}

async fn info(node: &Node, address: SocketAddr) -> Result<Info, crate::store::WriteFailed> {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".into(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".into(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let url = format!("http://{host}:{}", address.port());
    let (chain, anchor) = node
        .read(|ledger| {
            (
                ledger.chain(),
                ledger
                    .history()
                    .epoch(0)
                    .map(|epoch| Info::anchor_of(&epoch.committee)),
            )
        })
        .await?;
    Ok(Info {
        faucet: url.clone(),
        url,
        chain_id: chain.to_string(),
        anchor: anchor.unwrap_or_default(),
    })
}
