//! Symbols for somebody else's recovery, from this node's slivers of the orthogonal axis. Each costs
//! the read and the extension of a whole sliver.

use bytes::Bytes;
use floe_codec::{BlobId, SegmentIndex, SliverIndex};
use floe_p2p::{
    server::{Answer, Items},
    wire::{ItemStatus, Refusal, message::GetSymbols},
};

use super::{NodeService, sliver::sliver_index};
use crate::node::{Failed, Node};

impl NodeService {
    pub(super) async fn send_symbols(&self, request: GetSymbols, items: &mut Items) -> Answer<()> {
        for (blob, segment) in request.iter() {
            let layout = self.kept(&blob)?;
            sliver_index(&blob, &layout, request.target, request.axis)?;
            let shape = layout.segment(segment);
            let shape = shape.map_err(|error| Refusal::bad_request(error.to_string()))?;
            let proof = if request.proven { largest_proof() } else { 0 };
            let each = u32::try_from(shape.symbol_size() + proof).unwrap_or(u32::MAX);
            let sources = u32::try_from(request.sources.len()).unwrap_or(u32::MAX);
            let size = sources
                .div_ceil(8)
                .saturating_add(sources.saturating_mul(each));
            let grant = items.reserve(size).await?;
            let asked = request.clone();
            let collect = move |node: &Node| collect(node, &asked, blob, segment);
            match self.node.blocking(collect).await? {
                Ok(Some(bytes)) => items.send(bytes, grant).await?,
                Ok(None) => items.absent(ItemStatus::NotHeld).await?,
                Err(error) => {
                    tracing::error!(%error, "symbols cannot be made");
                    items.absent(ItemStatus::Internal).await?;
                }
            }
        }
        Ok(())
    }
}

/// The most bytes that a proof is longer than its symbol: its place, the symbol's length, and an
/// opening among 1024 entries.
pub(crate) const fn largest_proof() -> usize {
    5 + 4 + 2 + 32 * (31 + 5)
}

/// The bitmap of present sources and their symbols; `None` without the segment's metadata.
fn collect(
    node: &Node,
    request: &GetSymbols,
    blob: BlobId,
    segment: SegmentIndex,
) -> Result<Option<Bytes>, Failed> {
    let Some(metadata) = node.metadata(&blob, segment)? else {
        return Ok(None);
    };
    let layout = *metadata.blob_layout();
    let axis = request.axis.orthogonal();
    let crossing = sliver_index(&blob, &layout, request.target, request.axis)
        .map_err(|refusal| Failed(refusal.to_string()))?;
    let mut bitmap = vec![0; request.sources.len().div_ceil(8)];
    let mut symbols = Vec::new();
    for (at, &shard) in request.sources.iter().enumerate() {
        let key = floe_storage::SliverKey {
            blob,
            segment,
            shard,
            axis,
        };
        let Ok(Some(bytes)) = node.storage().get_sliver(&key) else {
            continue;
        };
        let Ok(index) = sliver_index(&blob, &layout, shard, axis) else {
            continue;
        };
        let verified = node.codec().verify_sliver(&metadata, axis, index, bytes);
        let Ok(sliver) = verified else { continue };
        append(node, &sliver, crossing, request.proven, &mut symbols)?;
        bitmap[at / 8] |= 1 << (at % 8);
    }
    bitmap.extend(symbols);
    Ok(Some(bitmap.into()))
}

/// Appends the symbol where `sliver` crosses `crossing`, or its proof, which contains it.
fn append(
    node: &Node,
    sliver: &floe_codec::VerifiedSliver<Bytes>,
    crossing: SliverIndex,
    proven: bool,
    out: &mut Vec<u8>,
) -> Result<(), Failed> {
    let failed = |error: &dyn std::error::Error| Failed(error.to_string());
    let extended = node.codec().extend_sliver(sliver);
    if proven {
        let proof = extended.prove(crossing).map_err(|error| failed(&error))?;
        out.extend(bcs::to_bytes(&proof).map_err(|error| failed(&error))?);
    } else {
        out.extend_from_slice(extended.symbol(crossing).map_err(|error| failed(&error))?);
    }
    Ok(())
}
