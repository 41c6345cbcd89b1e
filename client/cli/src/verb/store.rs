//! `floe store FILE|-`: prints the blob id once the blob is certified.

use std::{fmt, path::PathBuf, time::Duration};

use floe_client::{
    disk::{source::Source, spool::Spool},
    plan::{Date, StorePlan},
    progress::{Event, Phase},
    store::{StoreError, StoreOptions, Stored},
};
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to store; - reads standard input, which is copied to disk first
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// How many epochs it shall last, this one included [setting store.epochs]
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// It cannot be deleted before its end
    #[arg(long)]
    permanent: bool,
    /// Print what would happen and what it costs, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Where standard input is copied to [setting store.spool_dir]
    #[arg(long, value_name = "DIR")]
    spool_dir: Option<String>,
}

/// How long slow nodes are served after the certificate.
const TAIL_TIME: Duration = Duration::from_secs(60);

impl Record for StorePlan {
    const TYPE: &'static str = "store_plan";
}

/// What people read on stdout: the id and nothing else.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Shown(pub(crate) Stored);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.blob.fmt(f)
    }
}

impl Record for Shown {
    const TYPE: &'static str = "stored";
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        context.flag("store.epochs", self.epochs);
        context.flag("store.spool_dir", self.spool_dir.as_ref());
        let settings = context.settings()?;
        let client = context.client().await?;
        let listener = context.listener();
        let spooled = self.file.as_os_str() == "-";
        let source = if spooled {
            client.sweep_spool(&settings.spool_dir);
            listener.on(Event::Phase {
                phase: Phase::Spool,
            });
            let spool = Spool::fill(
                &settings.spool_dir,
                settings.spool_quota,
                tokio::io::stdin(),
            );
            let (file, path) = spool
                .await
                .and_then(Spool::keep)
                .map_err(StoreError::from)?;
            context.clean_up(file, path.clone());
            Source::open(&path).map_err(StoreError::from)?
        } else {
            Source::open(&self.file).map_err(StoreError::from)?
        };
        let options = StoreOptions {
            epochs: settings.epochs,
            deletable: !self.permanent,
            spooled,
        };
        if self.dry_run {
            let plan = client.plan_store(&source, &options).await?;
            context.output.print(&plan)?;
            return Ok(if plan.is_done() {
                Exit::Ok
            } else {
                Exit::WouldChange
            });
        }
        finish(context, client.store(source, options, listener).await).await
    }
}

/// Prints the result of a store, then serves slow nodes.
pub(crate) async fn finish(
    context: &Context,
    stored: Result<(Stored, Option<floe_client::store::Tail>), StoreError>,
) -> Result<Exit, Fault> {
    let (stored, tail) = stored?;
    let until = Date(stored.expires);
    if stored.already {
        context
            .output
            .say(format_args!("already certified until {until}"));
    } else {
        let paid = stored.paid;
        context.output.say(format_args!(
            "stored {} until {until}, paid {paid}",
            stored.size
        ));
    }
    context.output.print(&Shown(stored))?;
    context.finished();
    if let Some(tail) = tail {
        tail.finish(TAIL_TIME).await;
        context.output.display.settle();
    }
    Ok(Exit::Ok)
}
