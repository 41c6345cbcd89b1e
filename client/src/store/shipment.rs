//! What each node still needs of a blob, and how that is cut into requests. Pure.

use floe_chain::committee::MemberIndex;
use floe_codec::{Axis, BlobId, SegmentIndex, SegmentLayout, ShardIndex};
use floe_p2p::wire::{
    Kind,
    message::{MissingSlivers, SliverKey},
};

use crate::network::Network;

/// What a node lacks of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lack {
    /// It was sent nothing yet.
    Everything,
    /// It said so itself. A truncated list is followed by another one.
    Listed(MissingSlivers),
}

/// One request's worth of a segment for one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shipment {
    /// The segment's metadata go in front.
    pub(crate) metadata: bool,
    /// Slivers in this order.
    pub(crate) slivers: Vec<SliverKey>,
}

/// Most slivers in one request.
const MAX_SLIVERS: usize = 2048;

impl Lack {
    /// Whether anything of this segment is lacking.
    pub(crate) fn touches(&self, segment: SegmentIndex) -> bool {
        match self {
            Self::Everything => true,
            Self::Listed(missing) => {
                missing.metadata.iter().any(|range| holds(range, segment))
                    || missing
                        .slivers
                        .iter()
                        .any(|(_, _, range)| holds(range, segment))
            }
        }
    }

    fn lacks(&self, segment: SegmentIndex, key: SliverKey) -> bool {
        match self {
            Self::Everything => true,
            Self::Listed(missing) => missing.slivers.iter().any(|(shard, axis, range)| {
                (*shard, *axis) == (key.shard, key.axis) && holds(range, segment)
            }),
        }
    }

    fn lacks_metadata(&self, segment: SegmentIndex) -> bool {
        match self {
            Self::Everything => true,
            Self::Listed(missing) => missing.metadata.iter().any(|range| holds(range, segment)),
        }
    }

    /// The requests that bring a node what it lacks of a segment: one, unless its slivers exceed
    /// the limits of a request.
    pub(crate) fn shipments(
        &self,
        network: &Network,
        member: MemberIndex,
        blob: &BlobId,
        segment: &SegmentLayout,
    ) -> Vec<Shipment> {
        let keys = network
            .pairs_of(blob, member)
            .flat_map(|(shard, _)| Axis::BOTH.map(|axis| SliverKey { shard, axis }))
            .filter(|key| self.lacks(segment.index(), *key));
        let mut metadata = self.lacks_metadata(segment.index());
        let room = usize::try_from(Kind::PUT_SLIVER.limits().payload).unwrap_or(usize::MAX)
            - segment.metadata_size()
            - METADATA_EXTRA;
        let mut shipments = Vec::new();
        let (mut slivers, mut bytes) = (Vec::new(), 0);
        for key in keys {
            let size = segment.sliver_size(key.axis);
            if !slivers.is_empty() && (bytes + size > room || slivers.len() == MAX_SLIVERS) {
                let slivers = std::mem::take(&mut slivers);
                shipments.push(Shipment { metadata, slivers });
                (metadata, bytes) = (false, 0);
            }
            bytes += size;
            slivers.push(key);
        }
        if metadata || !slivers.is_empty() {
            shipments.push(Shipment { metadata, slivers });
        }
        shipments
    }
}

/// Room for a metadata's header and opening.
const METADATA_EXTRA: usize = 4096;

fn holds(range: &floe_p2p::wire::message::SegmentRange, segment: SegmentIndex) -> bool {
    segment
        .get()
        .checked_sub(range.first.get())
        .is_some_and(|position| position < range.count)
}

/// The sliver of a shard on an axis.
pub(crate) fn sliver_index(
    blob: &BlobId,
    network: &Network,
    shard: ShardIndex,
    axis: Axis,
) -> floe_codec::SliverIndex {
    let shards = network.committee.shards();
    blob.pair_of(shard, shards)
        .and_then(|pair| pair.sliver(axis, shards))
        .expect("shards of the committee are below n")
}
