//! Scrubbing: reading everything again before somebody needs it.
//!
//! In key order, so that a sliver is checked because the index says it is there, not because a
//! volume happens to have it. Resumable at any key; how fast is up to who calls.

use floe_codec::{BlobId, SegmentIndex};

use crate::{
    engine::StoreFailed,
    key::SliverKey,
    log::{Location, RecordError},
    store::Storage,
    table::IndexError,
    writer::Busy,
};

/// Rows looked at together.
const PAGE: usize = 256;

/// What a step of a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Slivers read.
    pub slivers: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Slivers that are damaged or unreadable. They are out of the inventory and up for recovery.
    pub damaged: Vec<SliverKey>,
    /// Where to go on; `None` when everything was read.
    pub next: Option<SliverKey>,
}

impl Storage {
    /// Reads slivers from `from` on until `max_bytes` were read, and checks each record's checksum
    /// and, with `verify`, whatever the caller knows about the sliver (its committed hash).
    pub fn scrub(
        &self,
        from: Option<SliverKey>,
        max_bytes: u64,
        verify: impl Fn(&SliverKey, &[u8]) -> bool,
    ) -> Result<Scrubbed, IndexError> {
        let mut done = Scrubbed::default();
        let mut from = from;
        loop {
            let slivers = self.snapshot()?.slivers()?;
            let page = slivers.lenient_page(from.as_ref(), PAGE + 1, |_| true)?;
            let next = page.get(PAGE).map(|(key, _)| *key);
            for (key, location) in page.into_iter().take(PAGE) {
                if done.bytes >= max_bytes && done.slivers > 0 {
                    done.next = Some(key);
                    return Ok(done);
                }
                let intact = location.is_some_and(|location| {
                    done.bytes += location.record_size();
                    match self.0.reader.read(&key, &location) {
                        Ok(sliver) => verify(&key, &sliver),
                        Err(RecordError::Damaged(_)) => false,
                        // Says nothing about the sliver: the next pass looks again.
                        Err(RecordError::Io(error)) => {
                            tracing::warn!(%key, %error, "a sliver could not be looked at");
                            true
                        }
                    }
                });
                done.slivers += 1;
                if !intact && self.is_at(&key, location.as_ref())? {
                    self.condemn(key, location);
                    done.damaged.push(key);
                }
            }
            if next.is_none() {
                return Ok(done);
            }
            from = next;
        }
    }

    /// Whether a sliver's row still says this; `None` stands for a damaged row.
    fn is_at(&self, key: &SliverKey, location: Option<&Location>) -> Result<bool, IndexError> {
        match (self.snapshot()?.slivers()?.get(key), location) {
            (Err(error), None) if error.is_damage() => Ok(true),
            (Err(error), _) => Err(error),
            (Ok(current), location) => Ok(current.is_some() && current.as_ref() == location),
        }
    }

    /// Checks the index's own bytes: every row of segment metadata from `from` on, at most
    /// `limit`. Removes damaged rows and returns their keys, and where to go on.
    #[expect(clippy::type_complexity, reason = "two plain answers")]
    pub fn scrub_metadata(
        &self,
        from: Option<(BlobId, SegmentIndex)>,
        limit: usize,
    ) -> Result<(Vec<(BlobId, SegmentIndex)>, Option<(BlobId, SegmentIndex)>), IndexError> {
        let rows = self.snapshot()?.metadata()?;
        let page = rows.lenient_page(from.as_ref(), limit.saturating_add(1), |_| true)?;
        let next = page.get(limit).map(|(key, _)| *key);
        let damaged: Vec<_> = (page.iter().take(limit))
            .filter(|(_, value)| value.is_none())
            .map(|(key, _)| *key)
            .collect();
        for key in damaged.clone() {
            let change = self.0.writer.change::<_, StoreFailed, _>(0, move |tables| {
                if tables.metadata.get(&key).is_err() {
                    tables.metadata.remove(&key)?;
                }
                Ok(Ok(()))
            });
            // If the queue is full, the next scrub finds the row again.
            let _: Result<_, Busy> = change;
        }
        Ok((damaged, next))
    }
}
