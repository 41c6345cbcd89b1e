//! The command line: options every verb takes, and the list of verbs.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};

use crate::verb::Verb;

/// Store any bytes on a network of independent nodes; read them back verified.
#[derive(Debug, Parser)]
#[command(name = "floe", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Floe {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// Configuration file, in place of ./floe.toml and the user configuration
    #[arg(long, global = true, env = "FLOE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Sui gRPC endpoint [setting chain.urls]
    #[arg(long, global = true, value_name = "URL[,URL]")]
    pub(crate) chain_url: Option<String>,
    /// Key file that pays and signs [setting wallet.key]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) wallet: Option<String>,
    /// Directory of the journals of stores that can be resumed [setting state_dir]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state_dir: Option<String>,
    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How progress is shown on stderr
    #[arg(long, global = true, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: Progress,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// Bars on a terminal, lines elsewhere, JSON with --json
    Auto,
    /// One line per step
    Lines,
    /// One JSON object per step
    Json,
    /// Nothing
    Off,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 bug, 2 usage or configuration, 3 not found or expired, 4 integrity,
5 network (a retry may help), 6 funds or quota, 7 key or permission, 8 partly done,
9 a dry run found changes, 130 interrupted (can be resumed)";
