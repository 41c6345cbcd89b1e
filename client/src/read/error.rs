//! Why a read gave no bytes, and whose fault that is.

use floe_chain::{epoch::Epoch, rpc::ChainError};
use floe_codec::{BlobId, SegmentIndex};

use crate::{
    advice::{Advice, Culprit, ErrorKind},
    light::LightError,
    plan::RangeError,
};

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The chain does not say who the nodes are.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain of committees does not.
    #[error(transparent)]
    Light(#[from] LightError),
    /// No such bytes in the blob.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// A quorum of nodes knows no such blob.
    #[error("blob {blob} is not stored: nodes with {shards} of {total} shards do not know it")]
    NotFound {
        /// The blob.
        blob: BlobId,
        /// Shards of the nodes that said so.
        shards: u32,
        /// All shards.
        total: u32,
    },
    /// Its time is over, or it was deleted.
    #[error("blob {blob} has expired or was deleted, by epoch {epoch}")]
    Expired {
        /// The blob.
        blob: BlobId,
        /// The current epoch.
        epoch: Epoch,
    },
    /// Too few nodes answer to give the bytes, or to say that there are none.
    #[error(
        "segment {segment} of blob {blob} cannot be read now: {here} of {need} slivers{}",
        reasons(failures)
    )]
    Unavailable {
        /// The blob.
        blob: BlobId,
        /// The segment.
        segment: SegmentIndex,
        /// Slivers, or metadata, that arrived.
        here: usize,
        /// How many are needed.
        need: usize,
        /// Nodes that did not help, and why.
        failures: Vec<(String, String)>,
    },
    /// The writer committed to slivers that are those of no bytes. Every reader gets this answer.
    #[error("blob {blob} is inconsistent in segment {segment}: no bytes have this id")]
    Inconsistent {
        /// The blob.
        blob: BlobId,
        /// The segment.
        segment: SegmentIndex,
    },
    /// The coding task died.
    #[error("the decoding task ended early: {0}")]
    Task(String),
}

fn reasons(failures: &[(String, String)]) -> String {
    failures
        .iter()
        .map(|(node, reason)| format!("\nnode {node}: {reason}"))
        .collect()
}

impl Advice for ReadError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Chain(error) => Advice::kind(error),
            Self::Light(error) => error.kind(),
            Self::Range(_) => ErrorKind::FixInput,
            Self::NotFound { .. } | Self::Expired { .. } => ErrorKind::NotFound,
            Self::Unavailable { .. } => ErrorKind::Retry,
            Self::Inconsistent { .. } => ErrorKind::Corrupt {
                who: Culprit::Writer,
            },
            Self::Task(_) => ErrorKind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::Light(error) => error.code(),
            Self::Range(_) => "read.range",
            Self::NotFound { .. } => "read.not_found",
            Self::Expired { .. } => "read.expired",
            Self::Unavailable { .. } => "read.unavailable",
            Self::Inconsistent { .. } => "read.inconsistent",
            Self::Task(_) => "read.decode",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Chain(error) => return error.hint(),
            Self::Light(error) => return error.hint(),
            Self::Range(RangeError { length: 0, .. }) => "the blob is empty",
            Self::Range(RangeError { length, .. }) => {
                return Some(format!("its last byte is number {}", length - 1));
            }
            Self::NotFound { .. } => {
                "check the id, and that the configuration is of the right network"
            }
            Self::Expired { .. } => {
                "whoever has the bytes can store them again; `floe extend` buys time before the end"
            }
            Self::Unavailable { .. } => "try again; see `floe health`",
            Self::Inconsistent { .. } => {
                "nothing can be recovered; only its writer can store the data anew"
            }
            Self::Task(_) => return None,
        };
        Some(hint.to_owned())
    }
}
