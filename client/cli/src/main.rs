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
mod light;
mod output;
mod progress;
mod service;
mod verb;
mod whole;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;
use floe_codec::BlobId;

fn main() -> ExitCode {
    let given = std::env::args_os().map(without_hyphen);
    let arguments = match args::Floe::try_parse_from(given) {
        Ok(arguments) => arguments,
        Err(problem) => return exit::usage(&problem),
    };
    let output = output::Output::new(&arguments.common);
    verb::run(arguments, &output)
        .unwrap_or_else(|fault| fault.report(&output))
        .into()
}

/// One blob id of 64 begins with a hyphen, which would make it an option. In hexadecimal none does.
fn without_hyphen(argument: OsString) -> OsString {
    let text = argument.to_str().filter(|text| text.starts_with('-'));
    match text.and_then(|text| text.parse().ok()) {
        Some(id) => hex(&id).into(),
        None => argument,
    }
}

fn hex(id: &BlobId) -> String {
    let digits = id.as_bytes().iter();
    digits.map(|byte| format!("{byte:02x}")).collect()
}
