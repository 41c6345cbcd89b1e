//! The asking side: one typed call per message, each on a stream of its own.

mod call;
mod reader;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use floe_chain::epoch::Epoch;
use floe_codec::SegmentIndex;

use crate::{
    address::PeerAddress,
    framing::{FrameError, Item, ItemSize},
    peers::PeerBook,
    pool::Pool,
    transport::{DialError, StreamError},
    wire::{
        Kind, Refusal, Request, TrafficClass, WireError,
        message::{
            BlobStatus, CommitteeReply, Confirm, ConfirmReply, GetBlobStatus, GetCommittee,
            GetInconsistency, GetMetadata, GetNodeInfo, GetNodeRecord, GetSliver, GetSymbols,
            Health, HealthReply, NodeInfo, NodeRecordsReply, PutInconsistency, PutMetadata,
            PutSliver, PutSliverReply,
        },
    },
};

pub use reader::ItemReader;

/// Asks peers. Clones share connections and statistics.
#[derive(Clone)]
pub struct DataClient {
    pool: Arc<Pool>,
    peers: Arc<PeerBook>,
}

/// The conditions of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallOptions {
    /// The time from dialling to the last byte.
    pub deadline: Duration,
    /// What the request is for.
    pub class: TrafficClass,
    /// The epoch the caller believes current.
    pub epoch: Epoch,
}

/// Why a call gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The peer was not reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The peer refused, and said why.
    #[error("the peer refused: {0}")]
    Refused(#[from] Refusal),
    /// The stream or connection ended early.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The peer's bytes break the protocol, or the request does.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// The peer moved bytes too slowly.
    #[error("the peer was too slow")]
    TooSlow,
}

impl From<FrameError> for CallError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Wire(error) => Self::Wire(error),
            FrameError::Stream(error) => Self::Stream(error),
            FrameError::Deadline => Self::Deadline,
            FrameError::TooSlow => Self::TooSlow,
        }
    }
}

type Result<T> = std::result::Result<T, CallError>;

impl DataClient {
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            peers: Arc::default(),
        }
    }

    /// What is known about the peers asked so far.
    #[must_use]
    pub fn peers(&self) -> &PeerBook {
        &self.peers
    }

    /// Bytes that the connections there are now received, whatever they were for, confirmations of what was
    /// sent included; `None` if a transport does not know.
    #[must_use]
    pub fn received(&self) -> Option<u64> {
        self.pool.received()
    }

    /// Hands over segment metadata; `items` are those of the segments named, in order.
    pub async fn put_metadata(
        &self,
        to: &PeerAddress,
        request: &PutMetadata,
        items: &[Bytes],
        options: &CallOptions,
    ) -> Result<()> {
        self.ask(to, request, items, options).await
    }

    /// Hands over slivers; `items` are the metadata, if `request.metadata`, and the slivers, in
    /// order. Success means they are durable.
    pub async fn put_sliver(
        &self,
        to: &PeerAddress,
        request: &PutSliver,
        items: &[Bytes],
        options: &CallOptions,
    ) -> Result<PutSliverReply> {
        self.ask(to, request, items, options).await
    }

    /// Asks for segment metadata, one item per segment.
    pub async fn get_metadata(
        &self,
        to: &PeerAddress,
        request: &GetMetadata,
        options: &CallOptions,
    ) -> Result<ItemReader> {
        self.stream(to, request, request.segments.count.into(), options)
            .await
    }

    /// Asks for slivers, one item per segment and shard.
    pub async fn get_sliver(
        &self,
        to: &PeerAddress,
        request: &GetSliver,
        options: &CallOptions,
    ) -> Result<ItemReader> {
        self.stream(to, request, request.items(), options).await
    }

    /// Asks for symbols, one item per blob and segment.
    pub async fn get_symbols(
        &self,
        to: &PeerAddress,
        request: &GetSymbols,
        options: &CallOptions,
    ) -> Result<ItemReader> {
        self.stream(to, request, request.items(), options).await
    }

    /// Asks what the peer knows of a blob.
    pub async fn get_blob_status(
        &self,
        to: &PeerAddress,
        request: &GetBlobStatus,
        options: &CallOptions,
    ) -> Result<BlobStatus> {
        self.ask(to, request, &[], options).await
    }

    /// Asks for the signature that everything is on disk.
    pub async fn confirm(
        &self,
        to: &PeerAddress,
        request: &Confirm,
        options: &CallOptions,
    ) -> Result<ConfirmReply> {
        self.ask(to, request, &[], options).await
    }

    /// Hands over the proof of an inconsistent segment.
    pub async fn put_inconsistency(
        &self,
        to: &PeerAddress,
        request: &PutInconsistency,
        proof: Bytes,
        options: &CallOptions,
    ) -> Result<()> {
        self.ask(to, request, &[proof], options).await
    }

    /// Asks for the proof of an inconsistent segment, and which it is.
    pub async fn get_inconsistency(
        &self,
        to: &PeerAddress,
        request: &GetInconsistency,
        options: &CallOptions,
    ) -> Result<(SegmentIndex, Bytes)> {
        self.ask_item(to, request, options).await
    }

    /// Asks for a committee: the certificate that names it, and its contents in BCS.
    pub async fn get_committee(
        &self,
        to: &PeerAddress,
        request: &GetCommittee,
        options: &CallOptions,
    ) -> Result<(CommitteeReply, Bytes)> {
        self.ask_item(to, request, options).await
    }

    /// Asks for signed node records, to be verified by the caller.
    pub async fn get_node_record(
        &self,
        to: &PeerAddress,
        request: &GetNodeRecord,
        options: &CallOptions,
    ) -> Result<NodeRecordsReply> {
        self.ask(to, request, &[], options).await
    }

    /// Asks who the peer is.
    pub async fn get_node_info(&self, to: &PeerAddress, options: &CallOptions) -> Result<NodeInfo> {
        self.ask(to, &GetNodeInfo, &[], options).await
    }

    /// Asks how the peer is.
    pub async fn health(&self, to: &PeerAddress, options: &CallOptions) -> Result<HealthReply> {
        self.ask(to, &Health, &[], options).await
    }

    /// A request whose response has no items.
    async fn ask<R: Request>(
        &self,
        to: &PeerAddress,
        request: &R,
        items: &[Bytes],
        options: &CallOptions,
    ) -> Result<R::Reply> {
        let (reply, mut reader) = self.call(to, request, items, 0, options).await?;
        reader.next(|_| ItemSize::Exactly(0)).await?;
        Ok(reply)
    }

    /// A request whose response has one item of a size that cannot be derived.
    async fn ask_item<R: Request>(
        &self,
        to: &PeerAddress,
        request: &R,
        options: &CallOptions,
    ) -> Result<(R::Reply, Bytes)> {
        let max = R::KIND.limits().item;
        let (reply, mut reader) = self.call(to, request, &[], 1, options).await?;
        let item = reader
            .next(|_| ItemSize::AtMost(max))
            .await?
            .and_then(Item::into_bytes);
        reader.next(|_| ItemSize::Exactly(0)).await?;
        Ok((reply, item.ok_or(WireError::Truncated)?))
    }

    /// A request whose response is `items` items.
    async fn stream<R: Request<Reply = ()>>(
        &self,
        to: &PeerAddress,
        request: &R,
        items: u64,
        options: &CallOptions,
    ) -> Result<ItemReader> {
        let ((), reader) = self.call(to, request, &[], items, options).await?;
        Ok(reader)
    }
}

/// Checks items against the limits of a kind, and sums them up.
fn payload_size(kind: Kind, items: &[Bytes]) -> std::result::Result<u32, WireError> {
    let limits = kind.limits();
    let mut sum = 0;
    for item in items {
        let (length, max) = (item.len() as u64, u64::from(limits.item));
        if length > max {
            return Err(WireError::TooLong {
                what: "item",
                length,
                max,
            });
        }
        sum += length;
    }
    let max = u64::from(limits.payload);
    u32::try_from(sum)
        .ok()
        .filter(|&sum| u64::from(sum) <= max)
        .ok_or(WireError::TooLong {
            what: "payload",
            length: sum,
            max,
        })
}
