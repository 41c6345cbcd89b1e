//! `floe stake`: what the wallet holds with nodes, and moving it.

use std::fmt;

use floe_chain::{
    amount::Wal,
    id::{NodeId, ObjectId},
};
use floe_client::{
    plan::Date,
    stake::{DelegatePlan, ExitPlan, HeldStake, Standing, WithdrawPlan},
};
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Stake with a node
    Delegate {
        /// The node's id
        #[arg(value_name = "NODE")]
        node: NodeId,
        /// How much, in WAL
        #[arg(value_name = "WAL")]
        amount: Wal,
        #[command(flatten)]
        dry: Dry,
    },
    /// Ask a stake back; it earns until it can be withdrawn
    Exit {
        /// The stake's object id
        #[arg(value_name = "STAKE")]
        stake: ObjectId,
        #[command(flatten)]
        dry: Dry,
    },
    /// Take a stake out whose exit has come, or back before it counted
    Withdraw {
        /// The stake's object id
        #[arg(value_name = "STAKE")]
        stake: ObjectId,
        #[command(flatten)]
        dry: Dry,
    },
    /// List the wallet's stakes with what they have earned
    List,
}

#[derive(Debug, clap::Args)]
struct Dry {
    /// Print what would happen, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// A stake in a list.
#[derive(Serialize)]
#[serde(transparent)]
struct Line(HeldStake);

/// Staked, or what staking would do.
#[derive(Serialize)]
#[serde(transparent)]
struct Delegated(DelegatePlan);

/// Asked back.
#[derive(Serialize)]
#[serde(transparent)]
struct Exiting(ExitPlan);

/// Taken out.
#[derive(Serialize)]
#[serde(transparent)]
struct Withdrawn(WithdrawPlan);

impl Record for Line {
    const TYPE: &'static str = "stake";
}

impl Record for Delegated {
    const TYPE: &'static str = "delegated";
}

impl Record for Exiting {
    const TYPE: &'static str = "exiting";
}

impl Record for Withdrawn {
    const TYPE: &'static str = "withdrawn";
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HeldStake {
            object,
            node,
            name,
            standing,
            epoch,
            worth,
            rewards,
            settled,
            ..
        } = &self.0;
        write!(f, "{object}  {}, {worth}", standing.name())?;
        match (standing, rewards) {
            (Standing::Pending, _) | (_, None) => {}
            (_, Some(rewards)) => write!(f, ", of it {rewards} earned up to epoch {settled}")?,
        }
        match (standing, epoch) {
            (Standing::Pending, Some(epoch)) => write!(f, ", earns from epoch {epoch}")?,
            (Standing::Exiting, Some(epoch)) => write!(f, ", withdrawable in epoch {epoch}")?,
            _ => {}
        }
        write!(f, "\n  node {node}  {name}")
    }
}

impl fmt::Display for Delegated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DelegatePlan {
            node,
            name,
            amount,
            commission_bps,
            next_commission,
            from,
            at,
        } = &self.0;
        write!(
            f,
            "{amount} with {node}  {name}\n  earns from epoch {from}, expected {}; the operator \
             keeps {}",
            Date(*at),
            Percent(*commission_bps)
        )?;
        if let Some((bps, epoch)) = next_commission {
            write!(f, ", {} from epoch {epoch}", Percent(*bps))?;
        }
        Ok(())
    }
}

impl fmt::Display for Exiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExitPlan { stake, from, at } = &self.0;
        write!(
            f,
            "{}  {} now, withdrawable in epoch {from}, expected {}",
            stake.object,
            stake.worth,
            Date(*at)
        )
    }
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  pays {}", self.0.stake.object, self.0.pays)
    }
}

/// What shows whether a stake was moved.
const LOOK: &str = "floe stake list";

/// Hundredths of a percent as people read them.
pub(crate) struct Percent(pub(crate) u16);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} %", self.0 / 100, self.0 % 100)
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let output = &context.output;
        let dry = match self.what {
            What::Delegate { node, amount, dry } => {
                let plan = client.plan_delegate(node, amount).await?;
                if !dry.dry_run {
                    context.sending(LOOK);
                    client.delegate(&plan).await?;
                }
                output.print(&Delegated(plan))?;
                dry
            }
            What::Exit { stake, dry } => {
                let plan = client.plan_exit(stake).await?;
                if !dry.dry_run {
                    context.sending(LOOK);
                    client.exit(&plan).await?;
                }
                output.print(&Exiting(plan))?;
                dry
            }
            What::Withdraw { stake, dry } => {
                let plan = client.plan_withdraw(stake).await?;
                if !dry.dry_run {
                    context.sending(LOOK);
                    client.withdraw(&plan).await?;
                }
                output.print(&Withdrawn(plan))?;
                dry
            }
            What::List => {
                let stakes = client.stakes().await?;
                if stakes.is_empty() {
                    output.say("the wallet holds no stake");
                }
                for stake in stakes {
                    output.print(&Line(stake))?;
                }
                Dry { dry_run: false }
            }
        };
        context.finished();
        Ok(if dry.dry_run {
            Exit::WouldChange
        } else {
            Exit::Ok
        })
    }
}
