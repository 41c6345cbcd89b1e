//! `floe resume [ID]`: lists interrupted stores, or goes on with one.

use std::fmt;

use floe_client::store::Unfinished;
use floe_codec::BlobId;
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record, verb::store};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which store to go on with; without it all are listed
    #[arg(value_name = "ID")]
    blob: Option<BlobId>,
    /// Give the store up; what was paid for stays on chain, see `floe ls`
    #[arg(long, requires = "blob")]
    forget: bool,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Line(Unfinished);

impl Record for Line {
    const TYPE: &'static str = "unfinished";
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unfinished {
            blob,
            size,
            object,
            source,
        } = &self.0;
        write!(f, "{blob}  {size}")?;
        if let Some(source) = source {
            write!(f, " from {source}")?;
        }
        match object {
            Some(object) => write!(f, "\n  registered as {object}; floe resume {blob}"),
            None => write!(f, "\n  not registered yet; floe resume {blob}"),
        }
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let Some(blob) = self.blob else {
            let unfinished = client.unfinished()?;
            if unfinished.is_empty() {
                context.output.say("nothing to resume");
            }
            for store in unfinished {
                context.output.print(&Line(store))?;
            }
            return Ok(Exit::Ok);
        };
        if self.forget {
            client.forget(blob)?;
            return Ok(Exit::Ok);
        }
        store::finish(context, client.resume(blob, context.listener()).await).await
    }
}
