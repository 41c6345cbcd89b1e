//! `floe completions SHELL`.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Floe, exit::Exit, fault::Fault};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For which shell
    shell: Shell,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit, Fault> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Floe::command(), "floe", &mut script);
        io::Write::write_all(&mut io::stdout(), &script).map_err(Fault::stdout)?;
        Ok(Exit::Ok)
    }
}
