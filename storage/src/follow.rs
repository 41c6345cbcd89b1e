//! Following the chain: applying events, and asking the ledger.

use floe_chain::{epoch::Epoch, event::EventCursor, id::ObjectId};
use floe_codec::{BlobId, BlobLayout, Encoding};

use crate::{
    engine::StoreFailed,
    inventory::BlobSeq,
    ledger::{Applied, EventBatch, LedgerError, RunDigest, Stop, apply},
    store::Storage,
    table::{IndexError, boundary::Boundary, registration::Registration},
    writer::{Busy, Pending},
};

/// Why events were not applied. None of the batch were.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// They do not follow from what was applied before.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// See [`StoreFailed`].
    #[error(transparent)]
    Failed(#[from] StoreFailed),
}

/// A blob as the ledger knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobStatus {
    /// Bytes of the blob.
    pub size: u64,
    /// How it is coded.
    pub encoding: Encoding,
    /// Registrations that are neither deleted nor past their end.
    pub registered: u32,
    /// Those of them that are certified.
    pub certified: u32,
    /// Whether it was found to be inconsistently encoded.
    pub invalid: bool,
    /// Its sequence number while it is live: certified and not invalid.
    pub live: Option<BlobSeq>,
}

impl BlobStatus {
    /// Whether its slivers may be stored and served.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.registered > 0 && !self.invalid
    }
}

/// Where the ledger stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerPosition {
    /// The last position whose effects are durable.
    pub cursor: EventCursor,
    /// The epoch of the last `EpochStarted`.
    pub epoch: Epoch,
    /// The number the next blob to become live gets.
    pub next_seq: BlobSeq,
    /// The sum of the digests of all runs: equal on all nodes that saw the same events.
    pub digest: RunDigest,
}

impl Storage {
    /// Applies the next events of the chain. Applying a batch again does nothing.
    pub fn apply(&self, batch: EventBatch) -> Result<Pending<Applied, ApplyError>, Busy> {
        self.0
            .writer
            .change(0, move |tables| match apply(tables, &batch) {
                Ok(applied) => Ok(Ok(applied)),
                Err(Stop::Refused(refused)) => Ok(Err(refused.into())),
                Err(Stop::Index(error)) => Err(error),
            })
    }

    /// Where the ledger stands.
    pub fn position(&self) -> Result<LedgerPosition, IndexError> {
        let snapshot = self.snapshot()?;
        let row = snapshot.ledger()?.get(&())?.unwrap_or_default();
        let runs = snapshot.digests()?.page(None, usize::MAX, |_| true)?;
        let runs = runs.into_iter().map(|(_, digest)| digest);
        Ok(LedgerPosition {
            cursor: row.cursor,
            epoch: row.epoch,
            next_seq: row.next_seq,
            digest: runs.fold(RunDigest::default(), RunDigest::plus),
        })
    }

    /// What is known about a blob; `None` if it is not registered.
    pub fn blob(&self, blob: &BlobId) -> Result<Option<BlobStatus>, IndexError> {
        let row = self.snapshot()?.blobs()?.get(blob)?;
        Ok(row.map(|row| BlobStatus {
            size: row.size,
            encoding: row.encoding,
            registered: row.registered,
            certified: row.certified,
            invalid: row.invalid,
            live: row.live,
        }))
    }

    /// The shape of a blob; `None` if it is not registered, or has a shape no blob can have.
    pub fn layout(&self, blob: &BlobId) -> Result<Option<BlobLayout>, IndexError> {
        let row = self.snapshot()?.blobs()?.get(blob)?;
        Ok(row.and_then(|row| BlobLayout::new(row.encoding, self.stamp().shards, row.size).ok()))
    }

    /// One registration of a blob; `None` once it is deleted or expired.
    pub fn registration(
        &self,
        blob: &BlobId,
        object: &ObjectId,
    ) -> Result<Option<Registration>, IndexError> {
        self.snapshot()?.registrations()?.get(&(*blob, *object))
    }

    /// The ledger as it stood when an epoch started; kept for the last three epochs.
    pub fn boundary(&self, epoch: Epoch) -> Result<Option<Boundary>, IndexError> {
        self.snapshot()?.boundaries()?.get(&epoch)
    }

    /// The blob a sequence number stands for; `None` if it is not live any more.
    pub fn blob_at(&self, seq: BlobSeq) -> Result<Option<BlobId>, IndexError> {
        self.snapshot()?.sequences()?.get(&seq)
    }
}
