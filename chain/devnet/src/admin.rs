//! Calls for tests that need time to pass: move the clock, end the epoch, seal a checkpoint. Only from this machine, only if asked for at start.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use tonic::transport::server::TcpConnectInfo;

use crate::{ledger::Checkpoint, node::Node, store::WriteFailed};

/// Header every call must carry; a web page of another origin cannot set it.
const HEADER: &str = "x-floe-admin";
/// Farthest one call moves the clock, in milliseconds: ten years.
const FARTHEST_MS: u64 = 10 * 365 * 24 * 3_600 * 1_000;

#[derive(Deserialize)]
struct Advance {
    milliseconds: u64,
}

#[derive(Serialize)]
struct Sealed {
    epoch: u64,
    checkpoint: u64,
    timestamp_ms: u64,
}

impl From<Arc<Checkpoint>> for Sealed {
    fn from(checkpoint: Arc<Checkpoint>) -> Self {
        let summary = &checkpoint.summary;
        Self {
            epoch: summary.epoch,
            checkpoint: summary.sequence_number,
            timestamp_ms: summary.timestamp_ms,
        }
    }
}

/// `POST /admin/advance-time {"milliseconds": n}`, `/admin/end-epoch`, `/admin/checkpoint`. Each answers with the checkpoint it made.
pub(crate) fn routes(node: &Arc<Node>) -> Router {
    Router::new()
        .route("/admin/advance-time", post(advance_time))
        .route("/admin/end-epoch", post(end_epoch))
        .route("/admin/checkpoint", post(checkpoint))
        .layer(middleware::from_fn(guard))
        .with_state(node.clone())
}

async fn guard(request: Request, next: Next) -> Response {
    let peer = request
        .extensions()
        .get::<TcpConnectInfo>()
        .and_then(|info| info.remote_addr);
    if !peer.is_some_and(|peer| peer.ip().is_loopback()) {
        return (
            StatusCode::FORBIDDEN,
            "admin calls are answered on loopback only",
        )
            .into_response();
    }
    if !request.headers().contains_key(HEADER) {
        return (StatusCode::FORBIDDEN, "the header x-floe-admin is missing").into_response();
    }
    next.run(request).await
}

async fn advance_time(State(node): State<Arc<Node>>, Json(advance): Json<Advance>) -> Response {
    if advance.milliseconds > FARTHEST_MS {
        return (
            StatusCode::BAD_REQUEST,
            format!("at most {FARTHEST_MS} milliseconds"),
        )
            .into_response();
    }
    let shifted = node.change(move |ledger, now_ms| {
        // The open window keeps its time; the next one has the new.
        if ledger.has_work() {
            ledger.seal(now_ms, false);
        }
        ledger.shift(advance.milliseconds);
    });
    match shifted.await {
        Ok(()) => answer(node.seal(false).await),
        Err(error) => answer(Err(error)),
    }
}

async fn end_epoch(State(node): State<Arc<Node>>) -> Response {
    answer(node.seal(true).await)
}

async fn checkpoint(State(node): State<Arc<Node>>) -> Response {
    answer(node.seal(false).await)
}

fn answer(sealed: Result<Arc<Checkpoint>, WriteFailed>) -> Response {
    match sealed {
        Ok(checkpoint) => Json(Sealed::from(checkpoint)).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}
