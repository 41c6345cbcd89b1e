//! What is served where. Later routes (writing, pages for people) are a file each beside `read`.

mod conditions;
mod health;
mod problem;
mod range;
mod read;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use tokio::sync::{Semaphore, watch};
use tower_http::cors::{Any, CorsLayer};

use self::problem::Problem;
use crate::{blobs::Blobs, error::ServeError, metrics::Metrics};

/// What every route has at hand.
pub(crate) struct Gate {
    pub(crate) blobs: Arc<Blobs>,
    /// Blobs that may be sent at once.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    /// Why the gateway is not ready; empty when it is.
    pub(crate) not_ready: watch::Receiver<String>,
}

/// Every route.
pub(crate) fn router(gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/v1/blobs/{id}", reading(get(read::by_id)))
        .route(
            "/v1/blobs/by-object-id/{id}",
            reading(get(read::by_object_id)),
        )
        .route("/live", reading(get(health::live)))
        .route("/ready", reading(get(health::ready)))
        .route("/metrics", reading(get(health::metrics)))
        .fallback(async || Problem::from(ServeError::NoRoute))
        .layer(cors())
        .layer(middleware::from_fn_with_state(Arc::clone(&gate), around))
        .with_state(gate)
}

fn reading(methods: MethodRouter<Arc<Gate>>) -> MethodRouter<Arc<Gate>> {
    methods.fallback(async || {
        let allow = [(header::ALLOW, "GET, HEAD")];
        (allow, Problem::from(ServeError::Method))
    })
}

/// Any page may read, and see what it needs of the head.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([header::RANGE, header::IF_NONE_MATCH, header::IF_RANGE])
        .expose_headers([
            header::ACCEPT_RANGES,
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::ETAG,
            header::RETRY_AFTER,
        ])
        .max_age(std::time::Duration::from_secs(86_400))
        // The answer is the same for every page, and caches may know.
        .vary([])
}

/// What holds for every answer: bytes of strangers are never run, and requests that carry bodies are
/// not understood.
async fn around(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    let body =
        headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|it| it != "0");
    let mut response = if body {
        // Whatever follows on this connection could be part of the body.
        let close = [(header::CONNECTION, "close")];
        (close, Problem::from(ServeError::Body)).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in FOR_ALL {
        headers.insert(name, HeaderValue::from_static(value));
    }
    gate.metrics.answered(response.status().as_u16());
    response
}

const FOR_ALL: [(HeaderName, &str); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; sandbox",
    ),
];
