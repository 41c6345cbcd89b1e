//! Confirming: the node's signature that every sliver of its shards is on disk, or what is missing.

use floe_chain::{blob::BlobState, id::ObjectId};
use floe_codec::{Axis, BlobId, SegmentIndex, ShardIndex};
use floe_p2p::{
    server::{Answer, Call},
    wire::{
        Refusal, Status,
        message::{BlobStatus, ConfirmReply, GetBlobStatus, MissingSlivers, SegmentRange},
    },
};
use floe_storage::IndexError;

use super::NodeService;
use crate::node::{CannotSign, Failed, Node};

/// Longest lists in [`MissingSlivers`].
const LISTED: usize = 1024;

impl NodeService {
    /// Signs if everything of the blob is on disk, for the epoch of the call and its shards.
    pub(super) async fn confirm_blob(
        &self,
        call: &Call,
        blob: BlobId,
        object: ObjectId,
    ) -> Answer<ConfirmReply> {
        let (layout, registration) = self.writable(&blob, &object)?;
        // One look for both: what is checked is what is signed.
        let view = self.current(call)?;
        let shards = view.shards().to_vec();
        let check = move |node: &Node| {
            let storage = node.storage();
            let unknown = storage.missing_metadata(&blob, SegmentIndex(0), 1)?;
            Ok::<_, IndexError>(unknown.is_empty() && storage.has_all(&blob, &shards)?)
        };
        if self.node.blocking(check).await?.map_err(Failed::from)? {
            let signed = self
                .node
                .confirm(&view, blob, object, &layout, registration.deletable);
            return signed
                .map(ConfirmReply::Confirmed)
                .map_err(|cannot| match cannot {
                    CannotSign::Alarm => Refusal::internal(cannot.to_string()),
                    CannotSign::NotAMember => Status::WrongEpoch { epoch: view.epoch }.into(),
                });
        }
        Ok(ConfirmReply::Missing(self.missing(blob).await?))
    }

    pub(super) async fn blob_status(&self, request: GetBlobStatus) -> Answer<BlobStatus> {
        let blob = request.blob;
        let Some((status, _)) = self.node.blob(&blob)? else {
            return Err(self.not_registered());
        };
        let state = match status {
            _ if status.invalid => BlobState::Invalid,
            _ if status.registered == 0 => BlobState::Expired,
            _ if status.certified > 0 => BlobState::Certified,
            _ => BlobState::Registered,
        };
        let missing = match request.object {
            Some(object) => {
                self.writable(&blob, &object)?;
                self.missing(blob).await?
            }
            None => MissingSlivers::default(),
        };
        Ok(BlobStatus { state, missing })
    }

    async fn missing(&self, blob: BlobId) -> Answer<MissingSlivers> {
        let shards = self.node.shards();
        let list = move |node: &Node| missing(node, &blob, &shards);
        Ok(self.node.blocking(list).await?.map_err(Failed::from)?)
    }
}

fn missing(
    node: &Node,
    blob: &BlobId,
    shards: &[ShardIndex],
) -> Result<MissingSlivers, IndexError> {
    let metadata = node
        .storage()
        .missing_metadata(blob, SegmentIndex(0), LISTED)?;
    let mut slivers = Vec::new();
    let mut truncated = metadata.len() == LISTED;
    for &shard in shards {
        for axis in Axis::BOTH {
            let segments =
                node.storage()
                    .missing_segments(blob, (shard, axis), SegmentIndex(0), LISTED)?;
            truncated |= segments.len() == LISTED;
            slivers.extend(runs(&segments).into_iter().map(|run| (shard, axis, run)));
        }
    }
    let metadata = runs(&metadata);
    truncated |= slivers.len() > LISTED;
    slivers.truncate(LISTED);
    Ok(MissingSlivers {
        metadata: metadata.try_into().unwrap_or_default(),
        slivers: slivers.try_into().unwrap_or_default(),
        truncated,
    })
}

/// Ascending segments as runs.
fn runs(segments: &[SegmentIndex]) -> Vec<SegmentRange> {
    let mut runs: Vec<SegmentRange> = Vec::new();
    for &segment in segments {
        match runs.last_mut() {
            Some(run)
                if run.count < SegmentRange::MAX
                    && run.first.get() + run.count == segment.get() =>
            {
                run.count += 1;
            }
            _ => runs.push(SegmentRange::one(segment)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_join_neighbours_up_to_their_limit() {
        let of = |segments: &[u32]| {
            let segments: Vec<_> = segments.iter().copied().map(SegmentIndex).collect();
            runs(&segments)
                .iter()
                .map(|run| (run.first.get(), run.count))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[0, 1, 2, 5, 7, 8]), [(0, 3), (5, 1), (7, 2)]);
        let long: Vec<u32> = (0..1500).collect();
        assert_eq!(of(&long), [(0, 1024), (1024, 476)]);
    }
}
