//! What the data plane counts, and the doors of both planes. The doc comment of a field is its help text
//! for operators.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokio::time::Instant;

use crate::{
    class::ConnectionClass,
    guard::{Action, Limit, Plane},
    wire::{Kind, Status, TrafficClass},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    kind: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    plane: &'static str,
    limit: &'static str,
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PlaneLabel {
    plane: &'static str,
}

/// The counters of one data plane.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter<u64, AtomicU64>>,
    seconds: Family<ClassLabel, Histogram>,
    open: Family<ClassLabel, Gauge>,
    connections: Family<ClassLabel, Gauge>,
    malformed: Counter,
    limits: Family<LimitLabels, Counter<u64, AtomicU64>>,
    handshakes: Family<PlaneLabel, Gauge>,
    waiting: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            open: Family::default(),
            connections: Family::default(),
            malformed: Counter::default(),
            limits: Family::default(),
            handshakes: Family::default(),
            waiting: Gauge::default(),
        }
    }
}

/// Upper bounds of the answer-time buckets.
const SECONDS: [f64; 10] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

impl Metrics {
    /// Adds every metric to `registry`, under the names operators see.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "data_requests",
            "Requests answered, by kind and status",
            self.requests.clone(),
        );
        registry.register(
            "data_request_seconds",
            "Time from the head of a request to the end of its answer, by traffic class",
            self.seconds.clone(),
        );
        registry.register(
            "data_requests_open",
            "Requests being answered, by traffic class",
            self.open.clone(),
        );
        registry.register(
            "data_connections",
            "Connections being served, by class of the peer",
            self.connections.clone(),
        );
        registry.register(
            "data_malformed",
            "Streams that did not begin with a request",
            self.malformed.clone(),
        );
        registry.register(
            "limits",
            "What a limit did: refused, evicted or banned, by plane and limit; asked means that a stranger \
             had to prove its address first",
            self.limits.clone(),
        );
        registry.register(
            "handshakes_open",
            "QUIC handshakes from outside under way, by plane",
            self.handshakes.clone(),
        );
        registry.register(
            "data_requests_waiting",
            "Requests that wait for their turn to be worked on",
            self.waiting.clone(),
        );
    }

    pub(crate) fn limited(&self, plane: Plane, action: Action, limit: Limit) {
        self.count_limit(plane, action.word(), limit);
    }

    /// A stranger was asked for the proof of its address.
    pub(crate) fn asked_for_proof(&self, plane: Plane) {
        self.count_limit(plane, "asked", Limit::Handshakes);
    }

    fn count_limit(&self, plane: Plane, action: &'static str, limit: Limit) {
        let labels = LimitLabels {
            plane: plane.word(),
            limit: limit.word(),
            action,
        };
        self.limits.get_or_create(&labels).inc();
    }

    pub(crate) fn handshakes(&self, plane: Plane, under_way: usize) {
        let label = PlaneLabel {
            plane: plane.word(),
        };
        let under_way = i64::try_from(under_way).unwrap_or(i64::MAX);
        self.handshakes.get_or_create(&label).set(under_way);
    }

    pub(crate) fn waiting(&self) -> OpenGauge {
        OpenGauge::new(self.waiting.clone())
    }

    pub(crate) fn malformed(&self) {
        self.malformed.inc();
    }

    pub(crate) fn connection(&self, class: ConnectionClass) -> OpenGauge {
        OpenGauge::new(
            self.connections
                .get_or_create(&ClassLabel {
                    class: class.name(),
                })
                .clone(),
        )
    }

    pub(crate) fn request(&self, kind: Kind, class: TrafficClass) -> RequestTimer<'_> {
        let label = ClassLabel {
            class: class.name(),
        };
        let open = OpenGauge::new(self.open.get_or_create(&label).clone());
        RequestTimer {
            metrics: self,
            kind,
            label,
            start: Instant::now(),
            _open: open,
        }
    }
}

/// One that is open until this is dropped.
pub(crate) struct OpenGauge(Gauge);

impl OpenGauge {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Measures one request; dropped without [`Self::end`] (cancelled) it counts nothing.
pub(crate) struct RequestTimer<'a> {
    metrics: &'a Metrics,
    kind: Kind,
    label: ClassLabel,
    start: Instant,
    _open: OpenGauge,
}

impl RequestTimer<'_> {
    pub(crate) fn end(self, status: &Status) {
        // Numbers without meaning share one label: a peer cannot invent time series.
        let kind = self.kind.name().unwrap_or("unknown");
        let labels = RequestLabels {
            kind,
            status: status.name(),
        };
        self.metrics.requests.get_or_create(&labels).inc();
        let seconds = self.start.elapsed().as_secs_f64();
        self.metrics
            .seconds
            .get_or_create(&self.label)
            .observe(seconds);
    }
}
