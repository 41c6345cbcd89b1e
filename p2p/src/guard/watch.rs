//! What the limits did lately: counted for dashboards, and the last of it in words for whoever asks why
//! a peer was refused.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::site::Site;
use crate::{
    control::{plane::wall_clock, score::Fault},
    identity::PeerId,
    metrics::Metrics,
};

/// Which way a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// Blobs, over QUIC.
    Data,
    /// Discovery, gossip and small requests, over libp2p.
    Control,
}

impl Plane {
    /// A word for metrics and operators.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Control => "control",
        }
    }
}

/// Whom something happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A peer whose identity is proven.
    Peer(PeerId),
    /// Whoever is at an address.
    At(Site),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => peer.fmt(f),
            Self::At(site) => site.fmt(f),
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A packet was not answered, or a connection or request refused.
    Refused,
    /// A handshake or connection was ended for somebody else.
    Evicted,
    /// Refused for a while, whatever it asks.
    Banned,
}

impl Action {
    /// A word for metrics and operators.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Evicted => "evicted",
            Self::Banned => "banned",
        }
    }
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident, $word:literal;)*) => {
        /// What may refuse, evict or ban. The documentation of a limit is what operators are told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Limit {
            $($(#[$doc])* $name,)*
        }

        impl Limit {
            /// Every limit.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// A word for metrics and programs.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

limits! {
    /// Places for handshakes.
    Handshakes, "handshakes";
    /// Handshakes of one host a second.
    HostRate, "handshakes_per_host";
    /// Handshakes of one subnet a second.
    SubnetRate, "handshakes_per_subnet";
    /// Handshakes that came to nothing.
    FailedHandshakes, "failed_handshakes";
    /// Places for connections.
    Connections, "connections";
    /// Connections of one host.
    ConnectionsPerHost, "connections_per_host";
    /// Connections of one subnet.
    ConnectionsPerSubnet, "connections_per_subnet";
    /// Requests that break the protocol, or bytes that are not what they should be.
    BadRequests, "bad_requests";
    /// Streams kept open and hardly used.
    Dripping, "dripping";
    /// Requests before the time it was told to wait for.
    Hasty, "hasty";
    /// It is banned for an earlier fault.
    Banned, "banned";
    /// Requests a second.
    Requests, "requests";
    /// Symbols a second.
    Symbols, "symbols";
    /// Bytes it brings a second.
    BytesIn, "bytes_in";
    /// Bytes it is sent a second.
    BytesOut, "bytes_out";
    /// Requests open at this node.
    OpenRequests, "open_requests";
    /// Its turn did not come before its deadline.
    Turns, "turns";
    /// Memory for what peers bring.
    MemoryIn, "memory_in";
    /// Memory for answers.
    MemoryOut, "memory_out";
}

impl From<Fault> for Limit {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Dripping => Self::Dripping,
            Fault::Hasty | Fault::Flooding | Fault::Spam => Self::Hasty,
            Fault::BadRequest | Fault::Malformed | Fault::Forged | Fault::Unanswered => {
                Self::BadRequests
            }
        }
    }
}

/// Something a limit did, once or several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Where.
    pub plane: Plane,
    /// To whom.
    pub who: Who,
    /// What.
    pub action: Action,
    /// Which limit it was.
    pub limit: Limit,
    /// How often.
    pub times: u64,
    /// When last, in milliseconds since 1970.
    pub last_ms: u64,
}

/// Counts what limits do, and remembers the last of it.
#[derive(Debug)]
pub struct Watch {
    metrics: Arc<Metrics>,
    incidents: Mutex<VecDeque<Incident>>,
}

impl Watch {
    /// Incidents remembered; the one that happened again longest ago is forgotten first.
    pub const INCIDENTS: usize = 256;

    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            incidents: Mutex::default(),
        }
    }

    pub(crate) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// A limit did something.
    pub(crate) fn note(&self, plane: Plane, who: Who, action: Action, limit: Limit) {
        self.metrics.limited(plane, action, limit);
        let mut incidents = self.lock();
        let same = |known: &Incident| {
            (known.plane, known.who) == (plane, who)
                && (known.action, known.limit) == (action, limit)
        };
        let times = match incidents.iter().position(same) {
            Some(at) => incidents.remove(at).map_or(0, |known| known.times),
            None => 0,
        };
        if incidents.len() == Self::INCIDENTS {
            incidents.pop_front();
        }
        incidents.push_back(Incident {
            plane,
            who,
            action,
            limit,
            times: times + 1,
            last_ms: wall_clock().as_ms(),
        });
    }

    /// What happened lately, the latest last.
    #[must_use]
    pub fn incidents(&self) -> Vec<Incident> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Incident>> {
        // No code under this lock panics, so a poisoned one still guards whole data.
        self.incidents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_words_of_their_own() {
        let words: std::collections::HashSet<_> =
            Limit::ALL.iter().map(|limit| limit.word()).collect();
        assert_eq!(words.len(), Limit::ALL.len());
    }

    #[test]
    fn the_same_again_is_one_incident_and_their_number_is_bounded() {
        let watch = Watch::new(Arc::default());
        let site = Site::from(std::net::IpAddr::from([192, 0, 2, 1]));
        let loud = Who::At(site);
        for _ in 0..10_000 {
            let other = Who::Peer(PeerId::random());
            watch.note(Plane::Data, other, Action::Refused, Limit::Requests);
            watch.note(Plane::Control, loud, Action::Refused, Limit::Handshakes);
        }
        let incidents = watch.incidents();
        assert_eq!(incidents.len(), Watch::INCIDENTS);
        let last = incidents.last().unwrap();
        assert_eq!((last.who, last.times), (loud, 10_000));
    }
}
