//! `floe config show`: every setting, its value and where it comes from.

use std::fmt;

use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print every setting; this is what `floe config` alone does
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
}

/// One setting.
#[derive(Debug, Serialize)]
struct Setting {
    key: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    env: &'static str,
    help: &'static str,
}

impl Record for Setting {
    const TYPE: &'static str = "setting";
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().unwrap_or("(not set)");
        write!(f, "{:22} {value}", self.key)?;
        match &self.origin {
            Some(origin) => write!(f, "    [{origin}]"),
            None => Ok(()),
        }
    }
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Fault> {
        let with_origin = matches!(self.what, Some(What::Show { origin: true }));
        let config = context.config()?;
        for (key, found) in config.entries() {
            context.output.print(&Setting {
                key: key.name,
                value: found.map(|(value, _)| value.to_string()),
                origin: found
                    .filter(|_| with_origin)
                    .map(|(_, origin)| origin.to_string()),
                env: key.env,
                help: key.help,
            })?;
        }
        Ok(Exit::Ok)
    }
}
