//! `floe node register|set-commission|vote|rotate-key`: what an operator tells the contract.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use floe_chain::{
    amount::Wal,
    cost::Prices,
    id::NodeId,
    keys::{BlsSecretKey, IdentitySecretKey},
    rpc::{keyfile::read_secret_line, state::Vote},
};
use floe_client::{
    ConnectError,
    operate::{Change, ChangePlan, NodeKeys, RegisterPlan, Registered, Wish},
    plan::ByteSize,
};
use serde::Serialize;

use super::{key::unusable, stake::Percent};
use crate::{context::Context, exit::Exit, fault::Fault, output::Record};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Register a node of the wallet's; prints its id
    Register {
        /// What it calls itself
        #[arg(long)]
        name: String,
        /// Where it can be reached, HOST:PORT; may be given several times
        #[arg(long = "address", value_name = "HOST:PORT", required = true)]
        addresses: Vec<String>,
        #[command(flatten)]
        keys: KeyFiles,
        /// The operator's part of the pay, in hundredths of a percent
        #[arg(long, value_name = "BPS", default_value_t = 500)]
        commission: u16,
        /// Least price in WAL for an encoded MiB and epoch
        #[arg(long, value_name = "WAL")]
        storage_price: Wal,
        /// Least price in WAL for an encoded MiB written
        #[arg(long, value_name = "WAL")]
        write_price: Wal,
        /// Encoded bytes on the node's disks
        #[arg(long, value_name = "BYTES")]
        capacity: u64,
        /// WAL to stake with it at once
        #[arg(long, value_name = "WAL")]
        stake: Option<Wal>,
        /// Print what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Change the operator's part of the pay, two epochs later
    SetCommission {
        /// In hundredths of a percent
        #[arg(value_name = "BPS")]
        bps: u16,
        #[command(flatten)]
        which: Which,
    },
    /// Vote on prices and say how much the node can hold; what is not given stays
    Vote {
        /// Least price in WAL for an encoded MiB and epoch
        #[arg(long, value_name = "WAL")]
        storage_price: Option<Wal>,
        /// Least price in WAL for an encoded MiB written
        #[arg(long, value_name = "WAL")]
        write_price: Option<Wal>,
        /// Encoded bytes on the node's disks
        #[arg(long, value_name = "BYTES")]
        capacity: Option<u64>,
        #[command(flatten)]
        which: Which,
    },
    /// Replace both keys from the next committee on
    RotateKey {
        #[command(flatten)]
        keys: KeyFiles,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct KeyFiles {
    /// Key file made with `floe key new identity`
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Key file made with `floe key new protocol`
    #[arg(long, value_name = "FILE")]
    protocol: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// The node, if the wallet operates several
    #[arg(long, value_name = "ID")]
    node: Option<NodeId>,
    /// Print what would change, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// What a registration would be.
#[derive(Serialize)]
#[serde(transparent)]
struct Planned(RegisterPlan);

/// What a registration was.
#[derive(Serialize)]
#[serde(transparent)]
struct Done(Registered);

/// A change, planned or made.
#[derive(Serialize)]
#[serde(transparent)]
struct Changed(ChangePlan);

impl Record for Planned {
    const TYPE: &'static str = "node_plan";
}

impl Record for Done {
    const TYPE: &'static str = "node_registered";
}

impl Record for Changed {
    const TYPE: &'static str = "node_changed";
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.0;
        writeln!(f, "{} at {}", plan.name, plan.addresses.join(", "))?;
        writeln!(f, "  identity    {}", plan.identity)?;
        writeln!(f, "  protocol    {}", plan.protocol)?;
        writeln!(f, "  commission  {}", Percent(plan.commission_bps))?;
        writeln!(f, "  vote        {}", Voted(plan.vote))?;
        write!(
            f,
            "  stake       {}; competes for shards from {} on",
            plan.stake, plan.least_to_compete
        )
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  capability {}", self.0.node, self.0.cap)
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChangePlan {
            node, name, from, ..
        } = &self.0;
        writeln!(f, "{node}  {name}, from epoch {from}")?;
        match &self.0.change {
            Change::Commission { before, after } => {
                write!(
                    f,
                    "  commission  {} -> {}",
                    Percent(*before),
                    Percent(*after)
                )
            }
            Change::Vote { before, after } => {
                write!(f, "  vote  {}\n     -> {}", Voted(*before), Voted(*after))
            }
            Change::Keys(keys) => {
                write!(
                    f,
                    "  identity  {}\n  protocol  {}",
                    keys.identity, keys.protocol
                )
            }
        }
    }
}

struct Voted(Vote);

impl fmt::Display for Voted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Vote { prices, capacity } = self.0;
        write!(
            f,
            "{} a MiB and epoch, {} a MiB written, holds {}",
            prices.storage,
            prices.write,
            ByteSize(capacity)
        )
    }
}

impl KeyFiles {
    fn read(&self) -> Result<NodeKeys, Fault> {
        let line = |file: &Path| read_secret_line(file).map_err(ConnectError::from);
        let identity = IdentitySecretKey::from_line(&line(&self.identity)?);
        let protocol = BlsSecretKey::from_line(&line(&self.protocol)?);
        Ok(NodeKeys {
            identity: identity.map_err(|error| unusable(&self.identity, &error))?,
            protocol: protocol.map_err(|error| unusable(&self.protocol, &error))?,
        })
    }
}

impl Verb {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let keys;
        let (which, wish) = match self {
            Self::Register {
                name,
                addresses,
                keys,
                commission,
                storage_price,
                write_price,
                capacity,
                stake,
                dry_run,
            } => {
                let prices = Prices {
                    storage: storage_price,
                    write: write_price,
                };
                let vote = Vote { prices, capacity };
                let (stake, keys) = (stake.unwrap_or(Wal::ZERO), keys.read()?);
                let plan = client.plan_register(name, addresses, commission, vote, stake, &keys);
                let plan = plan.await?;
                if dry_run {
                    context.output.print(&Planned(plan))?;
                    return Ok(Exit::WouldChange);
                }
                context.sending("floe info");
                let registered = client.register_node(&plan).await?;
                context.output.print(&Done(registered))?;
                context.finished();
                return Ok(Exit::Ok);
            }
            Self::SetCommission { bps, which } => (which, Wish::Commission(bps)),
            Self::Vote {
                storage_price,
                write_price,
                capacity,
                which,
            } => {
                let wish = Wish::Vote {
                    storage: storage_price,
                    write: write_price,
                    capacity,
                };
                (which, wish)
            }
            Self::RotateKey { keys: files, which } => {
                keys = files.read()?;
                (which, Wish::Keys(&keys))
            }
        };
        let plan = client.plan_change(which.node, wish).await?;
        if !which.dry_run {
            context.sending("the same command with --dry-run");
            client.change(&plan).await?;
        }
        context.output.print(&Changed(plan))?;
        context.finished();
        Ok(if which.dry_run {
            Exit::WouldChange
        } else {
            Exit::Ok
        })
    }
}
