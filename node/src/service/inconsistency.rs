//! Proofs that a blob is inconsistent: verified against the segment's metadata, kept, given to
//! whoever asks. A node that holds one takes no more of the blob and does not confirm it.

use std::sync::Arc;

use bytes::Bytes;
use floe_codec::{BlobId, InconsistencyProof, SegmentIndex};
use floe_p2p::{
    control::news::InconsistencyNotice,
    server::{Answer, Payload},
    wire::{Kind, Refusal, Status, message::PutInconsistency},
};

use tokio::sync::mpsc;

use super::{NodeService, busy, put_refusal};
use crate::node::{Failed, Node};

impl NodeService {
    pub(super) async fn take_proof(
        &self,
        request: PutInconsistency,
        payload: &mut Payload,
    ) -> Answer<()> {
        let PutInconsistency { blob, segment } = request;
        self.kept(&blob)?;
        let limit = Kind::PUT_INCONSISTENCY.limits().item;
        let bytes = payload.next_at_most(limit).await?;
        accept_proof(&self.node, &self.proofs, (blob, segment), bytes).await
    }

    pub(super) async fn send_proof(&self, blob: BlobId) -> Answer<(SegmentIndex, Bytes)> {
        let read = move |node: &Node| node.storage().get_inconsistency(&blob);
        let found = self.node.blocking(read).await?.map_err(Failed::from)?;
        found.ok_or_else(|| Status::NotHeld.into())
    }
}

/// Verifies a proof and keeps it; if it is the first of its blob, others hear of it.
pub(crate) async fn accept_proof(
    node: &Arc<Node>,
    tell: &mpsc::Sender<InconsistencyNotice>,
    (blob, segment): (BlobId, SegmentIndex),
    proof: Bytes,
) -> Answer<()> {
    let known = node.storage().has_inconsistency(&blob);
    let notice = InconsistencyNotice {
        blob,
        segment,
        digest: *blake3::hash(&proof).as_bytes(),
        size: u32::try_from(proof.len()).unwrap_or(u32::MAX),
    };
    keep_proof(node, blob, segment, proof).await?;
    if !known.map_err(Failed::from)? {
        // With the queue full, others hear of it from the next node.
        let _ = tell.try_send(notice);
    }
    Ok(())
}

/// Verifies a proof and keeps it.
pub(crate) async fn keep_proof(
    node: &Arc<Node>,
    blob: BlobId,
    segment: SegmentIndex,
    proof: Bytes,
) -> Answer<()> {
    let checked = proof.clone();
    let check = move |node: &Node| check(node, &blob, segment, &checked);
    node.blocking(check).await??;
    let kept = node
        .storage()
        .put_inconsistency(blob, segment, proof)
        .map_err(busy)?;
    kept.await.map_err(|error| put_refusal(&error))?;
    tracing::info!(%blob, %segment, "the blob is proved inconsistent");
    Ok(())
}

/// Verifies the proof against the node's own metadata of the segment.
fn check(node: &Node, blob: &BlobId, segment: SegmentIndex, proof: &[u8]) -> Answer<()> {
    let wrong = |error: &dyn std::error::Error| Refusal::bad_request(error.to_string());
    let proof: InconsistencyProof = bcs::from_bytes(proof).map_err(|error| wrong(&error))?;
    let Some(metadata) = node.metadata(blob, segment)? else {
        return Err(Status::NotHeld.into());
    };
    proof
        .verify(node.codec(), &metadata)
        .map_err(|error| wrong(&error))
}
