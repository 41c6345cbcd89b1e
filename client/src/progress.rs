//! What a journey tells while it runs: a typed stream of events. Owns no text and no terminal.

use std::sync::Arc;

use serde::Serialize;

/// A part of a journey. A journey goes through its phases in order; a repeated phase (a new
/// committee, a retry) is announced again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reading a read-once input into the spool.
    Spool,
    /// Encoding once, to learn the blob id.
    Encode,
    /// Buying storage and registering the blob on chain.
    Reserve,
    /// Encoding again and sending sliver pairs to their owners.
    Upload,
    /// Collecting signed confirmations.
    Confirm,
    /// Writing the certificate on chain.
    Certify,
    /// Certified; slow nodes get what they still miss.
    Tail,
    /// Fetching, verifying and releasing bytes.
    Read,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A phase begins.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// Bytes done in a phase. `total` is absent while nobody knows it.
    Bytes {
        /// Which.
        phase: Phase,
        /// Bytes done so far.
        done: u64,
        /// Bytes there are.
        total: Option<u64>,
    },
    /// Confirmed shard weight.
    Confirmed {
        /// Shards whose owners have signed.
        shards: u32,
        /// Shards needed for a certificate.
        quorum: u32,
        /// All shards.
        total: u32,
    },
    /// From here on an interrupted store can go on where it was.
    Resumable {
        /// The blob's id.
        blob: String,
    },
    /// The journal has work of an earlier attempt.
    Resumed {
        /// Slivers that need not be sent again.
        slivers: u64,
    },
    /// A node does not answer as it should; the journey goes on without it.
    NodeFailed {
        /// Its node id.
        node: String,
        /// What happened.
        reason: String,
    },
    /// The committee changed; the journey goes on with the new one.
    EpochChanged {
        /// The epoch that began.
        epoch: u32,
    },
}

/// Listens to a journey. Called from its tasks: must return at once.
pub trait Observer: Send + Sync {
    /// One event.
    fn on(&self, event: Event);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _: Event) {}
}

impl<F: Fn(Event) + Send + Sync> Observer for F {
    fn on(&self, event: Event) {
        self(event);
    }
}

/// A shared listener.
pub type Listener = Arc<dyn Observer>;
