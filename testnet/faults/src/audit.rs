//! Is every signed confirmation still backed? Fetches each sliver a node signed for and compares it
//! with the one encoded here from the seed: neither the node's index nor its checksums are believed.

use std::{sync::Arc, time::Duration};

use floe_codec::{Axis, BlobCommitment, BlobLayout, SegmentBuffers};
use floe_p2p::{
    Item, ItemSize,
    client::DataClient,
    wire::message::{GetSliver, SegmentRange},
};
use futures::StreamExt;

use crate::{
    load::{Acked, Book},
    world::{World, options},
};

/// Slivers asked for at once.
const AT_ONCE: usize = 8;

/// Every broken promise of `nodes`, in words.
pub(crate) async fn unbacked(world: &World, book: &Arc<Book>, nodes: &[usize]) -> Vec<String> {
    let mut wrong = Vec::new();
    for &node in nodes {
        let signed = book.signed_by(world.member(node).as_usize());
        let checks = signed.iter().map(|blob| check(world, book, node, blob));
        let mut checks = futures::stream::iter(checks).buffer_unordered(AT_ONCE);
        while let Some(found) = checks.next().await {
            wrong.extend(found);
        }
    }
    wrong
}

/// What a node lacks of one blob it signed for.
pub(crate) async fn check(world: &World, book: &Book, node: usize, blob: &Acked) -> Option<String> {
    let lost = |what: String| {
        Some(format!(
            "node {node} signed for blob {}: {what}",
            blob.number
        ))
    };
    match compare(&world.peers, world, book, node, blob).await {
        Ok(()) => None,
        Err(what) => lost(what),
    }
}

async fn compare(
    peers: &DataClient,
    world: &World,
    book: &Book,
    node: usize,
    blob: &Acked,
) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let shards = world.network.committee.shards();
    let layout = BlobLayout::for_shards(shards, blob.size as u64).map_err(|error| text(&error))?;
    let content = book.content(blob.number, blob.size);
    let member = world.member(node);
    for segment in layout.segments() {
        let range = segment.range();
        let from = usize::try_from(range.start).unwrap_or(usize::MAX);
        let to = usize::try_from(range.end).unwrap_or(usize::MAX);
        let source = content.get(from..to).unwrap_or_default();
        let coded = world
            .codec
            .encode_segment(&segment, source, SegmentBuffers::default())
            .map_err(|error| text(&error))?;
        for axis in Axis::BOTH {
            for (shard, pair) in world.network.pairs_of(&blob.blob, member) {
                let request = GetSliver {
                    blob: blob.blob,
                    axis,
                    shards: vec![shard].try_into().unwrap_or_default(),
                    segments: SegmentRange::one(segment.index()),
                };
                let index = pair.sliver(axis, shards).map_err(|error| text(&error))?;
                let expected = coded.sliver(axis, index).map_err(|error| text(&error))?;
                let size = u32::try_from(expected.len()).unwrap_or(u32::MAX);
                let options = options(&world.network, Duration::from_secs(10));
                let reader = peers
                    .get_sliver(world.address(node), &request, &options)
                    .await;
                let mut reader = reader.map_err(|error| text(&error))?;
                let item = reader.next(|_| ItemSize::Exactly(size)).await;
                match item.map_err(|error| text(&error))? {
                    Some(Item::Present(bytes)) if bytes == expected => {}
                    Some(Item::Present(_)) => return Err(format!("{axis:?} sliver is another")),
                    Some(Item::Absent(status)) => {
                        return Err(format!("{axis:?} sliver of {shard}: {status:?}"));
                    }
                    None => return Err("an empty answer".to_owned()),
                }
            }
        }
    }
    Ok(())
}

/// The id of a blob's bytes, computed here.
pub(crate) fn commitment(world: &World, content: &[u8]) -> Option<BlobCommitment> {
    let shards = world.network.committee.shards();
    let layout = BlobLayout::for_shards(shards, content.len() as u64).ok()?;
    let mut buffers = SegmentBuffers::default();
    let mut roots = Vec::new();
    for segment in layout.segments() {
        let range = segment.range();
        let part = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        let root = world
            .codec
            .commit_segment(&segment, content.get(part)?, &mut buffers);
        roots.push(root.ok()?);
    }
    BlobCommitment::new(layout, &roots).ok()
}
