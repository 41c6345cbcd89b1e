//! What a session may use, and the meter that says when it has.

use crate::failure::{FailureKind, Limit};

/// Bounds of one session. The defaults are those of Sui where it has one.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Steps: one per instruction, plus the weight of every value copied, compared or encoded, plus
    /// the price of natives.
    pub steps: u64,
    /// Memory held at once, in units of one leaf value (40 bytes, or 32 bytes of a byte vector).
    pub memory: u64,
    /// Calls within calls.
    pub call_depth: usize,
    /// Values on the operand stack.
    pub stack: usize,
    /// Object ids created.
    pub created_ids: usize,
    /// Object ids deleted.
    pub deleted_ids: usize,
    /// Objects transferred, shared or frozen.
    pub transfers: usize,
    /// Events emitted.
    pub events: usize,
    /// Bytes of one event.
    pub event_bytes: usize,
    /// Bytes of all events together.
    pub event_bytes_total: usize,
    /// Dynamic fields touched, absent ones included.
    pub children: usize,
    /// Bytes of one object.
    pub object_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 50_000_000,
            memory: 2 << 20,
            call_depth: 1024,
            stack: 1024,
            created_ids: 2048,
            deleted_ids: 2048,
            transfers: 2048,
            events: 1024,
            event_bytes: 250 << 10,
            event_bytes_total: 64_000 << 10,
            children: 1000,
            object_bytes: 250 << 10,
        }
    }
}

/// `Ok` while `count` is at most `maximum`.
pub(crate) fn within(limit: Limit, count: usize, maximum: usize) -> Result<(), FailureKind> {
    if count <= maximum {
        return Ok(());
    }
    Err(FailureKind::Limit {
        limit,
        maximum: u64::try_from(maximum).unwrap_or(u64::MAX),
    })
}

/// Counts steps down and allocations up.
#[derive(Debug)]
pub(crate) struct Meter {
    allowed: u64,
    left: u64,
    memory: u64,
    /// Weight that may still be allocated before live memory must be counted again.
    until_audit: u64,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            allowed: limits.steps,
            left: limits.steps,
            memory: limits.memory,
            until_audit: limits.memory,
        }
    }

    pub(crate) fn used(&self) -> u64 {
        self.allowed - self.left
    }

    pub(crate) fn charge(&mut self, steps: u64) -> Result<(), FailureKind> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(FailureKind::OutOfSteps {
                    allowed: self.allowed,
                })
            }
        }
    }

    /// Notes that a value of this weight was allocated. Releases are not noted: see
    /// [`Self::audit_is_due`].
    pub(crate) fn allocate(&mut self, weight: u64) {
        self.until_audit = self.until_audit.saturating_sub(weight);
    }

    /// Whether so much was allocated since the last count that live memory may exceed its bound.
    pub(crate) fn audit_is_due(&self) -> bool {
        self.until_audit == 0
    }

    /// Takes the weight of everything alive. Memory is thus counted once per half a bound's worth of
    /// allocations instead of at every release.
    pub(crate) fn audit(&mut self, live: u64) -> Result<(), FailureKind> {
        if live > self.memory {
            return Err(FailureKind::Limit {
                limit: Limit::Memory,
                maximum: self.memory,
            });
        }
        self.until_audit = (self.memory - live).max(self.memory / 2);
        // Counting is work too.
        self.charge(live / 4)
    }
}
