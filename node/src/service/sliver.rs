//! Slivers: verified against the segment's metadata, stored durably, served from disk.

use std::collections::BTreeSet;

use bytes::Bytes;
use floe_chain::id::ObjectId;
use floe_codec::{
    Axis, BlobId, BlobLayout, SegmentIndex, SegmentMetadata, ShardIndex, SliverIndex,
};
use floe_p2p::{
    server::{Answer, Call, Items, Payload},
    wire::{
        ItemStatus, Refusal, Status,
        message::{ConfirmReply, GetSliver, PutSliver, PutSliverReply, SliverKey},
    },
};
use floe_storage::GetError;

use super::{NodeService, busy, metadata::next_metadata, put_refusal};
use crate::node::Node;

impl NodeService {
    pub(super) async fn take_slivers(
        &self,
        call: &Call,
        request: &PutSliver,
        payload: &mut Payload,
    ) -> Answer<PutSliverReply> {
        let (layout, _) = self.writable(&request.blob, &request.object)?;
        self.check_shards(&request.slivers)?;
        let segment = request.segment;
        let in_segment = |error: floe_codec::IndexError| Refusal::bad_request(error.to_string());
        let shape = layout.segment(segment).map_err(in_segment)?;

        let (metadata, new_metadata) = if request.metadata {
            let (bytes, metadata) = next_metadata(&request.blob, &layout, segment, payload).await?;
            (metadata, Some(bytes))
        } else {
            (self.known_metadata(request.blob, segment).await?, None)
        };
        let mut received = Vec::with_capacity(request.slivers.len());
        for key in request.slivers.iter() {
            let size = u32::try_from(shape.sliver_size(key.axis))
                .map_err(|_| Refusal::bad_request("a sliver of more than 4 GiB"))?;
            received.push((*key, payload.next(size).await?));
        }

        let blob = request.blob;
        let verify = move |node: &Node| verify(node, &blob, &layout, &metadata, received);
        let verified = self.node.blocking(verify).await??;
        let storage = self.node.storage();
        let metadata = new_metadata
            .map(|bytes| storage.put_metadata(blob, segment, bytes))
            .transpose()
            .map_err(busy)?;
        let slivers = storage.put_slivers(verified).map_err(busy)?;
        if let Some(metadata) = metadata {
            metadata.await.map_err(|error| put_refusal(&error))?;
        }
        slivers.await.map_err(|error| put_refusal(&error))?;
        let confirmation = self
            .confirm_if(request.confirm, call, blob, request.object)
            .await?;
        Ok(PutSliverReply { confirmation })
    }

    /// A confirmation if it was asked for and everything is there.
    async fn confirm_if(
        &self,
        wanted: bool,
        call: &Call,
        blob: BlobId,
        object: ObjectId,
    ) -> Answer<Option<floe_chain::certificate::Confirmation>> {
        if !wanted {
            return Ok(None);
        }
        match self.confirm_blob(call, blob, object).await? {
            ConfirmReply::Confirmed(confirmation) => Ok(Some(confirmation)),
            ConfirmReply::Missing(_) => Ok(None),
        }
    }

    pub(super) async fn send_slivers(&self, request: GetSliver, items: &mut Items) -> Answer<()> {
        let layout = self.kept(&request.blob)?;
        let count = u32::try_from(request.items())
            .map_err(|_| Refusal::bad_request("more items than one request may name"))?;
        for item in 0..count {
            let Some((segment, shard)) = request.item(item) else {
                break;
            };
            let shape = layout.segment(segment);
            let shape = shape.map_err(|error| Refusal::bad_request(error.to_string()))?;
            let size = u32::try_from(shape.sliver_size(request.axis))
                .map_err(|_| Refusal::bad_request("a sliver of more than 4 GiB"))?;
            // Memory for the answer is taken before the disk is read.
            let grant = items.reserve(size).await?;
            let (blob, axis) = (request.blob, request.axis);
            let key = floe_storage::SliverKey {
                blob,
                segment,
                shard,
                axis,
            };
            let read = self
                .node
                .blocking(move |node| node.storage().get_sliver(&key))
                .await?;
            match read {
                Ok(Some(bytes)) => items.send(bytes, grant).await?,
                Ok(None) => items.absent(ItemStatus::NotHeld).await?,
                // Reported where it was found; to the reader it is a sliver that is not there.
                Err(GetError::Corrupt { .. }) => items.absent(ItemStatus::NotHeld).await?,
                Err(error) => {
                    tracing::error!(%error, "a sliver cannot be read");
                    items.absent(ItemStatus::Internal).await?;
                }
            }
        }
        Ok(())
    }

    /// The writer must send this node its own shards, each sliver once.
    fn check_shards(&self, slivers: &[SliverKey]) -> Answer<()> {
        let view = self.node.view();
        let mine = view.membership.as_ref().map_or(&[][..], |m| m.shards());
        let mut seen = BTreeSet::new();
        for key in slivers {
            if mine.binary_search(&key.shard).is_err() {
                return Err(Status::WrongShard { epoch: view.epoch }.into());
            }
            if !seen.insert(key) {
                return Err(Refusal::bad_request("a sliver is named twice"));
            }
        }
        Ok(())
    }

    async fn known_metadata(&self, blob: BlobId, segment: SegmentIndex) -> Answer<SegmentMetadata> {
        let known = self
            .node
            .blocking(move |node| node.metadata(&blob, segment))
            .await??;
        known.ok_or_else(|| Refusal::new(Status::NotHeld, "the segment's metadata must come first"))
    }
}

/// Checks every sliver against the segment's metadata.
fn verify(
    node: &Node,
    blob: &BlobId,
    layout: &BlobLayout,
    metadata: &SegmentMetadata,
    received: Vec<(SliverKey, Bytes)>,
) -> Answer<Vec<(floe_storage::SliverKey, Bytes)>> {
    let segment = metadata.segment();
    let wrong = |error: &dyn std::error::Error| Refusal::bad_request(error.to_string());
    received
        .into_iter()
        .map(|(SliverKey { shard, axis }, bytes)| {
            let index = sliver_index(blob, layout, shard, axis)?;
            let verified = node.codec().verify_sliver(metadata, axis, index, bytes);
            let verified = verified.map_err(|error| wrong(&error))?;
            if let Some(at) = verified.dirty_padding() {
                return Err(Refusal::bad_request(format!(
                    "symbol {at:?} has data beyond the end of the segment"
                )));
            }
            let key = floe_storage::SliverKey {
                blob: *blob,
                segment,
                shard,
                axis,
            };
            Ok((key, verified.into_bytes()))
        })
        .collect()
}

/// Which sliver of an axis a shard keeps.
pub(crate) fn sliver_index(
    blob: &BlobId,
    layout: &BlobLayout,
    shard: ShardIndex,
    axis: Axis,
) -> Answer<SliverIndex> {
    let pair = blob.pair_of(shard, layout.shards());
    pair.and_then(|pair| pair.sliver(axis, layout.shards()))
        .map_err(|error| Refusal::bad_request(error.to_string()))
}
