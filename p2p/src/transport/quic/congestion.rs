//! How fast a connection sends: Cubic, which does not slow down for packets that were lost by chance. On
//! a line that loses one packet in ten, Cubic alone comes to a standstill at four packets a round trip.
//!
//! Where a queue overflows, the packets before the lost ones waited in it: round trips take longer than
//! the shortest. Losses without that are the line's own, as long as they are not too many.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use quinn_proto::RttEstimator;

/// Cubic with an opinion on losses.
pub(super) struct Persistent {
    cubic: Box<dyn Controller>,
    losses: Losses,
}

/// Makes one for each connection.
pub(super) struct PersistentConfig(Arc<CubicConfig>);

impl PersistentConfig {
    /// Bytes sent before the first confirmation: 32 packets of the least size. The ten of RFC 9002 cost one
    /// or two more round trips for a sliver.
    const FIRST_WINDOW: u64 = 32 * 1200;
}

impl Default for PersistentConfig {
    fn default() -> Self {
        let mut cubic = CubicConfig::default();
        cubic.initial_window(Self::FIRST_WINDOW);
        Self(Arc::new(cubic))
    }
}

impl ControllerFactory for PersistentConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Persistent {
            cubic: Arc::clone(&self.0).build(now, current_mtu),
            losses: Losses::default(),
        })
    }
}

/// What was lost lately, of how much, and how long round trips take.
#[derive(Clone, Copy, Debug, Default)]
struct Losses {
    arrived: u64,
    lost: u64,
    round_trip: Duration,
    shortest: Duration,
}

impl Losses {
    /// Bytes over which losses are counted: older ones count half.
    const MEMORY: u64 = 256 << 10;
    /// Of so many bytes the share says little.
    const FEW: u64 = 24 << 10;

    fn arrived(&mut self, bytes: u64, round_trip: Duration, shortest: Duration) {
        self.arrived += bytes;
        (self.round_trip, self.shortest) = (round_trip, shortest);
        if self.arrived + self.lost > Self::MEMORY {
            self.arrived /= 2;
            self.lost /= 2;
        }
    }

    fn lost(&mut self, bytes: u64) {
        self.lost += bytes;
    }

    /// Whether the last losses are the line's own: no queue is growing, and not more than a fifth is
    /// lost.
    fn are_chance(&self) -> bool {
        let waiting = self.round_trip.saturating_sub(self.shortest) * 4 > self.shortest;
        let all = self.arrived + self.lost;
        !waiting && self.lost * 5 <= all.max(Self::FEW)
    }
}

impl Controller for Persistent {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.losses.arrived(bytes, rtt.get(), rtt.min());
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.cubic
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.losses.lost(lost_bytes);
        // A router that marks packets instead says that its queue grows.
        let marked = lost_bytes == 0;
        if is_persistent_congestion || marked || !self.losses.are_chance() {
            self.cubic
                .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.cubic.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.cubic.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            cubic: self.cubic.clone_box(),
            losses: self.losses,
        })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_packet_in_ten_is_chance_unless_round_trips_grow() {
        let mut losses = Losses::default();
        for packet in 0..1000 {
            if packet % 10 == 0 {
                losses.lost(1200);
            } else {
                losses.arrived(1200, SECOND, SECOND);
            }
            assert!(losses.are_chance(), "after {packet} packets");
        }
        losses.arrived(1200, SECOND * 5 / 4, SECOND);
        assert!(losses.are_chance());
        losses.arrived(1200, SECOND * 4 / 3, SECOND);
        assert!(!losses.are_chance(), "a queue grows");
    }

    #[test]
    fn many_losses_are_congestion_and_are_forgotten() {
        let mut losses = Losses::default();
        for _ in 0..50 {
            losses.lost(1200);
            losses.lost(1200);
            losses.arrived(1200, SECOND, SECOND);
        }
        assert!(!losses.are_chance());
        for _ in 0..1000 {
            losses.arrived(1200, SECOND, SECOND);
        }
        assert!(losses.are_chance());
    }
}
