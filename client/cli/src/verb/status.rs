//! `floe status ID`: what the nodes, and the chain for the wallet's own blobs, say about a blob.

use std::fmt;

use floe_client::{
    owned::{BlobName, OwnedError},
    status::{self, BlobReport},
};
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record, verb::ls};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A blob id, or the object id of one of the wallet's blobs
    #[arg(value_name = "ID")]
    name: BlobName,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Report(BlobReport);

impl Record for Report {
    const TYPE: &'static str = "status";
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BlobReport {
            blob,
            epoch,
            state,
            unknown,
            answered,
            needed,
            shards,
            said,
        } = &self.0;
        match state {
            Some(state) => write!(f, "{blob}  {} in epoch {epoch}", status::name(*state))?,
            None => write!(f, "{blob}  not known in epoch {epoch}")?,
        }
        write!(f, "\n  nodes with {answered} of {shards} shards answered")?;
        for (state, weight) in said {
            write!(f, "; {weight} say {state}")?;
        }
        write!(f, "; {unknown} do not know it; {needed} must agree")
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let owned = match client.owned_blob(self.name).await {
            Ok(owned) => Some(owned),
            Err(
                OwnedError::NoWallet | OwnedError::NotOwned { .. } | OwnedError::Ambiguous { .. },
            ) if matches!(self.name, BlobName::Blob(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let blob = match (self.name, &owned) {
            (BlobName::Blob(blob), _) => blob,
            (BlobName::Object(_), Some(owned)) => owned.blob,
            (BlobName::Object(_), None) => return Ok(Exit::NotFound),
        };
        let report = client.status(blob).await?;
        let exit = match (report.state, report.unknown >= report.needed) {
            (Some(_), _) => Exit::Ok,
            (None, true) => Exit::NotFound,
            (None, false) => Exit::Network,
        };
        context.output.print(&Report(report))?;
        if let Some(owned) = owned {
            context.output.print(&ls::Line(owned))?;
        }
        Ok(exit)
    }
}
