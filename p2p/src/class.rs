//! What a connection is entitled to, by who is on its other side.

use crate::{identity::PeerId, transport::Credit};

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
                streams: 32,
                window: 2 << 20,
            },
            Self::Known => Credit {
                streams: 64,
                window: 8 << 20,
            },
            Self::Committee => Credit {
                streams: 256,
                window: 16 << 20,
            },
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
