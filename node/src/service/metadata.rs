//! Segment metadata: verified against the blob id before it is stored, verified again when read.

use bytes::Bytes;
use floe_codec::{BlobId, BlobLayout, SegmentIndex, SegmentMetadata, Unverified};
use floe_p2p::{
    server::{Answer, Items, Payload},
    wire::{
        ItemStatus, Refusal,
        message::{GetMetadata, PutMetadata},
    },
};

use super::{NodeService, busy, put_refusal};

impl NodeService {
    pub(super) async fn take_metadata(
        &self,
        request: &PutMetadata,
        payload: &mut Payload,
    ) -> Answer<()> {
        let (layout, _) = self.writable(&request.blob, &request.object)?;
        let mut pending = Vec::new();
        for segment in request.segments.iter() {
            let (bytes, _) = next_metadata(&request.blob, &layout, segment, payload).await?;
            let stored = self
                .node
                .storage()
                .put_metadata(request.blob, segment, bytes);
            pending.push(stored.map_err(busy)?);
        }
        for stored in pending {
            stored.await.map_err(|error| put_refusal(&error))?;
        }
        Ok(())
    }

    pub(super) async fn send_metadata(
        &self,
        request: &GetMetadata,
        items: &mut Items,
    ) -> Answer<()> {
        let layout = self.kept(&request.blob)?;
        for segment in request.segments.iter() {
            // Memory for the answer is taken before the disk is read.
            let grant = items.reserve(largest_metadata(&layout)).await?;
            let blob = request.blob;
            let read = move |node: &crate::node::Node| node.storage().get_metadata(&blob, segment);
            match self.node.blocking(read).await? {
                Ok(Some(bytes)) => items.send(bytes, grant).await?,
                Ok(None) => items.absent(ItemStatus::NotHeld).await?,
                Err(error) => {
                    tracing::error!(%error, %blob, "segment metadata cannot be read");
                    items.absent(ItemStatus::Internal).await?;
                }
            }
        }
        Ok(())
    }
}

/// Reads the metadata of `segment` of `blob` from a request and verifies it.
pub(super) async fn next_metadata(
    blob: &BlobId,
    layout: &BlobLayout,
    segment: SegmentIndex,
    payload: &mut Payload,
) -> Answer<(Bytes, SegmentMetadata)> {
    let bytes = payload.next_at_most(largest_metadata(layout)).await?;
    let metadata = verify_metadata(blob, segment, &bytes)?;
    Ok((bytes, metadata))
}

/// Metadata of `segment` of `blob`, if these bytes are.
pub(crate) fn verify_metadata(
    blob: &BlobId,
    segment: SegmentIndex,
    bytes: &[u8],
) -> Answer<SegmentMetadata> {
    let metadata: SegmentMetadata<Unverified> =
        bcs::from_bytes(bytes).map_err(|error| Refusal::bad_request(error.to_string()))?;
    if metadata.segment() != segment {
        return Err(Refusal::bad_request(format!(
            "metadata of segment {segment} expected, got that of {}",
            metadata.segment()
        )));
    }
    let verified = metadata.verify(blob);
    verified.map_err(|error| Refusal::bad_request(error.to_string()))
}

/// The most bytes that metadata of one segment takes: header, hashes, and an opening among at most
/// 2^20 segments.
pub(crate) fn largest_metadata(layout: &BlobLayout) -> u32 {
    const HEADER: u32 = 32;
    const OPENING: u32 = 32 * (31 + 20);
    HEADER + 64 * u32::from(layout.shards().get()) + OPENING
}
