//! How a request ends: the numbered statuses and the refusal a server sends.

use std::{borrow::Cow, fmt, time::Duration};

use floe_chain::{
    epoch::{ChainTime, Epoch},
    event::EventCursor,
};
use serde::{Deserialize, Serialize};

use super::Bounded;

/// How a request ended. `NotHeld` is an answer, not an error.
///
/// # Layout
/// BCS enum: ULEB128 variant index in the order below (0 `Ok` to 15 `Internal`), then the fields.
/// Indexes are never reused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Done; the reply and the items follow.
    Ok,
    /// The peer does not have it.
    NotHeld,
    /// The blob is not registered as far as the peer has followed the chain.
    NotRegistered {
        /// How far that is.
        cursor: EventCursor,
    },
    /// The peer does not own the shard.
    WrongShard {
        /// The epoch the peer is in.
        epoch: Epoch,
    },
    /// The request was made for another epoch than the peer's.
    WrongEpoch {
        /// The epoch the peer is in.
        epoch: Epoch,
    },
    /// The blob was proved inconsistent.
    Inconsistent,
    /// The blob's storage period is over, or it was deleted.
    Expired,
    /// The peer has no room left.
    Full,
    /// The peer is overloaded.
    Busy {
        /// When to try again.
        retry_after: RetryAfter,
    },
    /// The peer does not serve this to the caller.
    NotAuthorized,
    /// Reads pause while a challenge is drawn.
    Frozen {
        /// When they go on, by the chain's clock.
        until: ChainTime,
    },
    /// The request breaks the protocol; repeating it will not help.
    BadRequest,
    /// The peer does not serve this kind of request.
    Unsupported {
        /// The protocol versions it speaks.
        versions: Bounded<u16, 16>,
    },
    /// The request's deadline passed.
    Deadline,
    /// The peer is going away.
    ShuttingDown,
    /// The peer failed; it is not the caller's fault.
    Internal,
}

impl Status {
    /// A word for metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotHeld => "not_held",
            Self::NotRegistered { .. } => "not_registered",
            Self::WrongShard { .. } => "wrong_shard",
            Self::WrongEpoch { .. } => "wrong_epoch",
            Self::Inconsistent => "inconsistent",
            Self::Expired => "expired",
            Self::Full => "full",
            Self::Busy { .. } => "busy",
            Self::NotAuthorized => "not_authorized",
            Self::Frozen { .. } => "frozen",
            Self::BadRequest => "bad_request",
            Self::Unsupported { .. } => "unsupported",
            Self::Deadline => "deadline",
            Self::ShuttingDown => "shutting_down",
            Self::Internal => "internal",
        }
    }
}

/// A wait in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RetryAfter(pub u32);

impl RetryAfter {
    /// The wait as a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

impl From<Duration> for RetryAfter {
    fn from(wait: Duration) -> Self {
        Self(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::NotHeld => f.write_str("not held"),
            Self::NotRegistered { cursor } => {
                write!(f, "not registered up to checkpoint {}", cursor.checkpoint)
            }
            Self::WrongShard { epoch } => write!(f, "not the owner of the shard in epoch {epoch}"),
            Self::WrongEpoch { epoch } => write!(f, "the peer is in epoch {epoch}"),
            Self::Inconsistent => f.write_str("the blob was proved inconsistent"),
            Self::Expired => f.write_str("the blob has expired or was deleted"),
            Self::Full => f.write_str("the peer's disk is full"),
            Self::Busy { retry_after } => write!(f, "busy, retry in {} ms", retry_after.0),
            Self::NotAuthorized => f.write_str("not authorized"),
            Self::Frozen { until } => {
                write!(
                    f,
                    "reads are frozen until {} ms by the chain's clock",
                    until.as_ms()
                )
            }
            Self::BadRequest => f.write_str("malformed request"),
            Self::Unsupported { .. } => f.write_str("the peer does not serve this request"),
            Self::Deadline => f.write_str("deadline passed"),
            Self::ShuttingDown => f.write_str("the peer is shutting down"),
            Self::Internal => f.write_str("internal failure of the peer"),
        }
    }
}

/// A request that ends without `Ok`: the status, and words for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The status; never `Ok`.
    pub status: Status,
    /// What exactly was wrong, in at most [`Self::MAX_DETAIL`] bytes; may be empty.
    pub detail: Cow<'static, str>,
}

impl Refusal {
    /// Longer details are cut.
    pub const MAX_DETAIL: usize = 256;

    /// A refusal with an explanation.
    pub fn new(status: Status, detail: impl Into<Cow<'static, str>>) -> Self {
        debug_assert_ne!(status, Status::Ok, "a refusal is not a success");
        Self {
            status,
            detail: detail.into(),
        }
    }

    /// The request breaks the protocol.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::BadRequest, detail)
    }

    /// This side failed. The detail goes to the peer: keep paths and secrets out of it.
    pub fn internal(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Internal, detail)
    }

    /// This side is overloaded.
    #[must_use]
    pub fn busy(retry_after: Duration) -> Self {
        Status::Busy {
            retry_after: retry_after.into(),
        }
        .into()
    }

    /// Nobody here serves this kind of request.
    #[must_use]
    pub fn unsupported() -> Self {
        let versions = vec![super::VERSION].try_into().unwrap_or_default();
        Status::Unsupported { versions }.into()
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::new(status, "")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.detail)
        }
    }
}
