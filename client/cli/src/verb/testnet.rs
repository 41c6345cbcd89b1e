//! `floe testnet`: lays out a local network in a folder; `testnet/up.sh` starts its processes.

use std::path::PathBuf;

use clap::Subcommand;
use floe_client::advice::{Advice, ErrorKind};
use floe_codec::{ShardCount, ShardCountError};
use floe_testnet::local::{LocalError, LocalSettings, create};

use crate::{exit::Exit, fault::Fault};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Deploy the contracts on a running local chain, register nodes, open epoch 1
    Deploy {
        /// Folder of the network; DIR/devnet/devnet.json describes the chain
        #[arg(long)]
        dir: PathBuf,
        /// Storage nodes
        #[arg(long, default_value_t = 10)]
        nodes: u16,
        /// Shards spread over them
        #[arg(long, default_value_t = 50)]
        shards: u16,
        /// Node I takes this port + 1 + 3 I and the two next; 0 takes free ones
        #[arg(long, default_value_t = 0)]
        port_base: u16,
        /// Folder with the compiled contracts
        #[arg(long, default_value = "target/move")]
        packages: PathBuf,
        /// Length of an epoch in seconds
        #[arg(long, default_value_t = 3_600)]
        epoch_seconds: u64,
    },
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Shards(#[from] ShardCountError),
    #[error(transparent)]
    Local(#[from] LocalError),
}

impl Advice for Failed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::FixConfig
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Shards(_) => "testnet.shards",
            Self::Local(LocalError::Port(_)) => "testnet.port",
            Self::Local(_) => "testnet.deploy",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Shards(_) => "see --shards",
            Self::Local(LocalError::Port(_)) => "choose another --port-base, or 0 for free ports",
            Self::Local(LocalError::Packages(_)) => {
                "chain/move/build.sh compiles the contracts; --packages names their folder"
            }
            Self::Local(LocalError::Faucet(_) | LocalError::Chain(_)) => {
                "the chain of this folder must run: see DIR/devnet/log"
            }
            Self::Local(_) => "testnet/up.sh makes a network in a fresh folder",
        };
        Some(hint.to_owned())
    }
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Fault> {
        let Verb::Deploy {
            dir,
            nodes,
            shards,
            port_base,
            packages,
            epoch_seconds,
        } = self.verb;
        let settings = LocalSettings {
            devnet: dir.join("devnet").join("devnet.json"),
            dir,
            packages,
            nodes,
            shards: ShardCount::new(shards).map_err(Failed::from)?,
            port_base,
            epoch_ms: epoch_seconds.saturating_mul(1_000),
            hosts: Vec::new(),
        };
        create(&settings).await.map_err(Failed::from)?;
        Ok(Exit::Ok)
    }
}
