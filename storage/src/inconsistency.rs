//! Keeping the proofs that blobs are inconsistent, until the blob itself is collected.

use bytes::Bytes;
use floe_codec::{BlobId, SegmentIndex};

use crate::{
    slivers::PutError,
    store::Storage,
    table::IndexError,
    writer::{Busy, Pending},
};

impl Storage {
    /// Keeps the proof that a segment is inconsistent, which the caller has verified. The first proof
    /// of a blob is enough: others are not kept.
    pub fn put_inconsistency(
        &self,
        blob: BlobId,
        segment: SegmentIndex,
        proof: Bytes,
    ) -> Result<Pending<(), PutError>, Busy> {
        if self.is_full(proof.len()) {
            return Ok(Pending::ready(Err(PutError::DiskFull)));
        }
        self.0.writer.change(proof.len(), move |tables| {
            if tables.blobs.get(&blob)?.is_none() {
                return Ok(Err(PutError::NotRegistered(blob)));
            }
            if !tables.inconsistencies.contains(&blob)? {
                tables
                    .inconsistencies
                    .insert(&blob, &(segment, proof.clone()))?;
            }
            Ok(Ok(()))
        })
    }

    /// The proof that a blob is inconsistent, and of which segment; `None` if there is none.
    pub fn get_inconsistency(
        &self,
        blob: &BlobId,
    ) -> Result<Option<(SegmentIndex, Bytes)>, IndexError> {
        self.snapshot()?.inconsistencies()?.get(blob)
    }

    /// Whether there is a proof that a blob is inconsistent.
    pub fn has_inconsistency(&self, blob: &BlobId) -> Result<bool, IndexError> {
        self.snapshot()?.inconsistencies()?.contains(blob)
    }
}
