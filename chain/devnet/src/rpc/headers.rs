//! The `x-sui-*` response headers: which chain this is and how far it is.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use sui_rpc::headers;

use crate::node::Node;

/// Human-readable name of the chain.
pub(super) const CHAIN_NAME: &str = "floe-devnet";

/// Adds the headers to every response.
pub(super) async fn add(State(node): State<Arc<Node>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let state = node.read(|ledger| {
        let newest = ledger.history().newest().map(|checkpoint| {
            (
                checkpoint.summary.sequence_number,
                checkpoint.summary.timestamp_ms,
            )
        });
        (ledger.chain(), ledger.terms().epoch, newest)
    });
    let Ok((chain, epoch, newest)) = state.await else {
        return response;
    };
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    };
    set(headers::X_SUI_CHAIN_ID, chain.to_string());
    set(headers::X_SUI_CHAIN, CHAIN_NAME.to_owned());
    set(headers::X_SUI_EPOCH, epoch.to_string());
    set(headers::X_SUI_LOWEST_AVAILABLE_CHECKPOINT, "0".to_owned());
    set(
        headers::X_SUI_LOWEST_AVAILABLE_CHECKPOINT_OBJECTS,
        "0".to_owned(),
    );
    if let Some((height, timestamp_ms)) = newest {
        set(headers::X_SUI_CHECKPOINT_HEIGHT, height.to_string());
        set(headers::X_SUI_TIMESTAMP_MS, timestamp_ms.to_string());
        set(
            headers::X_SUI_TIMESTAMP,
            super::render::timestamp(timestamp_ms).to_string(),
        );
    }
    response
}
