//! `floe`: Floe for people. Owns arguments, printing and exit codes; every journey is in
//! `floe-client` or in the library the verb mounts. Data goes to stdout, talk to stderr.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the one crate that talks to people"
)]

mod args;
mod context;
mod exit;
mod fault;
mod output;
mod progress;
mod service;
mod verb;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = match args::Floe::try_parse() {
        Ok(arguments) => arguments,
        Err(problem) => return exit::usage(&problem),
    };
    let output = output::Output::new(&arguments.common);
    verb::run(arguments, &output)
        .unwrap_or_else(|fault| fault.report(&output))
        .into()
}
