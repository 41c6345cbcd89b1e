//! What the control plane counts. The doc comment of a field is its help text for operators.

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};

use super::{book::AddressBook, score::Fault, topic::Topic};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GossipLabels {
    topic: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TopicLabel {
    topic: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhatLabel {
    what: &'static str,
}

/// The counters of one control plane.
#[derive(Debug, Default)]
pub struct Metrics {
    messages: Family<GossipLabels, Counter<u64, AtomicU64>>,
    bytes: Family<TopicLabel, Counter<u64, AtomicU64>>,
    published: Family<TopicLabel, Counter<u64, AtomicU64>>,
    faults: Family<WhatLabel, Counter<u64, AtomicU64>>,
    saturated: Family<WhatLabel, Counter<u64, AtomicU64>>,
    peers: Family<WhatLabel, Gauge>,
}

impl Metrics {
    /// Adds every metric to `registry`, under the names operators see.
    pub fn register(&self, registry: &mut Registry, book: Arc<AddressBook>) {
        registry.register(
            "gossip_messages",
            "Gossip messages judged, by topic and verdict",
            self.messages.clone(),
        );
        registry.register(
            "gossip_bytes",
            "Bytes of gossip messages received, by topic; copies are not counted",
            self.bytes.clone(),
        );
        registry.register(
            "gossip_published_bytes",
            "Bytes of gossip messages this node wrote, by topic",
            self.published.clone(),
        );
        registry.register(
            "control_faults",
            "Faults of peers, by what they did",
            self.faults.clone(),
        );
        registry.register(
            "control_saturated",
            "Work refused because a limit was reached, by limit: queues (check, requests), what one \
             peer may send (gossip_frames, gossip_messages, peer_requests) or leave (unread_answers), \
             what strangers may send together (gossip_strangers), connections of strangers \
             (connections: refused, places: one made room for another), entries of one subnet in the \
             table (table_places)",
            self.saturated.clone(),
        );
        registry.register(
            "control_peers",
            "Peers of the control plane: connected, members (those of them in a committee), banned",
            self.peers.clone(),
        );
        registry.register_collector(Box::new(Origins(book)));
    }

    pub(super) fn judged(&self, topic: Topic, verdict: &'static str, bytes: usize) {
        let topic = topic.word();
        let labels = GossipLabels { topic, verdict };
        self.messages.get_or_create(&labels).inc();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes
            .get_or_create(&TopicLabel { topic })
            .inc_by(bytes);
    }

    pub(super) fn published(&self, topic: Topic, bytes: usize) {
        let topic = topic.word();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.published
            .get_or_create(&TopicLabel { topic })
            .inc_by(bytes);
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.faults
            .get_or_create(&WhatLabel { what: fault.word() })
            .inc();
    }

    pub(super) fn saturated(&self, what: &'static str) {
        self.saturated.get_or_create(&WhatLabel { what }).inc();
    }

    pub(super) fn peers(&self, what: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.peers.get_or_create(&WhatLabel { what }).set(count);
    }
}

/// Counts addresses of members by origin when somebody looks.
#[derive(Debug)]
struct Origins(Arc<AddressBook>);

impl Collector for Origins {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Committee members by where their address is known from: their signed record, \
                    the chain's hint, or nowhere";
        let name = "member_addresses";
        let gauge = ConstGauge::new(0_i64);
        let mut family = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
        for (origin, count) in self.0.origins() {
            let label = [("origin", origin.word())];
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            ConstGauge::new(count).encode(family.encode_family(&label)?)?;
        }
        Ok(())
    }
}
