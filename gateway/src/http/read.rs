//! `GET` and `HEAD` of a blob. The head is sent when the first bytes are verified and at hand, and
//! says how many follow; if they cannot be had any more the connection is aborted, so that nobody
//! takes a part for the whole.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use floe_chain::id::ObjectId;
use floe_client::{
    advice::Advice,
    plan::{ByteRange, RangeError, ReadPlan},
    read::ReadError,
};
use floe_codec::BlobId;
use futures::{StreamExt, TryStreamExt, stream};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{Gate, conditions, problem::Problem, range};
use crate::{
    error::ServeError,
    upstream::{Lifetime, Named},
};

/// How long the first bytes, and memory for them, are waited for.
const FIRST_BYTES: Duration = Duration::from_secs(30);
/// Portions of segments that are made ready while one is sent.
const AHEAD: usize = 2;
/// How long others may keep a blob of which nobody knows how long it lasts, in seconds.
const UNKNOWN_AGE: u64 = 300;
/// How long they may keep one that its owner may delete.
const DELETABLE_AGE: u64 = 60;
/// How long they may keep anything: a year.
const MOST_AGE: u64 = 31_536_000;
/// Longest part of what is no id that an answer repeats, in characters.
const SHOWN: usize = 80;

type Id = Result<Path<String>, PathRejection>;

pub(super) async fn by_id(
    State(gate): State<Arc<Gate>>,
    method: Method,
    id: Id,
    headers: HeaderMap,
) -> Response {
    let named = parse(id, ServeError::BlobId).map(|blob: BlobId| Named {
        blob,
        lifetime: Lifetime::Unknown,
    });
    answer(&gate, &method, named, &headers).await
}

pub(super) async fn by_object_id(
    State(gate): State<Arc<Gate>>,
    method: Method,
    id: Id,
    headers: HeaderMap,
) -> Response {
    let named = match parse::<ObjectId>(id, ServeError::ObjectId) {
        Ok(object) => gate.blobs.name(object).await,
        Err(error) => Err(error),
    };
    answer(&gate, &method, named, &headers).await
}

fn parse<T: std::str::FromStr>(
    id: Id,
    wrong: impl FnOnce(String) -> ServeError,
) -> Result<T, ServeError> {
    let text = id.map_or_else(|_| String::new(), |Path(text)| text);
    let shown = || text.chars().take(SHOWN).collect();
    text.parse().map_err(|_| wrong(shown()))
}

async fn answer(
    gate: &Arc<Gate>,
    method: &Method,
    named: Result<Named, ServeError>,
    headers: &HeaderMap,
) -> Response {
    let result = match named {
        Ok(named) => serve(gate, method, named, headers).await,
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| Problem::from(error).into_response())
}

async fn serve(
    gate: &Arc<Gate>,
    method: &Method,
    named: Named,
    headers: &HeaderMap,
) -> Result<Response, ServeError> {
    let blob = named.blob;
    let place = Arc::clone(&gate.places).try_acquire_owned();
    let place = place.map_err(|_| ServeError::Busy)?;
    let layout = gate.blobs.find(blob).await?;
    let tag = conditions::tag(&blob);
    let mut head = HeaderMap::new();
    insert(&mut head, header::ETAG, &tag);
    insert(&mut head, header::CACHE_CONTROL, &keep(named.lifetime));
    if conditions::has_it(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    insert(&mut head, header::ACCEPT_RANGES, "bytes");
    insert(&mut head, header::CONTENT_TYPE, "application/octet-stream");

    let length = layout.length();
    // Of an empty blob there is no range to send.
    let asked = wanted(method, headers, &tag).filter(|_| length > 0);
    let plan = match asked {
        // No last bytes at all.
        Some(ByteRange::Last(0)) => Err(RangeError {
            blob,
            first: length,
            length,
        }),
        _ => ReadPlan::new(blob, layout, asked.unwrap_or_default()),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return Ok(unsatisfiable(error)),
    };
    head.insert(header::CONTENT_LENGTH, plan.length().into());
    let status = if asked.is_some() {
        let (first, end) = (plan.bytes.start, plan.bytes.end);
        let part = format!("bytes {first}-{}/{length}", end.saturating_sub(1));
        insert(&mut head, header::CONTENT_RANGE, &part);
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    if method == Method::HEAD {
        return Ok((status, head).into_response());
    }
    let body = body(gate, &plan, place).await?;
    Ok((status, head, body).into_response())
}

/// The range that is asked for, if it is to be heeded: of `HEAD` it means nothing.
fn wanted(method: &Method, headers: &HeaderMap, tag: &str) -> Option<ByteRange> {
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (&Method::GET, Some(range), None) = (method, ranges.next(), ranges.next()) else {
        return None;
    };
    let range = range::parse(range.to_str().ok()?)?;
    conditions::range_holds(headers, tag).then_some(range)
}

fn unsatisfiable(error: RangeError) -> Response {
    let all = format!("bytes */{}", error.length);
    let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, &ReadError::from(error));
    ([(header::CONTENT_RANGE, all)], problem).into_response()
}

/// The bytes, as they are verified. Returns once the first are at hand.
async fn body(
    gate: &Arc<Gate>,
    plan: &ReadPlan,
    place: OwnedSemaphorePermit,
) -> Result<Body, ServeError> {
    let (blobs, blob) = (Arc::clone(&gate.blobs), plan.blob);
    let portions = stream::iter(plan.segments()).map(move |read| {
        let blobs = Arc::clone(&blobs);
        async move { blobs.portion(blob, read).await }
    });
    let mut portions = Box::pin(portions.buffered(AHEAD).peekable());
    match timeout(FIRST_BYTES, portions.as_mut().peek()).await {
        Ok(Some(Err(error))) => return Err(error.clone()),
        Ok(_) => {}
        Err(_) => return Err(ServeError::Slow(FIRST_BYTES.as_secs())),
    }
    let sending = Sending::new(gate.metrics.sending.clone(), place);
    let metrics = gate.metrics.clone();
    let pieces = portions
        .map_ok(crate::blobs::Portion::into_pieces)
        .try_flatten()
        .inspect(move |piece| {
            let _held = &sending;
            match piece {
                Ok(bytes) => drop(metrics.sent.inc_by(bytes.len() as u64)),
                Err(error) => {
                    metrics.aborted.inc();
                    tracing::info!(%blob, %error, code = error.code(), "an answer is cut short");
                }
            }
        });
    Ok(Body::from_stream(pieces))
}

/// A blob that is being sent, for as long as it lives.
struct Sending(
    Gauge,
    #[expect(dead_code, reason = "held, not used")] OwnedSemaphorePermit,
);

impl Sending {
    fn new(gauge: Gauge, place: OwnedSemaphorePermit) -> Self {
        gauge.inc();
        Self(gauge, place)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// `Cache-Control`: what nobody can delete is kept to its end and never asked for again.
fn keep(lifetime: Lifetime) -> String {
    match lifetime {
        Lifetime::Unknown => format!("public, max-age={UNKNOWN_AGE}"),
        Lifetime::Deletable => format!("public, max-age={DELETABLE_AGE}"),
        Lifetime::Until(end) => {
            let left = end.duration_since(SystemTime::now()).unwrap_or_default();
            let age = left.as_secs().min(MOST_AGE);
            format!("public, max-age={age}, immutable")
        }
    }
}

fn insert(head: &mut HeaderMap, name: header::HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("ids, numbers and constants are visible ASCII");
    head.insert(name, value);
}
