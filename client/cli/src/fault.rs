//! How a run fails: the error as people read it, the same as JSON, and its exit code.

use std::{io, path::Path};

use floe_client::advice::{Advice, ErrorKind};
use miette::{GraphicalReportHandler, GraphicalTheme, MietteDiagnostic};
use serde::Serialize;

use crate::{
    context::Stage,
    exit::Exit,
    output::{Output, json_line},
};

/// Why a run ended early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// An operation failed.
    Failed(Box<dyn Advice>),
    /// Whoever read our stdout has enough: a quiet success.
    PipeClosed,
    /// Ctrl-C, and how far the run was.
    Interrupted(Stage),
}

impl<E: Advice> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Standard output or a file named by the user does not take the bytes.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {to}: {source}")]
pub(crate) struct WriteFailed {
    pub(crate) to: String,
    pub(crate) source: io::Error,
}

impl WriteFailed {
    pub(crate) fn new(to: &Path, source: io::Error) -> Self {
        Self {
            to: to.display().to_string(),
            source,
        }
    }
}

impl Advice for WriteFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::FixInput
    }

    fn code(&self) -> &'static str {
        "output.write"
    }

    fn hint(&self) -> Option<String> {
        Some("make room there, or name another file with -o".to_owned())
    }
}

/// Arguments that make no sense together, or a value that only the network can judge.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Misused {
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

impl Advice for Misused {
    fn kind(&self) -> ErrorKind {
        ErrorKind::FixInput
    }

    fn code(&self) -> &'static str {
        "usage"
    }

    fn hint(&self) -> Option<String> {
        Some(self.hint.to_owned())
    }
}

/// A signal ended the run.
#[derive(Debug, thiserror::Error)]
#[error("{}", match .0 {
    Stage::Nothing | Stage::Done => "interrupted; nothing was begun that could go on",
    Stage::Resumable(_) => "interrupted; nothing is lost",
    Stage::Sent(_) => "interrupted while a transaction was on its way: it may have been made",
})]
struct Stopped(Stage);

impl Advice for Stopped {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Retry
    }

    fn code(&self) -> &'static str {
        "interrupted"
    }

    fn hint(&self) -> Option<String> {
        match &self.0 {
            Stage::Nothing | Stage::Done => None,
            Stage::Resumable(command) => Some(command.clone()),
            Stage::Sent(look) => Some((*look).to_owned()),
        }
    }
}

/// An error as JSON.
#[derive(Serialize)]
struct ErrorLine<'a> {
    code: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    exit: u8,
}

impl Fault {
    /// A failed write to stdout.
    pub(crate) fn stdout(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            return Self::PipeClosed;
        }
        WriteFailed {
            to: "standard output".to_owned(),
            source,
        }
        .into()
    }

    /// The operating system gives no threads.
    pub(crate) fn runtime(source: io::Error) -> Self {
        Misused {
            message: format!("cannot start: {source}"),
            hint: "the process may be over its limit of threads or open files",
        }
        .into()
    }

    /// Tells the user, and says how to exit.
    pub(crate) fn report(self, output: &Output) -> Exit {
        output.display.settle();
        match self {
            Self::PipeClosed => Exit::Ok,
            Self::Interrupted(stage) => {
                let (exit, stopped) = (Exit::Interrupted, Stopped(stage));
                match &stopped.0 {
                    _ if output.json => eprintln!("{}", json(&stopped, exit)),
                    Stage::Nothing | Stage::Done => eprintln!("\n{stopped}"),
                    Stage::Resumable(command) => eprintln!("\n{stopped}. Go on with: {command}"),
                    Stage::Sent(look) => eprintln!("\n{stopped}. Look with: {look}"),
                }
                exit
            }
            Self::Failed(error) => {
                let exit = Exit::from(&error.kind());
                if output.json {
                    eprintln!("{}", json(&*error, exit));
                } else {
                    eprint!("{}", text(&*error, output.terminal));
                }
                exit
            }
        }
    }
}

/// The error as one line of JSON.
pub(crate) fn json(error: &dyn Advice, exit: Exit) -> String {
    let kind = error.kind();
    let who = match &kind {
        ErrorKind::Corrupt { who } => Some(who.to_string()),
        _ => None,
    };
    let line = ErrorLine {
        code: error.code(),
        kind: kind_name(&kind),
        who,
        message: with_causes(error),
        hint: next_step(error),
        exit: exit as u8,
    };
    json_line("error", &line)
}

/// The error as people read it: what happened, why, what to do.
pub(crate) fn text(error: &dyn Advice, terminal: bool) -> String {
    let mut diagnostic = MietteDiagnostic::new(with_causes(error)).with_code(error.code());
    if let Some(hint) = next_step(error) {
        diagnostic = diagnostic.with_help(hint);
    }
    let theme = if terminal {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::none()
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(REPORT_COLUMNS);
    let mut shown = String::new();
    match handler.render_report(&mut shown, &diagnostic) {
        Ok(()) => shown,
        Err(_) => format!("error: {error}\n"),
    }
}

/// The error and whatever of its causes it does not tell itself.
fn with_causes(error: &dyn Advice) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// What to do; nobody is left without it.
fn next_step(error: &dyn Advice) -> Option<String> {
    error.hint().or_else(|| {
        let report = "this is a defect of floe: please report it with the command and this message";
        matches!(error.kind(), ErrorKind::Bug).then(|| report.to_owned())
    })
}

fn kind_name(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Retry => "retry",
        ErrorKind::FixInput => "fix_input",
        ErrorKind::FixConfig => "fix_config",
        ErrorKind::Funds => "funds",
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Corrupt { .. } => "corrupt",
        ErrorKind::Bug => "bug",
    }
}

/// Width of error reports: ids (64 characters) fit on a line with their label.
const REPORT_COLUMNS: usize = 110;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use floe_chain::{
        amount::Wal,
        epoch::Epoch,
        id::{NodeId, ObjectId},
        rpc::ChainError,
    };
    use floe_client::{
        disk::{journal::JournalError, source::SourceError, spool::SpoolError},
        owned::{BlobName, OwnedError},
        plan::{PlanError, RangeError},
        read::ReadError,
        store::{EncodeError, QuorumLost, StoreError},
    };
    use floe_codec::{BlobId, InputChanged, SegmentIndex, SegmentRoot};

    use super::*;

    fn blob() -> BlobId {
        BlobId::from_bytes([0xb1; 32])
    }

    fn object(n: u8) -> ObjectId {
        ObjectId::from_bytes([n; 32])
    }

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    /// Every way a store, a read or a change of an owned blob can fail.
    fn errors() -> Vec<Box<dyn Advice>> {
        let (path, gone) = (PathBuf::from("photo.jpg"), || {
            io::ErrorKind::NotFound.into()
        });
        let root = |n| SegmentRoot::from_bytes([n; 32]);
        let lost = QuorumLost {
            blob: blob(),
            object: object(1),
            confirmed: 61,
            needed: 67,
            total: 100,
            failures: vec![
                (node(7), 20, "peer did not answer".to_owned()),
                (
                    node(8),
                    19,
                    "the peer refused: the peer's disk is full".to_owned(),
                ),
            ],
        };
        let changed = InputChanged {
            segment: SegmentIndex(3),
            expected: root(1),
            got: root(2),
        };
        let (needed, available) = (Wal::from_units(1_500_000_000), Wal::from_units(2));
        vec![
            Box::new(StoreError::from(SourceError::Read {
                path: path.clone(),
                source: gone(),
            })),
            Box::new(StoreError::from(SourceError::NotAFile {
                path: path.clone(),
            })),
            Box::new(StoreError::from(SpoolError::Quota { quota: 1 << 30 })),
            Box::new(StoreError::from(SpoolError::Write {
                dir: path.clone(),
                source: gone(),
            })),
            Box::new(StoreError::from(EncodeError::from(changed))),
            Box::new(StoreError::from(PlanError::Epochs { asked: 0, max: 52 })),
            Box::new(StoreError::from(JournalError::Busy { path: path.clone() })),
            Box::new(StoreError::from(JournalError::Damaged {
                path: path.clone(),
                line: 2,
                problem: "not a confirmation".to_owned(),
            })),
            Box::new(StoreError::from(ChainError::Funds { needed, available })),
            Box::new(StoreError::NoWallet),
            Box::new(StoreError::QuorumLost(Box::new(lost))),
            Box::new(StoreError::SourceGone {
                blob: blob(),
                path: "photo.jpg".to_owned(),
            }),
            Box::new(StoreError::NothingToResume { blob: blob() }),
            Box::new(ReadError::NotFound {
                blob: blob(),
                shards: 70,
                total: 100,
            }),
            Box::new(ReadError::Expired {
                blob: blob(),
                epoch: Epoch::new(9),
            }),
            Box::new(ReadError::Unavailable {
                blob: blob(),
                segment: SegmentIndex(0),
                here: 30,
                need: 34,
                failures: vec![(node(7).to_string(), "the deadline passed".to_owned())],
            }),
            Box::new(ReadError::Inconsistent {
                blob: blob(),
                segment: SegmentIndex(1),
            }),
            Box::new(ReadError::from(RangeError {
                blob: blob(),
                first: 100,
                length: 10,
            })),
            Box::new(OwnedError::NoWallet),
            Box::new(OwnedError::Ambiguous {
                blob: blob(),
                objects: vec![object(1), object(2)],
            }),
            Box::new(OwnedError::Permanent { blob: blob() }),
            Box::new(OwnedError::Expired {
                blob: blob(),
                end: Epoch::new(4),
            }),
            Box::new(OwnedError::NotOwned {
                wallet: floe_chain::id::Address::from_bytes([3; 32]),
                name: BlobName::Object(object(5)),
            }),
        ]
    }

    #[test]
    fn every_error_as_people_and_programs_read_it() {
        let shown: Vec<String> = errors()
            .into_iter()
            .map(|error| {
                let exit = Exit::from(&error.kind());
                format!("{}{}\n", text(&*error, false), json(&*error, exit))
            })
            .collect();
        insta::assert_snapshot!("errors", shown.join("\n"));
    }

    #[test]
    fn an_interruption_says_what_may_have_happened() {
        let stages = [
            Stage::Nothing,
            Stage::Resumable("floe resume ID".to_owned()),
            Stage::Sent("floe ls"),
        ];
        let shown = stages.map(|stage| json(&Stopped(stage), Exit::Interrupted));
        insta::assert_snapshot!("interruptions", shown.join("\n"));
    }

    #[test]
    fn every_error_says_what_to_do_next() {
        for error in errors() {
            assert!(next_step(&*error).is_some(), "{error}");
        }
    }

    #[test]
    fn ids_are_never_cut() {
        for error in errors() {
            let (people, message) = (text(&*error, false), error.to_string());
            for word in message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
            {
                assert!(
                    word.len() < 40 || people.contains(word),
                    "{word} in\n{people}"
                );
            }
        }
    }
}
