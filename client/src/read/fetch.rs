//! One request for slivers of a segment to one node, as a task that reports item by item. Verifies
//! nothing; the size of each item is derived, never taken from the node.

use std::sync::Arc;

use bytes::Bytes;
use floe_chain::committee::MemberIndex;
use floe_codec::{Axis, BlobId, SegmentLayout, SliverIndex};
use floe_p2p::{
    Item, ItemSize,
    client::{CallError, DataClient},
    wire::{
        TrafficClass,
        message::{GetSliver, SegmentRange},
    },
};
use tokio::sync::mpsc;

use crate::{network::Network, store::options};

/// What a request reports.
#[derive(Debug)]
pub(super) enum Arrival {
    /// Bytes that claim to be this sliver.
    Sliver(MemberIndex, SliverIndex, Bytes),
    /// The node does not have it.
    Absent(MemberIndex, SliverIndex),
    /// The request ended early: nothing more comes.
    Failed(MemberIndex, CallError),
}

/// Whom to ask for what.
pub(super) struct Request {
    pub(super) peers: DataClient,
    pub(super) network: Arc<Network>,
    pub(super) blob: BlobId,
    pub(super) segment: SegmentLayout,
    pub(super) member: MemberIndex,
    /// Primary slivers of the member's own shards.
    pub(super) slivers: Vec<SliverIndex>,
}

impl Request {
    /// Runs the request and reports to `to`.
    pub(super) async fn run(self, to: mpsc::Sender<Arrival>) {
        if let Err(error) = self.stream(&to).await {
            // Who listens no more has enough.
            let _ = to.send(Arrival::Failed(self.member, error)).await;
        }
    }

    async fn stream(&self, to: &mpsc::Sender<Arrival>) -> Result<(), CallError> {
        let shards = self.network.committee.shards();
        let shard = |index: &SliverIndex| {
            let pair = index
                .pair(Axis::Primary, shards)
                .expect("slivers are below n");
            self.blob.shard_of(pair, shards).expect("pairs are below n")
        };
        let request = GetSliver {
            blob: self.blob,
            axis: Axis::Primary,
            shards: self
                .slivers
                .iter()
                .map(shard)
                .collect::<Vec<_>>()
                .try_into()?,
            segments: SegmentRange::one(self.segment.index()),
        };
        let size = u32::try_from(self.segment.sliver_size(Axis::Primary)).unwrap_or(u32::MAX);
        let bytes = u64::from(size) * request.items();
        let options = options(&self.network, TrafficClass::Read, bytes);
        let address = self.network.address(self.member);
        let mut items = self.peers.get_sliver(address, &request, &options).await?;
        let mut asked = self.slivers.iter();
        while let Some(item) = items.next(|_| ItemSize::Exactly(size)).await? {
            let Some(index) = asked.next() else { break };
            let arrival = match item {
                Item::Present(bytes) => Arrival::Sliver(self.member, *index, bytes),
                Item::Absent(_) => Arrival::Absent(self.member, *index),
            };
            if to.send(arrival).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}
