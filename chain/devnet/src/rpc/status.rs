//! From errors of the core to gRPC status, and parsing of request fields with errors that name the field.

use std::{fmt::Display, str::FromStr};

use sui_rpc::proto::google::rpc::Status as ProtoStatus;
use sui_sdk_types::{Address, Digest, StructTag};
use tonic::{Code, Status};

use crate::{execute::Refusal, store::WriteFailed};

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::Unsupported(_) => Code::Unimplemented,
            Refusal::Locked { .. } => Code::Aborted,
            Refusal::ObjectNotFound(_)
            | Refusal::Version { .. }
            | Refusal::ObjectDigest { .. }
            | Refusal::Owner { .. }
            | Refusal::Expired(_)
            | Refusal::GasBalance { .. } => Code::FailedPrecondition,
            Refusal::Signature(_)
            | Refusal::MissingSignature(_)
            | Refusal::UnexpectedSignature(_) => Code::Unauthenticated,
            _ => Code::InvalidArgument,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<WriteFailed> for Status {
    fn from(error: WriteFailed) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// A required field is absent.
pub(super) fn missing(field: &str) -> Status {
    Status::invalid_argument(format!("{field}: missing"))
}

/// A field cannot be understood.
pub(super) fn invalid(field: &str, error: impl Display) -> Status {
    Status::invalid_argument(format!("{field}: {error}"))
}

/// Parses a required field.
pub(super) fn parse<T: FromStr<Err: Display>>(
    field: &str,
    text: Option<&str>,
) -> Result<T, Status> {
    text.ok_or_else(|| missing(field))?
        .parse()
        .map_err(|error| invalid(field, error))
}

/// Parses a required address or object id.
pub(super) fn address(field: &str, text: Option<&str>) -> Result<Address, Status> {
    parse(field, text)
}

/// Parses a struct type.
pub(super) fn struct_type(field: &str, text: &str) -> Result<StructTag, Status> {
    text.parse().map_err(|error| invalid(field, error))
}

/// An object is not there.
pub(super) fn no_object(id: &Address) -> Status {
    Status::not_found(format!("Object {id} not found"))
}

/// A transaction is not there.
pub(super) fn no_transaction(digest: &Digest) -> Status {
    Status::not_found(format!("Transaction {digest} not found"))
}

/// A status inside a batch response.
pub(super) fn embedded(status: &Status) -> ProtoStatus {
    ProtoStatus {
        code: status.code().into(),
        message: status.message().to_owned(),
        ..ProtoStatus::default()
    }
}
