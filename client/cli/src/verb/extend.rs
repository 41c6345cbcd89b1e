//! `floe extend ID --epochs N`.

use std::fmt;

use floe_client::{
    owned::{BlobName, ExtendPlan},
    plan::Date,
};
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The blob's id, or its object id if it is registered more than once
    #[arg(value_name = "ID")]
    name: BlobName,
    /// How many epochs more
    #[arg(long, value_name = "N")]
    epochs: u32,
    /// Print what would happen and what it costs, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Extended(ExtendPlan);

impl Record for Extended {
    const TYPE: &'static str = "extended";
}

impl fmt::Display for Extended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExtendPlan {
            blob,
            period,
            until,
            price,
        } = &self.0;
        write!(
            f,
            "{}  until epoch {}, expected {}, for {price}",
            blob.blob,
            period.end,
            Date(*until)
        )
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let mut plan = client.plan_extend(self.name, self.epochs).await?;
        if !self.dry_run {
            context.sending("floe ls");
            client.extend(&plan).await?;
            plan.blob.end = plan.period.end;
            plan.blob.expires = plan.until;
        }
        context.output.print(&Extended(plan))?;
        context.finished();
        Ok(if self.dry_run {
            Exit::WouldChange
        } else {
            Exit::Ok
        })
    }
}
