//! `floe ls`: the blobs of the wallet.

use std::fmt;

use floe_client::{owned::OwnedBlob, plan::Date, status};
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// One blob.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Line(pub(crate) OwnedBlob);

impl Record for Line {
    const TYPE: &'static str = "blob";
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OwnedBlob {
            blob,
            object,
            size,
            state,
            deletable,
            end,
            expires,
        } = &self.0;
        let state = status::name(*state);
        let kind = if *deletable { "deletable" } else { "permanent" };
        writeln!(f, "{blob}  {state}, {kind}, {size}")?;
        write!(
            f,
            "  object {object}, until epoch {end}, expected {}",
            Date(*expires)
        )
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let blobs = context.client().await?.owned().await?;
        if blobs.is_empty() {
            context.output.say("the wallet owns no blobs");
        }
        for blob in blobs {
            context.output.print(&Line(blob))?;
        }
        Ok(Exit::Ok)
    }
}
