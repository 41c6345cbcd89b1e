//! Why a store failed, what it left behind, and what to do.

use std::fmt;

use floe_chain::{
    id::{NodeId, ObjectId},
    rpc::ChainError,
};
use floe_codec::BlobId;

use super::encode::EncodeError;
use crate::{
    advice::{Advice, Culprit, ErrorKind},
    disk::{journal::JournalError, source::SourceError, spool::SpoolError},
    plan::PlanError,
};

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The input cannot be spooled.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The input changed, or its coding failed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The network does not take such a blob.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The journal on this disk does not work.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The chain does not do its part.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// There is no key to pay with.
    #[error("storing needs a wallet, and none is configured")]
    NoWallet,
    /// Too many nodes do not confirm.
    #[error(transparent)]
    QuorumLost(Box<QuorumLost>),
    /// What the journal wants to resume is gone.
    #[error("the file of blob {blob} is gone or has changed: {path}")]
    SourceGone {
        /// The blob.
        blob: BlobId,
        /// Where its bytes were.
        path: String,
    },
    /// There is no journal to resume.
    #[error("there is nothing to resume for blob {blob}")]
    NothingToResume {
        /// The blob.
        blob: BlobId,
    },
}

/// The nodes that could confirm are too few for a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct QuorumLost {
    /// The blob.
    pub blob: BlobId,
    /// Its registration, paid for and kept.
    pub object: ObjectId,
    /// Shards whose owners confirmed.
    pub confirmed: u32,
    /// Shards needed.
    pub needed: u32,
    /// All shards.
    pub total: u32,
    /// The nodes that did not help, their shards, and why.
    pub failures: Vec<(NodeId, u32, String)>,
}

impl fmt::Display for QuorumLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "blob {} is registered but not stored: {} of {} shards confirmed, {} are needed",
            self.blob, self.confirmed, self.total, self.needed
        )?;
        for (node, shards, reason) in &self.failures {
            write!(f, "\nnode {node} ({shards} shards): {reason}")?;
        }
        Ok(())
    }
}

impl Advice for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Source(_) | Self::Plan(_) | Self::SourceGone { .. } => ErrorKind::FixInput,
            Self::Encode(EncodeError::Task(_)) => ErrorKind::Bug,
            Self::Encode(_) => ErrorKind::FixInput,
            Self::Spool(SpoolError::Quota { .. }) => ErrorKind::Funds,
            Self::Spool(SpoolError::Input(_)) => ErrorKind::FixInput,
            Self::Spool(SpoolError::Write { .. }) => ErrorKind::FixConfig,
            Self::Journal(JournalError::Io { .. }) => ErrorKind::FixConfig,
            Self::Journal(JournalError::Busy { .. }) => ErrorKind::Retry,
            Self::Journal(JournalError::Damaged { .. }) => ErrorKind::Corrupt { who: Culprit::Us },
            Self::Chain(error) => Advice::kind(error),
            Self::NoWallet => ErrorKind::Unauthorized,
            Self::QuorumLost(_) => ErrorKind::Retry,
            Self::NothingToResume { .. } => ErrorKind::NotFound,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Source(_) => "store.source",
            Self::Spool(SpoolError::Quota { .. }) => "store.spool_quota",
            Self::Spool(_) => "store.spool",
            Self::Encode(EncodeError::InputChanged(_)) => "store.input_changed",
            Self::Encode(EncodeError::Source(_)) => "store.source",
            Self::Encode(EncodeError::Task(_)) => "store.encode",
            Self::Plan(PlanError::Epochs { .. }) => "store.epochs",
            Self::Plan(_) => "store.size",
            Self::Journal(JournalError::Busy { .. }) => "store.in_progress",
            Self::Journal(_) => "store.journal",
            Self::Chain(error) => error.code(),
            Self::NoWallet => "wallet.missing",
            Self::QuorumLost(_) => "store.quorum_lost",
            Self::SourceGone { .. } => "resume.source_gone",
            Self::NothingToResume { .. } => "resume.nothing",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Chain(error) => return error.hint(),
            Self::Plan(error) => return error.hint(),
            Self::Encode(EncodeError::Task(_)) => return None,
            Self::Source(error) | Self::Encode(EncodeError::Source(error)) => match error {
                SourceError::Read { .. } => "check the name and who may read the file",
                SourceError::NotAFile { .. } => {
                    "store a folder with `tar c FOLDER | floe store -`, and what can be read only \
                     once with `floe store - <FILE`"
                }
            },
            Self::NoWallet => {
                "set `wallet.key` to a key file, or make one with `floe wallet new FILE`"
            }
            Self::Encode(EncodeError::InputChanged(_)) => {
                "nothing that was stored is wrong; store again when the file is at rest"
            }
            Self::Spool(SpoolError::Quota { .. }) => {
                "raise `store.spool_quota_mib`, or store a file"
            }
            Self::Spool(SpoolError::Input(_)) => {
                "nothing was stored or paid; run it again when the input can be read"
            }
            Self::Spool(SpoolError::Write { .. }) => {
                "make room there, or name another folder with --spool-dir"
            }
            Self::Journal(JournalError::Io { .. }) => {
                "make room there, or name another folder with --state-dir"
            }
            Self::Journal(JournalError::Busy { .. }) => {
                "wait until that process is done, or stop it; then run this again"
            }
            Self::NothingToResume { .. } => "`floe resume` lists what can be resumed",
            Self::QuorumLost(lost) => {
                return Some(format!(
                    "what was paid and sent is kept; go on with: floe resume {}",
                    lost.blob
                ));
            }
            Self::Journal(JournalError::Damaged { path, .. }) => {
                return Some(format!(
                    "remove {} to start over; a blob that is registered already is found on chain",
                    path.display()
                ));
            }
            Self::SourceGone { blob, .. } => {
                return Some(format!(
                    "put the bytes back, or give up with: floe resume {blob} --forget"
                ));
            }
        };
        Some(hint.to_owned())
    }
}
