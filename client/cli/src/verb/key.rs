//! `floe key`: the key files of a storage node.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use floe_chain::{
    keys::{BlsSecretKey, IdentitySecretKey, KeyError},
    rpc::keyfile::{read_secret_line, write_secret_line},
};
use floe_client::{ConnectError, disk::path::FilePath};
use floe_p2p::identity::Identity;
use serde::Serialize;

use crate::{
    context::Context,
    exit::Exit,
    fault::{Fault, Misused},
    output::Record,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a new key and write it to a file, mode 0600
    New {
        /// What it is for
        kind: Kind,
        /// Must not exist
        file: PathBuf,
    },
    /// Print the public side of a key file
    Show {
        /// What it is for
        kind: Kind,
        /// The key file
        file: PathBuf,
    },
}

/// What a key is for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Proves who a node is to its peers
    Identity,
    /// Signs a node's statements
    Protocol,
}

/// The public side of a key.
#[derive(Debug, Serialize)]
struct PublicKey {
    file: FilePath,
    public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
}

impl Record for PublicKey {
    const TYPE: &'static str = "key";
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.peer {
            Some(peer) => write!(f, "{}  peer {peer}", self.public_key),
            None => f.write_str(&self.public_key),
        }
    }
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Fault> {
        let (kind, file) = match self.what {
            What::New { kind, file } => {
                let seed = random_seed()?;
                let line = match kind {
                    Kind::Identity => IdentitySecretKey::from_seed(&seed).to_line(),
                    Kind::Protocol => BlsSecretKey::from_seed(&seed).to_line(),
                };
                write_secret_line(&file, &line).map_err(ConnectError::from)?;
                (kind, file)
            }
            What::Show { kind, file } => (kind, file),
        };
        let line = read_secret_line(&file).map_err(ConnectError::from)?;
        context.output.print(&PublicKey::of(kind, file, &line)?)?;
        Ok(Exit::Ok)
    }
}

impl PublicKey {
    fn of(kind: Kind, file: PathBuf, line: &str) -> Result<Self, Fault> {
        let wrong = |error: KeyError| unusable(&file, &error);
        Ok(match kind {
            Kind::Identity => {
                let key = IdentitySecretKey::from_line(line).map_err(wrong)?;
                let peer = Identity::from_seed(key.to_seed()).peer_id().to_string();
                Self {
                    public_key: hex(&key.public().to_bytes()),
                    peer: Some(peer),
                    file: FilePath(file),
                }
            }
            Kind::Protocol => {
                let key = BlsSecretKey::from_line(line).map_err(wrong)?;
                Self {
                    public_key: hex(&key.public().to_bytes()),
                    peer: None,
                    file: FilePath(file),
                }
            }
        })
    }
}

pub(super) fn unusable(file: &Path, error: &KeyError) -> Fault {
    let message = format!("{} is not such a key: {error}", file.display());
    Misused {
        message,
        hint: "name the kind that the file was made for",
    }
    .into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 fresh bytes from the operating system.
pub(crate) fn random_seed() -> Result<[u8; 32], Fault> {
    let mut seed = [0; 32];
    rand::TryRngCore::try_fill_bytes(&mut rand::rngs::OsRng, &mut seed).map_err(|error| {
        Misused {
            message: format!("the system gives no randomness: {error}"),
            hint: "nothing can be done about it from here",
        }
    })?;
    Ok(seed)
}
