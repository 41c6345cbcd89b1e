//! One request for rows of a segment, or for symbols of one row, to one node, as a task that reports
//! piece by piece. Verifies nothing; sizes are derived, never taken from the node.

use std::sync::{Arc, atomic::AtomicU64};

use bytes::Bytes;
use floe_chain::committee::MemberIndex;
use floe_codec::{Axis, BlobId, SegmentLayout, ShardIndex, SliverIndex};
use floe_p2p::{
    Item, ItemSize,
    client::{CallError, CallOptions, DataClient},
    wire::{
        TrafficClass,
        message::{GetSliver, GetSymbols, SegmentRange, SymbolRange},
    },
};
use tokio::sync::mpsc;

use crate::{network::Network, store::options};

/// What is fetched of slivers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    /// Of a primary sliver, everything.
    Row,
    /// Of a secondary sliver, the symbol in which it crosses this primary one.
    Crossing(SliverIndex),
}

impl Piece {
    /// The axis of the slivers that are asked for it.
    pub(super) fn axis(self) -> Axis {
        match self {
            Self::Row => Axis::Primary,
            Self::Crossing(_) => Axis::Secondary,
        }
    }

    /// Its bytes.
    pub(super) fn size(self, segment: &SegmentLayout) -> usize {
        match self {
            Self::Row => segment.sliver_size(Axis::Primary),
            Self::Crossing(_) => segment.symbol_size(),
        }
    }
}

/// What a request reports.
#[derive(Debug)]
pub(super) enum Arrival {
    /// The answer has begun; its bytes are counted here as they arrive.
    Begun(MemberIndex, Arc<AtomicU64>),
    /// Bytes that claim to be the piece of this sliver.
    Piece(MemberIndex, SliverIndex, Bytes),
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
    pub(super) piece: Piece,
    /// Slivers of the member's own shards.
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
        match self.piece {
            Piece::Row => self.rows(to).await,
            Piece::Crossing(row) => self.crossings(row, to).await,
        }
    }

    async fn rows(&self, to: &mpsc::Sender<Arrival>) -> Result<(), CallError> {
        let request = GetSliver {
            blob: self.blob,
            axis: Axis::Primary,
            shards: self.shards().try_into()?,
            segments: SegmentRange::one(self.segment.index()),
        };
        let size = u32::try_from(self.piece.size(&self.segment)).unwrap_or(u32::MAX);
        let address = self.network.address(self.member);
        let mut items = self
            .peers
            .get_sliver(address, &request, &self.options())
            .await?;
        let begun = Arrival::Begun(self.member, items.received());
        if to.send(begun).await.is_err() {
            return Ok(());
        }
        let mut asked = self.slivers.iter();
        while let Some(item) = items.next(|_| ItemSize::Exactly(size)).await? {
            let Some(index) = asked.next() else { break };
            let arrival = match item {
                Item::Present(bytes) => Arrival::Piece(self.member, *index, bytes),
                Item::Absent(_) => Arrival::Absent(self.member, *index),
            };
            if to.send(arrival).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn crossings(
        &self,
        row: SliverIndex,
        to: &mpsc::Sender<Arrival>,
    ) -> Result<(), CallError> {
        let range = SymbolRange {
            blob: self.blob,
            segments: SegmentRange::one(self.segment.index()),
        };
        let request = GetSymbols {
            target: self.shard(row, Axis::Primary),
            axis: Axis::Primary,
            sources: self.shards().try_into()?,
            blobs: vec![range].try_into()?,
            proven: false,
        };
        let size = self.piece.size(&self.segment);
        let most = self.slivers.len().div_ceil(8) + self.slivers.len() * size;
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let address = self.network.address(self.member);
        let mut items = self
            .peers
            .get_symbols(address, &request, &self.options())
            .await?;
        let item = items.next(|_| ItemSize::AtMost(most)).await?;
        let symbols = match item {
            Some(Item::Present(bytes)) => symbols(&bytes, self.slivers.len(), size),
            Some(Item::Absent(_)) | None => None,
        };
        let symbols = symbols.unwrap_or_else(|| vec![None; self.slivers.len()]);
        for (index, symbol) in self.slivers.iter().zip(symbols) {
            let arrival = match symbol {
                Some(bytes) => Arrival::Piece(self.member, *index, bytes),
                None => Arrival::Absent(self.member, *index),
            };
            if to.send(arrival).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn shards(&self) -> Vec<ShardIndex> {
        let axis = self.piece.axis();
        let slivers = self.slivers.iter();
        slivers.map(|index| self.shard(*index, axis)).collect()
    }

    fn shard(&self, index: SliverIndex, axis: Axis) -> ShardIndex {
        let shards = self.network.committee.shards();
        let pair = index.pair(axis, shards).expect("slivers are below n");
        self.blob.shard_of(pair, shards).expect("pairs are below n")
    }

    /// All requests of a segment share one downlink, and some of it may come twice: whoever delivers
    /// has the time of all of it.
    fn options(&self) -> CallOptions {
        let bytes = u64::try_from(2 * self.segment.length()).unwrap_or(u64::MAX);
        options(&self.network, TrafficClass::Read, bytes)
    }
}

/// The symbols of a `GetSymbols` item, by source; `None` if the item is not one.
fn symbols(item: &Bytes, sources: usize, size: usize) -> Option<Vec<Option<Bytes>>> {
    let bitmap = item.get(..sources.div_ceil(8))?;
    let mut at = bitmap.len();
    let mut found = Vec::with_capacity(sources);
    for source in 0..sources {
        let present = bitmap[source / 8] & (1 << (source % 8)) != 0;
        found.push(present.then(|| at..at + size));
        at += if present { size } else { 0 };
    }
    let whole = at == item.len();
    whole.then(|| {
        let cut = |range: Option<_>| range.map(|range| item.slice(range));
        found.into_iter().map(cut).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_belong_to_the_sources_whose_bits_are_set() {
        let item = Bytes::from_static(&[0b101, 1, 2, 3, 4]);
        let cut = |range| Some(item.slice(range));
        assert_eq!(symbols(&item, 3, 2), Some(vec![cut(1..3), None, cut(3..5)]));
        for wrong in [&[][..], &[0b111, 1, 2, 3, 4], &[0b001, 1, 2, 3]] {
            assert_eq!(symbols(&Bytes::copy_from_slice(wrong), 3, 2), None);
        }
    }
}
