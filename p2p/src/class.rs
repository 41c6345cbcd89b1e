//! What a connection is entitled to, by who is on its other side.

use crate::{
    identity::PeerId,
    transport::Credit,
    wire::{Kind, TrafficClass},
};

/// Who a peer is to this node, decided right after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionClass {
    /// Anybody.
    Anonymous,
    /// A client this node has agreed to serve better.
    Known,
    /// A member of the committee, of this epoch or a neighbouring one.
    Committee,
}

impl ConnectionClass {
    /// Every class, least entitled first.
    pub const ALL: [Self; 3] = [Self::Anonymous, Self::Known, Self::Committee];

    /// What the peer may have open and in flight on its connection.
    #[must_use]
    pub const fn credit(self) -> Credit {
        match self {
            Self::Anonymous => Credit {
                streams: 16,
                window: 256 << 10,
                send_window: 2 << 20,
            },
            Self::Known => Credit {
                streams: 64,
                window: 512 << 10,
                send_window: 4 << 20,
            },
            Self::Committee => Credit {
                streams: 256,
                window: 512 << 10,
                send_window: 8 << 20,
            },
        }
    }

    /// The class in which a peer's request is served, whatever it claims: only what is small is urgent,
    /// and only members of the committee challenge.
    #[must_use]
    pub const fn serves_as(self, kind: Kind, claimed: TrafficClass) -> TrafficClass {
        let bulk = match kind {
            Kind::GET_METADATA | Kind::GET_SLIVER | Kind::GET_SYMBOLS | Kind::GET_INCONSISTENCY => {
                Some(TrafficClass::Read)
            }
            Kind::PUT_METADATA | Kind::PUT_SLIVER | Kind::PUT_INCONSISTENCY => {
                Some(TrafficClass::Write)
            }
            _ => None,
        };
        match (claimed, bulk) {
            (TrafficClass::Control, Some(bulk)) => bulk,
            (TrafficClass::Read, Some(TrafficClass::Write)) => TrafficClass::Write,
            (TrafficClass::Challenge, _) if !matches!(self, Self::Committee) => TrafficClass::Read,
            (claimed, _) => claimed,
        }
    }

    /// A word for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Known => "known",
            Self::Committee => "committee",
        }
    }
}

/// Decides the class of a peer. The node asks its committee; tests and clients use a function.
pub trait Classify: Send + Sync + 'static {
    /// The class of `peer` now.
    fn classify(&self, peer: &PeerId) -> ConnectionClass;
}

impl<F: Fn(&PeerId) -> ConnectionClass + Send + Sync + 'static> Classify for F {
    fn classify(&self, peer: &PeerId) -> ConnectionClass {
        self(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_makes_bulk_urgent_or_challenges_uninvited() {
        use ConnectionClass::{Anonymous, Committee};
        use TrafficClass::{Challenge, Control, Read, Scrub, Write};
        assert_eq!(Committee.serves_as(Kind::GET_SLIVER, Control), Read);
        assert_eq!(Anonymous.serves_as(Kind::PUT_SLIVER, Read), Write);
        assert_eq!(Anonymous.serves_as(Kind::HEALTH, Control), Control);
        assert_eq!(Committee.serves_as(Kind::GET_SYMBOLS, Scrub), Scrub);
        assert_eq!(Anonymous.serves_as(Kind::GET_SYMBOLS, Challenge), Read);
        assert_eq!(Committee.serves_as(Kind::GET_SYMBOLS, Challenge), Challenge);
    }
}
