//! `floe devnet`: a local Sui-compatible chain, until a signal ends it.

use floe_client::advice::{Advice, ErrorKind};
use floe_devnet::{Args, RunError};

use crate::{exit::Exit, fault::Fault, service};

/// Why the chain ended.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Ended(RunError);

impl Advice for Ended {
    fn kind(&self) -> ErrorKind {
        match self.0 {
            RunError::Start(_) | RunError::PortFile { .. } => ErrorKind::FixConfig,
            RunError::Failed(_) => ErrorKind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self.0 {
            RunError::Start(_) => "devnet.start",
            RunError::PortFile { .. } => "devnet.port_file",
            RunError::Failed(_) => "devnet.failed",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self.0 {
            RunError::Start(_) => {
                "see --port, --dir and --packages; a folder is used by one chain at a time"
            }
            RunError::PortFile { .. } => "name another file with --port-file",
            RunError::Failed(_) => return None,
        };
        Some(hint.to_owned())
    }
}

pub(crate) async fn run(args: Args) -> Result<Exit, Fault> {
    service::log();
    floe_devnet::run(args, service::interrupted())
        .await
        .map_err(Ended)?;
    Ok(Exit::Ok)
}
