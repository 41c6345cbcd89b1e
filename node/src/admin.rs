//! The operator's door: `/live`, `/ready`, `/status`, `/peers`, `/connections` and `/metrics` over HTTP.
//! It answers and changes nothing.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use floe_codec::Axis;
use floe_p2p::plane::Limits;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    control::{Control, PeerCounts},
    guests::Guests,
    heal::HealProgress,
    health,
    keeper::ScrubProgress,
    node::Node,
};

/// The operator's door cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve the admin interface on {address}")]
pub struct AdminError {
    /// Where.
    pub address: SocketAddr,
    source: std::io::Error,
}

/// What a node says of itself.
///
/// # Layout
/// JSON, `version` 1. Fields are added, never renamed.
#[derive(Debug, Serialize)]
pub struct Status {
    version: u8,
    node: String,
    chain: String,
    system: String,
    software: &'static str,
    ready: bool,
    reasons: Vec<Reason>,
    epoch: u32,
    cursor: String,
    ledger: LedgerStatus,
    alarm: Option<String>,
    peers: Option<PeerCounts>,
    scrub: ScrubProgress,
    heal: HealProgress,
    shards: Vec<ShardStatus>,
}

/// What the node knows of all blobs: two nodes with one `numbered` and different digests computed
/// different ledgers from the same events.
#[derive(Debug, Serialize)]
struct LedgerStatus {
    numbered: u64,
    digest: String,
}

#[derive(Debug, Serialize)]
struct Reason {
    code: String,
    advice: &'static str,
}

#[derive(Debug, Serialize)]
struct ShardStatus {
    shard: u16,
    missing_primary: u64,
    missing_secondary: u64,
}

/// What the door shows.
pub(crate) struct Door {
    pub(crate) node: Arc<Node>,
    pub(crate) control: Option<Arc<Control>>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Registry,
}

/// Opens the door; nobody is answered yet.
pub(crate) async fn open(address: SocketAddr) -> Result<TcpListener, AdminError> {
    let failed = |source| AdminError { address, source };
    TcpListener::bind(address).await.map_err(failed)
}

/// Serves until the token is cancelled.
///
/// # Errors
///
/// The listener fails.
pub(crate) async fn serve(
    listener: TcpListener,
    door: Door,
    token: CancellationToken,
) -> Result<(), std::io::Error> {
    let router = Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/status", get(status))
        .route("/peers", get(peers))
        .route("/connections", get(connections))
        .route("/metrics", get(metrics_text))
        .with_state(Arc::new(door));
    axum::serve(listener, router)
        .with_graceful_shutdown(token.cancelled_owned())
        .await
}

async fn ready(State(door): State<Arc<Door>>) -> Response {
    let reasons = reasons(&door.node);
    let code = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(reasons)).into_response()
}

async fn status(State(door): State<Arc<Door>>) -> Response {
    let node = Arc::clone(&door.node);
    match node.blocking(status_of).await {
        Ok(Ok(mut status)) => {
            status.peers = door.control.as_ref().map(|control| control.counts());
            Json(status).into_response()
        }
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn peers(State(door): State<Arc<Door>>) -> Response {
    Json(door.control.as_ref().map(|control| control.peers())).into_response()
}

async fn connections(State(door): State<Arc<Door>>) -> Json<Guests> {
    Json(door.limits.report().into())
}

async fn metrics_text(State(door): State<Arc<Door>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &door.metrics) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn reasons(node: &Node) -> Vec<Reason> {
    let reason = |reason| Reason {
        code: format!("{reason:?}"),
        advice: health::advice(reason),
    };
    health::not_ready(node).into_iter().map(reason).collect()
}

fn status_of(node: &Node) -> Result<Status, floe_storage::IndexError> {
    let view = node.view();
    let mut shards = Vec::new();
    for shard in node.shards() {
        let missing = |axis| {
            node.storage()
                .inventory(shard, axis)
                .map(|summary| summary.missing)
        };
        shards.push(ShardStatus {
            shard: shard.get(),
            missing_primary: missing(Axis::Primary)?,
            missing_secondary: missing(Axis::Secondary)?,
        });
    }
    let reasons = reasons(node);
    let ledger = node.storage().position()?;
    Ok(Status {
        version: 1,
        node: node.id().to_string(),
        chain: node.network().chain.to_string(),
        system: node.network().system.to_string(),
        software: concat!("floe/", env!("CARGO_PKG_VERSION")),
        ready: reasons.is_empty(),
        reasons,
        epoch: view.epoch.get(),
        cursor: view.cursor.to_string(),
        ledger: LedgerStatus {
            numbered: ledger.next_seq.get(),
            digest: ledger.digest.to_string(),
        },
        alarm: view.alarm.map(|alarm| alarm.to_string()),
        peers: None,
        scrub: node.scrub(),
        heal: node.heal(),
        shards,
    })
}
