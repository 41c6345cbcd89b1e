//! `floe node`: runs a storage node. What its operator tells the contract is in `operate`.

use std::path::PathBuf;

use clap::Subcommand;
use floe_client::advice::{Advice, ErrorKind};
use floe_node::{
    config::{ConfigError, NodeConfig},
    run::RunError,
};
use tokio_util::sync::CancellationToken;

use super::{operate, peers};
use crate::{context::Context, exit::Exit, fault::Fault, service};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the node of a configuration file until a signal ends it
    Run {
        /// The configuration; `floe node example` prints one with every key explained
        #[arg(long, default_value = "node.toml")]
        config: PathBuf,
    },
    /// Print a configuration with every key, its default and what it means
    Example,
    /// Show who is connected to a running node, and who was refused and why
    Peers(peers::Args),
    #[command(flatten)]
    Operate(operate::Verb),
}

/// Why the node did not start or stopped.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Advice for Ended {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_) => ErrorKind::FixConfig,
            Self::Run(
                RunError::KeyFile(_)
                | RunError::Key { .. }
                | RunError::Chain(_)
                | RunError::DataDir { .. }
                | RunError::Bind { .. }
                | RunError::Admin(_)
                | RunError::Control(_)
                | RunError::Codec(_),
            ) => ErrorKind::FixConfig,
            Self::Run(RunError::Stopped(_) | RunError::Drain(_)) => ErrorKind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "node.config",
            Self::Run(RunError::KeyFile(_) | RunError::Key { .. }) => "node.key",
            Self::Run(RunError::Chain(_)) => "node.chain",
            Self::Run(RunError::DataDir { .. }) => "node.data_dir",
            Self::Run(RunError::Bind { .. } | RunError::Admin(_)) => "node.bind",
            Self::Run(RunError::Control(_)) => "node.control",
            Self::Run(RunError::Codec(_)) => "node.codec",
            Self::Run(RunError::Stopped(_)) => "node.stopped",
            Self::Run(RunError::Drain(_)) => "node.drain",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Run(RunError::Chain(error)) => return error.hint(),
            Self::Run(RunError::Stopped(_) | RunError::Drain(_)) => return None,
            Self::Config(_) => {
                "`floe node example` prints a configuration with every key explained"
            }
            Self::Run(RunError::KeyFile(_) | RunError::Key { .. }) => {
                "`[keys]` names the files; `floe key new` and `floe wallet new` make them, but a \
                 registered node needs the ones it was registered with"
            }
            Self::Run(RunError::DataDir { .. }) => {
                "each node has a folder of its own (`data_dir`), for one network, used by one process"
            }
            Self::Run(RunError::Bind { .. }) => {
                "another program may listen there: see `network.listen`"
            }
            Self::Run(RunError::Admin(_)) => "another program may listen there: see `admin.listen`",
            Self::Run(RunError::Control(_)) => {
                "another program may listen there: see `network.control`"
            }
            Self::Run(RunError::Codec(_)) => {
                "FLOE_KERNEL may name a kernel this processor lacks: unset it"
            }
        };
        Some(hint.to_owned())
    }
}

impl Args {
    /// Whether it runs until a signal ends it.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self.verb, Verb::Run { .. })
    }

    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        match self.verb {
            Verb::Operate(verb) => return verb.run(context).await,
            Verb::Peers(args) => return args.run(context).await,
            Verb::Run { config } => {
                service::log();
                let config = NodeConfig::load(&config).map_err(Ended::from)?;
                let shutdown = CancellationToken::new();
                let signal = shutdown.clone();
                tokio::spawn(async move {
                    service::interrupted().await;
                    signal.cancel();
                });
                floe_node::run::run(config, shutdown)
                    .await
                    .map_err(Ended::from)?;
            }
            Verb::Example => print!("{}", NodeConfig::example()),
        }
        Ok(Exit::Ok)
    }
}
