//! The table from errors to HTTP, and nothing else: status, headers, and the body of RFC 9457 with a
//! stable `code` and a `hint`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use floe_client::advice::{Advice, ErrorKind};
use serde::Serialize;

use crate::{blobs::MISSING, error::ServeError};

/// An error as an answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    body: Body,
}

/// # Layout
/// `application/problem+json`. `type` is left out: `code` names the problem.
#[derive(Debug, Serialize)]
struct Body {
    status: u16,
    title: &'static str,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// When to come again after a failure that may pass.
const RETRY_SECONDS: u64 = 2;

impl From<ServeError> for Problem {
    fn from(error: ServeError) -> Self {
        let status = match (&error, error.kind()) {
            (ServeError::Method, _) => StatusCode::METHOD_NOT_ALLOWED,
            (ServeError::Body, _) => StatusCode::PAYLOAD_TOO_LARGE,
            (ServeError::NoChain, _) => StatusCode::NOT_IMPLEMENTED,
            (_, ErrorKind::FixInput) => StatusCode::BAD_REQUEST,
            (_, ErrorKind::NotFound) => StatusCode::NOT_FOUND,
            (_, ErrorKind::Retry) => StatusCode::SERVICE_UNAVAILABLE,
            (_, ErrorKind::Corrupt { .. }) => StatusCode::BAD_GATEWAY,
            // Nothing that a reader could have done.
            (
                _,
                ErrorKind::FixConfig | ErrorKind::Funds | ErrorKind::Unauthorized | ErrorKind::Bug,
            ) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, &error)
    }
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: &impl Advice) -> Self {
        Self {
            status,
            body: Body {
                status: status.as_u16(),
                title: status.canonical_reason().unwrap_or_default(),
                detail: error.to_string(),
                code: error.code(),
                hint: error.hint(),
            },
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (cache, retry) = match self.status {
            // It may be stored any moment, and must not be hidden then.
            StatusCode::NOT_FOUND => (
                format!("public, max-age={}", MISSING.as_secs()),
                Some(MISSING.as_secs()),
            ),
            StatusCode::SERVICE_UNAVAILABLE => ("no-store".to_owned(), Some(RETRY_SECONDS)),
            _ => ("no-store".to_owned(), None),
        };
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Ok(cache) = HeaderValue::try_from(cache) {
            headers.insert(header::CACHE_CONTROL, cache);
        }
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
