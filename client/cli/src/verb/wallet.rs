//! `floe wallet`: the account that pays.

use std::{fmt, path::PathBuf};

use floe_chain::{
    amount::{Sui, Wal},
    rpc::{Wallet, keyfile::write_secret_line},
};
use floe_client::{ConnectError, owned::OwnedError};
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record, verb::key::random_seed};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a new account and write its key to a file, mode 0600
    New {
        /// Must not exist
        file: PathBuf,
    },
    /// Print address and money; this is what `floe wallet` alone does
    Show,
}

/// An account.
#[derive(Debug, Serialize)]
struct Account {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sui: Option<Sui>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wal: Option<Wal>,
}

impl Record for Account {
    const TYPE: &'static str = "wallet";
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let (Some(sui), Some(wal)) = (self.sui, self.wal) {
            write!(f, "  {wal}, {sui}")?;
        }
        Ok(())
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let account = match self.what {
            Some(What::New { file }) => {
                let wallet = Wallet::from_seed(random_seed()?);
                write_secret_line(&file, &wallet.to_line()).map_err(ConnectError::from)?;
                Account {
                    address: wallet.address().to_string(),
                    sui: None,
                    wal: None,
                }
            }
            Some(What::Show) | None => {
                let client = context.client().await?;
                let address = client.wallet().ok_or(OwnedError::NoWallet)?.address();
                let balance = client.chain().balance(address).await?;
                Account {
                    address: address.to_string(),
                    sui: Some(balance.sui),
                    wal: Some(balance.wal),
                }
            }
        };
        context.output.print(&account)?;
        Ok(Exit::Ok)
    }
}
