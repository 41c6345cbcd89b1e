//! Applies a batch of events: the rules of a blob's life, and their effects on the tables.

use floe_chain::{
    epoch::Epoch,
    event::{BlobCertified, BlobExtended, BlobRegistered, ChainEvent, EventCursor},
    id::ObjectId,
};
use floe_codec::{BlobId, Encoding};

use super::RunDigest;
use crate::{
    index::Writing,
    inventory::BlobSeq,
    table::{IndexError, blob::BlobRow, boundary::Boundary, registration::Registration},
};

/// Boundaries of this many epochs are kept: nodes compare the last one, peers may lag by one.
const BOUNDARIES: u32 = 3;
/// Registrations that expire in one commit: at the start of an epoch there may be a million, and
/// puts wait for the commit.
const EXPIRIES: usize = 4096;

/// Consecutive events of the chain.
///
/// Events at or before the ledger's position are skipped, so batches may overlap, and a batch that
/// was applied in part is simply applied again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBatch {
    /// Everything after this position is in the batch: `up_to` of the batch before.
    pub after: EventCursor,
    /// The events, in order, each at its position.
    pub events: Vec<(EventCursor, ChainEvent)>,
    /// Everything up to here is in the batch: the last event, or later if nothing followed it.
    pub up_to: EventCursor,
}

/// What applying a batch did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Its effects are durable.
    New,
    /// The effects of a part are durable: an epoch began and much expired. Apply it again.
    Partly,
    /// They had been durable before.
    Before,
}

/// Why a batch was not applied. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Events between the ledger and the batch are missing.
    #[error("the ledger stands at {at}, the events continue from {after}")]
    Gap {
        /// Where the ledger stands.
        at: EventCursor,
        /// Where the batch continues from.
        after: EventCursor,
    },
    /// The events of the batch are not in ascending order within its bounds.
    #[error("the event at {0} is out of order")]
    Order(EventCursor),
    /// The event contradicts those before it: the ledger did not see the whole history, or the
    /// chain is not the one it followed.
    #[error("the event at {at} contradicts the ledger: {what}")]
    Contradiction {
        /// The position of the event.
        at: EventCursor,
        /// What does not fit.
        what: &'static str,
    },
}

/// Why applying stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(LedgerError),
    Index(IndexError),
}

impl From<IndexError> for Stop {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

/// Applies a batch within the running transaction. After an error the transaction is worthless.
pub(crate) fn apply(tables: &mut Writing<'_>, batch: &EventBatch) -> Result<Applied, Stop> {
    let stored = tables.ledger.get(&())?;
    let mut row = stored.unwrap_or_default();
    if stored.is_some() && batch.up_to <= row.cursor {
        return Ok(Applied::Before);
    }
    if batch.after > row.cursor {
        return Err(Stop::Refused(LedgerError::Gap {
            at: row.cursor,
            after: batch.after,
        }));
    }
    // Only the very first event of a chain may lie at the cursor that means "before everything".
    let known = stored.map(|row| row.cursor);
    let mut last = None;
    let mut applied = Applied::New;
    for (at, event) in &batch.events {
        if last.is_some_and(|last| *at <= last) || *at > batch.up_to {
            return Err(Stop::Refused(LedgerError::Order(*at)));
        }
        last = Some(*at);
        if known.is_some_and(|known| *at <= known) {
            continue;
        }
        let mut step = Step {
            tables,
            at: *at,
            epoch: row.epoch,
            next_seq: row.next_seq,
        };
        if !step.apply(event)? {
            applied = Applied::Partly;
            break;
        }
        (row.epoch, row.next_seq) = (step.epoch, step.next_seq);
        row.cursor = *at;
    }
    if applied == Applied::New {
        row.cursor = batch.up_to;
    }
    tables.ledger.insert(&(), &row)?;
    Ok(applied)
}

/// One event being applied.
struct Step<'a, 't> {
    tables: &'a mut Writing<'t>,
    at: EventCursor,
    epoch: Epoch,
    next_seq: BlobSeq,
}

impl Step<'_, '_> {
    /// Whether the event was applied completely.
    fn apply(&mut self, event: &ChainEvent) -> Result<bool, Stop> {
        match event {
            ChainEvent::BlobRegistered(event) => self.register(event)?,
            ChainEvent::BlobCertified(event) => self.certify(event)?,
            ChainEvent::BlobExtended(event) => self.extend(event)?,
            ChainEvent::BlobDeleted(event) => self.end_registration(&event.blob, &event.object)?,
            ChainEvent::BlobInconsistent(event) => self.invalidate(&event.blob)?,
            ChainEvent::EpochStarted(event) => return self.start_epoch(event.epoch),
            // What is stored depends on nothing else.
            _ => {}
        }
        Ok(true)
    }

    fn contradiction(&self, what: &'static str) -> Stop {
        Stop::Refused(LedgerError::Contradiction { at: self.at, what })
    }

    /// A registration that must exist, and its blob.
    fn registration(
        &self,
        blob: &BlobId,
        object: &ObjectId,
    ) -> Result<(Registration, BlobRow), Stop> {
        let registration = self.tables.registrations.get(&(*blob, *object))?;
        let registration =
            registration.ok_or_else(|| self.contradiction("there is no such registration"))?;
        let row = self.tables.blobs.get(blob)?;
        let row = row.ok_or_else(|| self.contradiction("the blob is not registered"))?;
        Ok((registration, row))
    }

    fn register(&mut self, event: &BlobRegistered) -> Result<(), Stop> {
        let (blob, size, encoding) = (&event.blob, event.size, event.encoding);
        let registration = Registration {
            end: event.end,
            deletable: event.deletable,
            certified: false,
        };
        if registration.end <= self.epoch {
            return Err(self.contradiction("the registration is over before it begins"));
        }
        let key = (*blob, event.object);
        if self.tables.registrations.get(&key)?.is_some() {
            return Err(self.contradiction("the registration exists"));
        }
        let before = self.tables.blobs.get(blob)?;
        let known = before.filter(|row| row.registered > 0);
        if known.is_some_and(|row| (row.size, row.encoding) != (size, encoding)) {
            return Err(self.contradiction("the blob has another size or encoding"));
        }
        let row = before.unwrap_or_else(|| BlobRow::new(size, encoding));
        let row = BlobRow {
            size,
            encoding,
            registered: row.registered + 1,
            ..row
        };
        self.tables.registrations.insert(&key, &registration)?;
        let expiry = (registration.end, *blob, event.object);
        self.tables.expiries.insert(&expiry, &())?;
        self.settle(blob, before, row)
    }

    fn certify(&mut self, event: &BlobCertified) -> Result<(), Stop> {
        let (blob, object, end) = (&event.blob, &event.object, event.end);
        let (registration, before) = self.registration(blob, object)?;
        if registration.certified {
            return Err(self.contradiction("the registration is certified already"));
        }
        if registration.end != end {
            return Err(self.contradiction("the registration ends in another epoch"));
        }
        let certified = Registration {
            certified: true,
            ..registration
        };
        let key = (*blob, *object);
        self.tables.registrations.insert(&key, &certified)?;
        let row = BlobRow {
            certified: before.certified + 1,
            certified_ends: before.certified_ends.wrapping_add(end.get().into()),
            ..before
        };
        self.settle(blob, Some(before), row)
    }

    fn extend(&mut self, event: &BlobExtended) -> Result<(), Stop> {
        let (blob, object, end) = (&event.blob, &event.object, event.end);
        let (registration, before) = self.registration(blob, object)?;
        if end < registration.end {
            return Err(self.contradiction("the extension ends earlier"));
        }
        let expiry = (registration.end, *blob, *object);
        self.tables.expiries.remove(&expiry)?;
        self.tables.expiries.insert(&(end, *blob, *object), &())?;
        let extended = Registration {
            end,
            ..registration
        };
        let key = (*blob, *object);
        self.tables.registrations.insert(&key, &extended)?;
        let mut row = before;
        if registration.certified {
            row.certified_ends = (row.certified_ends)
                .wrapping_sub(registration.end.get().into())
                .wrapping_add(end.get().into());
        }
        self.settle(blob, Some(before), row)
    }

    /// Deletion and expiry.
    fn end_registration(&mut self, blob: &BlobId, object: &ObjectId) -> Result<(), Stop> {
        let (registration, before) = self.registration(blob, object)?;
        let key = (*blob, *object);
        self.tables.registrations.remove(&key)?;
        let expiry = (registration.end, *blob, *object);
        self.tables.expiries.remove(&expiry)?;
        let mut row = before;
        row.registered = row.registered.saturating_sub(1);
        if registration.certified {
            row.certified = row.certified.saturating_sub(1);
            row.certified_ends = (row.certified_ends).wrapping_sub(registration.end.get().into());
        }
        self.settle(blob, Some(before), row)
    }

    fn invalidate(&mut self, blob: &BlobId) -> Result<(), Stop> {
        let before = self.tables.blobs.get(blob)?;
        // A blob that was never registered has no size; its slivers are refused all the same.
        let row = before.unwrap_or_else(|| BlobRow::new(0, Encoding::RedStuff8));
        let row = BlobRow {
            invalid: true,
            ..row
        };
        self.settle(blob, before, row)
    }

    /// Lets registrations expire, and if that was all of them, begins the epoch.
    fn start_epoch(&mut self, epoch: Epoch) -> Result<bool, Stop> {
        if epoch <= self.epoch && self.epoch != Epoch::ZERO {
            return Err(self.contradiction("the epoch began before"));
        }
        let over = |key: &(Epoch, BlobId, ObjectId)| key.0 <= epoch;
        let page = self.tables.expiries.page(None, EXPIRIES, over)?;
        for ((_, blob, object), ()) in &page {
            self.end_registration(blob, object)?;
        }
        if page.len() == EXPIRIES {
            return Ok(false);
        }
        self.epoch = epoch;
        let runs = self.tables.digests.page(None, usize::MAX, |_| true)?;
        let boundary = Boundary {
            cursor: self.at,
            next_seq: self.next_seq,
            runs: runs.into_iter().map(|(_, digest)| digest).collect(),
        };
        self.tables.boundaries.insert(&epoch, &boundary)?;
        let old = |key: &Epoch| key.get().saturating_add(BOUNDARIES) <= epoch.get();
        for (key, _) in self.tables.boundaries.page(None, usize::MAX, old)? {
            self.tables.boundaries.remove(&key)?;
        }
        self.tables.advance_watermarks(self.next_seq)?;
        Ok(true)
    }

    /// Writes a blob's row and whatever follows from the difference.
    fn settle(
        &mut self,
        blob: &BlobId,
        before: Option<BlobRow>,
        mut row: BlobRow,
    ) -> Result<(), Stop> {
        match (row.live, row.should_live()) {
            (None, true) => {
                let seq = self.next_seq;
                self.next_seq = seq.next();
                row.live = Some(seq);
                self.tables.begin_life(blob, seq, &row)?;
            }
            (Some(seq), false) => {
                row.live = None;
                self.tables.end_life(seq)?;
            }
            _ => {}
        }
        let was_kept = before.is_none_or(|row| row.is_kept());
        if was_kept && !row.is_kept() {
            self.tables.garbage.insert(&(self.epoch, *blob), &())?;
        }
        if let Some(seq) = row.live.or(before.and_then(|row| row.live)) {
            let run = RunDigest::run_of(seq);
            let sum = self.tables.digests.get(&run)?.unwrap_or_default();
            let old = before.map_or(RunDigest::default(), |row| RunDigest::of(blob, &row));
            let new = RunDigest::of(blob, &row);
            self.tables
                .digests
                .insert(&run, &sum.minus(old).plus(new))?;
        }
        Ok(self.tables.blobs.insert(blob, &row)?)
    }
}
