//! Why a light client cannot know who serves, and whose fault that is.

use floe_chain::{epoch::Epoch, succession::SuccessionError};

use crate::{
    advice::{Advice, Culprit, ErrorKind},
    disk::trust::TrustFileError,
};

/// Why a light client cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LightError {
    /// The state directory is unusable, or knows better than the anchor.
    #[error(transparent)]
    State(#[from] TrustFileError),
    /// Nobody who could be asked has the committee that the anchor names.
    #[error("none of {asked} nodes has the committee of epoch {epoch} that the trust anchor names")]
    NoAnchor {
        /// The anchor's epoch.
        epoch: Epoch,
        /// Nodes asked.
        asked: usize,
    },
    /// Nobody who could be asked has a committee that was there before.
    #[error("no node has the committee after that of epoch {after}")]
    Missing {
        /// The newest epoch reached.
        after: Epoch,
    },
    /// What is trusted is too old to certify anything.
    #[error(
        "the newest committee known (epoch {trusted}) began {age_hours} hours ago, too long to trust what it signs now"
    )]
    TooOld {
        /// The newest epoch trusted.
        trusted: Epoch,
        /// Hours since it began.
        age_hours: u64,
    },
    /// A quorum of one committee certified two different ones for the next epoch.
    #[error(
        "two different committees of epoch {epoch} are certified; a third of the one before signs anything"
    )]
    Fork {
        /// The epoch.
        epoch: Epoch,
    },
}

impl LightError {
    /// The error if it condemns what is trusted, rather than whoever answered.
    pub(super) fn of(error: &SuccessionError) -> Option<Self> {
        match *error {
            SuccessionError::Stale {
                trusted, age_ms, ..
            } => Some(Self::TooOld {
                trusted,
                age_hours: age_ms / 3_600_000,
            }),
            _ => None,
        }
    }
}

impl Advice for LightError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::State(error) => error.kind(),
            Self::NoAnchor { .. } | Self::Missing { .. } => ErrorKind::Retry,
            Self::TooOld { .. } => ErrorKind::FixConfig,
            Self::Fork { .. } => ErrorKind::Corrupt {
                who: Culprit::Peer("a third of a committee".to_owned()),
            },
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::State(error) => error.code(),
            Self::NoAnchor { .. } => "light.no_anchor",
            Self::Missing { .. } => "light.missing_committee",
            Self::TooOld { .. } => "light.too_old",
            Self::Fork { .. } => "light.fork",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::State(error) => return error.hint(),
            Self::NoAnchor { .. } => {
                "check that the bootstrap addresses of the anchor are up, and that it is this \
                 network's current one"
                    .to_owned()
            }
            Self::Missing { .. } => {
                "try again later, or begin at a newer trust anchor".to_owned()
            }
            Self::TooOld { .. } => {
                "get a newer trust anchor from a source you trust; `floe read` without --light asks \
                 Sui instead"
                    .to_owned()
            }
            Self::Fork { .. } => {
                "trust nothing of this network until its operators explain; keep the state \
                 directory as evidence"
                    .to_owned()
            }
        })
    }
}
