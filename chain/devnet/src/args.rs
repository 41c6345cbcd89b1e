//! The command line.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::Parser;
use sui_sdk_types::hash::Hasher;

use crate::{
    devnet::{Devnet, Settings, StartError},
    node::Cadence,
};

/// Run a local Sui-compatible chain that executes real Move bytecode.
///
/// It speaks Sui's gRPC and gRPC-web on one port, with a faucet. Every Sui SDK can use it unchanged.
///
/// It is a development tool, not a node of any network: all validators live in this one process, so their signatures prove nothing;
/// gas is a model in interpreter steps, not Sui's; bytecode is not verified, so publish only what a Move compiler produced; there is no
/// staking, no zkLogin, and no address balances. Keep it on loopback.
#[derive(Clone, Debug, Parser)]
#[command(name = "floe-devnet", version, verbatim_doc_comment)]
pub struct Args {
    /// Directory of the chain: its log, and `devnet.json` with the endpoint, the faucet, the chain id and the trust anchor.
    #[arg(long, default_value = "devnet")]
    pub dir: PathBuf,

    /// Directory with the compiled framework (`framework.json`); read only when a chain begins.
    #[arg(long, default_value = "target/move")]
    pub packages: PathBuf,

    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,

    /// Port for everything; 0 takes a free one, to be found in `devnet.json`.
    #[arg(long, default_value_t = 9000)]
    pub port: u16,

    /// Also write the port to this file, once it is open.
    #[arg(long)]
    pub port_file: Option<PathBuf>,

    /// Milliseconds between checkpoints while there are transactions.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub checkpoint_interval: u64,

    /// Milliseconds between checkpoints that only tick the clock.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    pub idle_interval: u64,

    /// Seconds of an epoch.
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..))]
    pub epoch_duration: u64,

    /// Derive all keys of a new chain from this text. Two chains with one seed share keys: for reproducible tests only.
    #[arg(long)]
    pub seed: Option<String>,

    /// Answer admin calls (`POST /admin/advance-time`, `/admin/end-epoch`, `/admin/checkpoint`) from this machine.
    #[arg(long)]
    pub admin: bool,
}

impl Args {
    fn settings(&self) -> Settings {
        Settings {
            directory: self.dir.clone(),
            packages: self.packages.clone(),
            listen: SocketAddr::new(self.listen, self.port),
            cadence: Cadence {
                busy: Duration::from_millis(self.checkpoint_interval),
                idle: Duration::from_millis(self.idle_interval),
                epoch: Duration::from_secs(self.epoch_duration),
            },
            seed: self
                .seed
                .as_ref()
                .map(|seed| Hasher::digest(seed).into_inner()),
            admin: self.admin,
        }
    }
}

/// Why the chain ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The port file cannot be written.
    #[error("{path}: {source}")]
    PortFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It stopped by itself.
    #[error("the chain stopped: {0}")]
    Failed(String),
}

/// Runs a chain until `shutdown` resolves.
pub async fn run(args: Args, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
    let mut devnet = Devnet::start(args.settings()).await?;
    if let Some(path) = args.port_file {
        let port = devnet.port().to_string();
        std::fs::write(&path, port).map_err(|source| RunError::PortFile { path, source })?;
    }
    tokio::select! {
        () = shutdown => {
            devnet.stop().await;
            Ok(())
        }
        reason = devnet.failed() => Err(RunError::Failed(reason)),
    }
}
