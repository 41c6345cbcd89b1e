//! What can go wrong between us and the chain, and what to do about it.

use crate::amount::{Sui, Wal};
use crate::id::{ChainId, ObjectId, TransactionDigest};
use crate::light::LightError;

use super::abort::Refusal;

/// Advice that follows from an error; exit codes and HTTP statuses derive from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call may succeed later.
    Retry,
    /// The call can never succeed as it is.
    FixInput,
    /// Settings or key files are wrong.
    FixConfig,
    /// Money is missing.
    Funds,
    /// The account may not do this.
    Unauthorized,
    /// There is no such thing.
    NotFound,
    /// Somebody served wrong data.
    Corrupt {
        /// Who.
        who: String,
    },
    /// A defect of this program.
    Bug,
}

/// One endpoint's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The endpoint.
    pub url: String,
    /// What happened there.
    pub reason: String,
}

fn list(attempts: &[Attempt]) -> String {
    let each: Vec<_> = attempts
        .iter()
        .map(|a| format!("{}: {}", a.url, a.reason))
        .collect();
    each.join("; ")
}

/// A call to the chain that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// No endpoint answered properly.
    #[error("no chain endpoint could answer {what} ({})", list(attempts))]
    Unreachable {
        /// What was asked.
        what: &'static str,
        /// What each endpoint did.
        attempts: Vec<Attempt>,
    },
    /// Endpoints serve another chain than the one configured.
    #[error("{url} serves chain {found}, configured is {expected}")]
    WrongChain {
        /// The endpoint.
        url: String,
        /// The configured chain.
        expected: ChainId,
        /// The chain it serves.
        found: String,
    },
    /// The configured system object is not a Floe system of this chain.
    #[error("object {object} is not the system of this network: {reason}")]
    WrongSystem {
        /// The configured object.
        object: ObjectId,
        /// What is wrong.
        reason: String,
    },
    /// An object, transaction or checkpoint does not exist (any more).
    #[error("{what} {id} does not exist")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// Data that does not have the form its type promises.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// Which data.
        what: String,
        /// Why.
        reason: String,
    },
    /// Data that does not follow from what is trusted.
    #[error(transparent)]
    Unproven(#[from] LightError),
    /// Two checkpoints of the same number are both certified: the chain itself is broken. Nothing
    /// may be signed any more until a person has looked.
    #[error("two certified checkpoints {checkpoint}: {ours} and {theirs}; the chain has forked")]
    Fork {
        /// Their sequence number.
        checkpoint: u64,
        /// Digest of the one followed.
        ours: sui_sdk_types::Digest,
        /// Digest of the other.
        theirs: sui_sdk_types::Digest,
    },
    /// The contract refused the transaction.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The transaction failed for another reason than the contract.
    #[error("transaction failed: {reason}")]
    Failed {
        /// As the chain reports it.
        reason: String,
    },
    /// The chain did not accept the transaction for execution; nothing happened.
    #[error("transaction was rejected: {reason}")]
    Rejected {
        /// As the endpoint reports it.
        reason: String,
    },
    /// It is not known whether the transaction was executed. Submitting the same one again is safe.
    #[error("outcome of transaction {digest} is unknown: {reason}")]
    OutcomeUnknown {
        /// The transaction.
        digest: TransactionDigest,
        /// Why.
        reason: String,
    },
    /// No SUI to pay for the transaction.
    #[error("account holds {available} in coins that can pay for gas, {needed} are needed")]
    Gas {
        /// What the transaction needs.
        needed: Sui,
        /// The largest coin at hand.
        available: Sui,
    },
    /// Not enough WAL.
    #[error("account holds {available}, {needed} are needed")]
    Funds {
        /// What the operation needs.
        needed: Wal,
        /// What is there.
        available: Wal,
    },
    /// Gas costs more than the settings allow: an endpoint lies, or the limit is too low.
    #[error("gas would cost {asked}, the limit is {limit}")]
    GasLimit {
        /// What the endpoint asks.
        asked: Sui,
        /// What the settings allow.
        limit: Sui,
    },
    /// The key file or key is unusable.
    #[error("wallet key: {reason}")]
    Wallet {
        /// Why.
        reason: String,
    },
    /// The in-memory chain does not play this part of the contract.
    #[error("the in-memory chain does not know {operation}")]
    NotSimulated {
        /// The operation.
        operation: String,
    },
    /// A transaction that this program should not have built.
    #[error("transaction cannot be built: {reason}")]
    Build {
        /// Why.
        reason: String,
    },
}

impl ChainError {
    /// What to do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. } | Self::OutcomeUnknown { .. } | Self::Rejected { .. } => {
                ErrorKind::Retry
            }
            Self::WrongChain { .. } | Self::WrongSystem { .. } | Self::Wallet { .. } => {
                ErrorKind::FixConfig
            }
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Malformed { what, .. } => ErrorKind::Corrupt { who: what.clone() },
            Self::Unproven(LightError::AnchorTooOld { .. }) => ErrorKind::FixConfig,
            Self::Unproven(_) => ErrorKind::Corrupt {
                who: "chain endpoint".to_owned(),
            },
            Self::Fork { .. } => ErrorKind::Corrupt {
                who: "chain".to_owned(),
            },
            Self::Refused(refusal) => refusal.kind(),
            Self::Failed { .. } => ErrorKind::FixInput,
            Self::Gas { .. } | Self::Funds { .. } => ErrorKind::Funds,
            Self::GasLimit { .. } => ErrorKind::FixConfig,
            Self::Build { .. } | Self::NotSimulated { .. } => ErrorKind::Bug,
        }
    }

    /// The contract's refusal, if that is what it is.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    pub(crate) fn malformed(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Malformed {
            what: what.into(),
            reason: reason.to_string(),
        }
    }
}
