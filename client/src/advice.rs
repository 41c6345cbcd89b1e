//! What a caller can do about an error, and who is responsible for it. Owns no error itself: each
//! operation has its own enum and answers these questions.

use std::fmt;

/// Advice drawn from an error. Exit codes and HTTP statuses derive from it in one table each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nothing is wrong with the request: the same one may succeed later.
    Retry,
    /// The request itself is wrong.
    FixInput,
    /// A setting, a file or the network definition is wrong.
    FixConfig,
    /// Money or quota is missing.
    Funds,
    /// The key may not do this, or there is none.
    Unauthorized,
    /// It does not exist, or no longer.
    NotFound,
    /// Bytes or claims that do not verify.
    Corrupt {
        /// The party whose bytes they are.
        who: Culprit,
    },
    /// A defect of this program.
    Bug,
}

/// The party that misbehaved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Culprit {
    /// This machine: a journal, a spool, a key file.
    Us,
    /// The peer of this name.
    Peer(String),
    /// A chain endpoint.
    Chain,
    /// Whoever encoded the blob.
    Writer,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Us => f.write_str("this machine"),
            Self::Peer(name) => write!(f, "node {name}"),
            Self::Chain => f.write_str("the chain endpoint"),
            Self::Writer => f.write_str("the writer of the blob"),
        }
    }
}

/// Answered by every error of a public operation.
pub trait Advice: std::error::Error + Send + Sync + 'static {
    /// What the caller can do.
    fn kind(&self) -> ErrorKind;

    /// A stable name for programs: `store.quorum_lost`. Never reworded, never reused.
    fn code(&self) -> &'static str;

    /// The next thing to try, for people.
    fn hint(&self) -> Option<String> {
        None
    }
}
