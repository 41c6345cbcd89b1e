//! `floe rm ID...`: gives deletable blobs up.

use floe_chain::blob::BlobState;
use floe_client::owned::BlobName;

use crate::{context::Context, exit::Exit, fault::Fault, verb::ls};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Blob ids, or object ids where a blob is registered more than once
    #[arg(value_name = "ID", required = true)]
    names: Vec<BlobName>,
    /// Print what would be removed, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let mut owned = client.owned().await?;
        let mut failed = None;
        let mut removed = 0;
        for name in &self.names {
            let result = async {
                let mut blob = client.named(&owned, *name)?;
                if !self.dry_run {
                    context.sending("floe ls");
                    client.remove(&blob).await?;
                    blob.state = BlobState::Deleted;
                }
                Ok::<_, floe_client::owned::OwnedError>(blob)
            };
            match result.await {
                Ok(blob) => {
                    removed += 1;
                    owned.retain(|other| other.object != blob.object);
                    context.output.print(&ls::Line(blob))?;
                }
                Err(error) => {
                    if let Some(earlier) = failed.replace(Fault::from(error)) {
                        earlier.report(&context.output);
                    }
                }
            }
        }
        context.finished();
        match failed {
            None if self.dry_run => Ok(Exit::WouldChange),
            None => Ok(Exit::Ok),
            Some(fault) if removed == 0 => Err(fault),
            Some(fault) => {
                fault.report(&context.output);
                Ok(Exit::Partial)
            }
        }
    }
}
