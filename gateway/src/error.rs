//! Why a request is not served, as one type that everybody who waited for the same thing can have.

use std::sync::Arc;

use floe_chain::{blob::BlobState, id::ObjectId, rpc::ChainError};
use floe_client::{
    advice::{Advice, ErrorKind},
    read::ReadError,
    status,
};
use floe_codec::BlobId;

/// Why a request is not served.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Read(Arc<ReadError>),
    #[error(transparent)]
    Chain(Arc<ChainError>),
    #[error("`{0}` is no blob id: 43 characters of base64url, or 64 hexadecimal digits")]
    BlobId(String),
    #[error("`{0}` is no object id: 0x and up to 64 hexadecimal digits")]
    ObjectId(String),
    #[error("there is no blob object {0}")]
    NoObject(ObjectId),
    #[error("blob {blob} of object {object} is {}", status::name(*state))]
    NotStored {
        object: ObjectId,
        blob: BlobId,
        state: BlobState,
    },
    #[error("this gateway reads without the chain, which alone knows what objects stand for")]
    NoChain,
    #[error("too much is being sent at the moment")]
    Busy,
    #[error("the first bytes did not come within {0} s")]
    Slow(u64),
    #[error("a task of the gateway ended early: {0}")]
    Task(String),
    #[error("nothing is served at this path")]
    NoRoute,
    #[error("only GET and HEAD are served at this path")]
    Method,
    #[error("requests to read have no body")]
    Body,
}

impl From<ReadError> for ServeError {
    fn from(error: ReadError) -> Self {
        Self::Read(Arc::new(error))
    }
}

impl From<ChainError> for ServeError {
    fn from(error: ChainError) -> Self {
        Self::Chain(Arc::new(error))
    }
}

impl Advice for ServeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Read(error) => error.kind(),
            Self::Chain(error) => Advice::kind(&**error),
            Self::NoObject(_) | Self::NotStored { .. } | Self::NoRoute => ErrorKind::NotFound,
            Self::BlobId(_) | Self::ObjectId(_) | Self::NoChain | Self::Method | Self::Body => {
                ErrorKind::FixInput
            }
            Self::Busy | Self::Slow(_) => ErrorKind::Retry,
            Self::Task(_) => ErrorKind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Read(error) => error.code(),
            Self::Chain(error) => error.code(),
            Self::BlobId(_) => "gateway.blob_id",
            Self::ObjectId(_) => "gateway.object_id",
            Self::NoObject(_) => "gateway.no_object",
            Self::NotStored { .. } => "gateway.not_stored",
            Self::NoChain => "gateway.no_chain",
            Self::Busy => "gateway.busy",
            Self::Slow(_) => "gateway.slow",
            Self::Task(_) => "gateway.task",
            Self::NoRoute => "gateway.no_route",
            Self::Method => "gateway.method",
            Self::Body => "gateway.body",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read(error) => return error.hint(),
            Self::Chain(error) => return error.hint(),
            Self::BlobId(_) | Self::ObjectId(_) => "`floe ls` prints ids in full",
            Self::NoObject(_) => "check the id; an object that was deleted or burnt is gone",
            Self::NotStored { .. } => "its bytes may still be there under the blob id",
            Self::NoChain => "ask for it by its blob id",
            Self::Busy | Self::Slow(_) => "try again in a moment",
            Self::Task(_) => return None,
            Self::NoRoute => "blobs are at /v1/blobs/ID and /v1/blobs/by-object-id/OBJECT",
            Self::Method => "this gateway only reads",
            Self::Body => "leave it out",
        };
        Some(hint.to_owned())
    }
}
