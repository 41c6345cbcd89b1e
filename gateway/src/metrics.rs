//! What a gateway counts. Clones count together.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: u16,
}

/// The counters of one gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    requests: Family<Status, Counter>,
    pub(crate) sending: Gauge,
    pub(crate) sent: Counter,
    pub(crate) aborted: Counter,
    pub(crate) connections: Gauge,
    pub(crate) fetched: Counter,
    pub(crate) shared: Counter,
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) damaged: Counter,
    pub(crate) evicted: Counter,
    pub(crate) unwritten: Counter,
    pub(crate) cached_bytes: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// A request was answered, at least with its head.
    pub(crate) fn answered(&self, status: u16) {
        self.requests.get_or_create(&Status { status }).inc();
    }

    /// All of them, under the names operators see.
    pub(crate) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("floe_gateway");
        registry.register(
            "requests",
            "Requests answered, by HTTP status",
            self.requests.clone(),
        );
        let counters = [
            (&self.sent, "sent_bytes", "Bytes of blobs given to readers"),
            (
                &self.aborted,
                "aborted",
                "Answers cut short because the rest could not be read",
            ),
            (
                &self.fetched,
                "fetched_segments",
                "Segments read from the network",
            ),
            (
                &self.shared,
                "shared_fetches",
                "Times a reader waited for a segment that was being fetched for another",
            ),
            (&self.hits, "cache_hits", "Segments found in the cache"),
            (
                &self.misses,
                "cache_misses",
                "Segments not found in the cache",
            ),
            (
                &self.damaged,
                "cache_damaged",
                "Cached segments that were damaged, and dropped",
            ),
            (
                &self.evicted,
                "cache_evicted",
                "Cached segments that made room",
            ),
            (
                &self.unwritten,
                "cache_unwritten",
                "Segments that could not be written to the cache",
            ),
        ];
        for (counter, name, help) in counters {
            registry.register(name, help, counter.clone());
        }
        let gauges = [
            (&self.sending, "sending", "Blobs being sent"),
            (&self.connections, "connections", "Connections open"),
        ];
        for (gauge, name, help) in gauges {
            registry.register(name, help, gauge.clone());
        }
        registry.register(
            "cache_bytes",
            "Bytes in the cache",
            self.cached_bytes.clone(),
        );
        registry
    }
}
