//! The table of exit codes, and nothing else.

use std::process::ExitCode;

use floe_client::advice::ErrorKind;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// A defect of this program.
    Bug = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Not found, or expired.
    NotFound = 3,
    /// Something does not verify; the message says whose bytes they are.
    Integrity = 4,
    /// The network or the chain did not answer well enough; a retry may help.
    Network = 5,
    /// Money or quota is missing.
    Funds = 6,
    /// The key is missing or may not do this.
    Key = 7,
    /// Part of what was asked is done; the message lists the rest.
    Partial = 8,
    /// A dry run found that the real run would change something.
    WouldChange = 9,
    /// Interrupted; what was done is kept and can be resumed.
    Interrupted = 130,
}

impl From<&ErrorKind> for Exit {
    fn from(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::Bug => Self::Bug,
            ErrorKind::FixInput | ErrorKind::FixConfig => Self::Usage,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Corrupt { .. } => Self::Integrity,
            ErrorKind::Retry => Self::Network,
            ErrorKind::Funds => Self::Funds,
            ErrorKind::Unauthorized => Self::Key,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints what clap has to say and ends: help and version are successes on stdout.
pub(crate) fn usage(problem: &clap::Error) -> ExitCode {
    // A closed pipe must not turn help into a failure.
    let _ = problem.print();
    if problem.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Ok.into()
    }
}

#[cfg(test)]
mod tests {
    use floe_client::advice::Culprit;

    use super::*;

    #[test]
    fn every_kind_of_error_has_its_documented_code() {
        let table = [
            (ErrorKind::Bug, 1),
            (ErrorKind::FixInput, 2),
            (ErrorKind::FixConfig, 2),
            (ErrorKind::NotFound, 3),
            (
                ErrorKind::Corrupt {
                    who: Culprit::Chain,
                },
                4,
            ),
            (ErrorKind::Retry, 5),
            (ErrorKind::Funds, 6),
            (ErrorKind::Unauthorized, 7),
        ];
        for (kind, code) in table {
            assert_eq!(Exit::from(&kind) as u8, code, "{kind:?}");
        }
    }
}
