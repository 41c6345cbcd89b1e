//! `/live`, `/ready`, `/metrics`: for whoever operates the gateway.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::encoding::text::encode;

use super::Gate;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn live() -> &'static str {
    "live\n"
}

/// Whether readers should be sent here, and if not, why.
pub(super) async fn ready(State(gate): State<Arc<Gate>>) -> (StatusCode, String) {
    let why = gate.not_ready.borrow().clone();
    if why.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, why + "\n")
    }
}

pub(super) async fn metrics(State(gate): State<Arc<Gate>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &gate.metrics.registry()) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
