//! What a node must answer: one method per request. The server decodes, limits and times; the
//! service decides.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Items, Payload};
use crate::{
    class::ConnectionClass,
    identity::PeerId,
    wire::{
        Refusal, TrafficClass,
        message::{
            BlobStatus, CommitteeReply, Confirm, ConfirmReply, GetBlobStatus, GetCommittee,
            GetInconsistency, GetMetadata, GetNodeInfo, GetNodeRecord, GetSliver, GetSymbols,
            Health, HealthReply, NodeInfo, NodeRecordsReply, PutInconsistency, PutMetadata,
            PutSliver, PutSliverReply,
        },
    },
};
use floe_chain::epoch::Epoch;
use floe_codec::SegmentIndex;

/// Who asks, and under which conditions.
#[derive(Clone, Debug)]
pub struct Call {
    /// The proven peer.
    pub peer: PeerId,
    /// Who the peer is to this node.
    pub class: ConnectionClass,
    /// What the request is for.
    pub traffic: TrafficClass,
    /// The epoch the caller believes current.
    pub epoch: Epoch,
    /// When the answer is worth nothing any more. The server enforces it.
    pub deadline: Instant,
}

/// What a method of [`Service`] returns.
pub type Answer<T> = Result<T, Refusal>;

fn unsupported<T: Send>() -> impl Future<Output = Answer<T>> + Send {
    std::future::ready(Err(Refusal::unsupported()))
}

/// Answers requests. A method left out answers `Unsupported`.
///
/// A method's future is dropped when the deadline passes, the peer cancels or the connection ends,
/// so it must leave nothing half done that matters. It must not block; long work belongs on threads
/// of its own.
#[expect(
    unused_variables,
    reason = "the names of unused parameters are documentation"
)]
pub trait Service: Send + Sync + 'static {
    /// Takes segment metadata; items have the size that follows from the registration.
    fn put_metadata(
        &self,
        call: &Call,
        request: PutMetadata,
        payload: &mut Payload,
    ) -> impl Future<Output = Answer<()>> + Send {
        unsupported()
    }

    /// Takes slivers. `Ok` means they are durable.
    fn put_sliver(
        &self,
        call: &Call,
        request: PutSliver,
        payload: &mut Payload,
    ) -> impl Future<Output = Answer<PutSliverReply>> + Send {
        unsupported()
    }

    /// Sends segment metadata.
    fn get_metadata(
        &self,
        call: &Call,
        request: GetMetadata,
        items: &mut Items,
    ) -> impl Future<Output = Answer<()>> + Send {
        unsupported()
    }

    /// Sends slivers.
    fn get_sliver(
        &self,
        call: &Call,
        request: GetSliver,
        items: &mut Items,
    ) -> impl Future<Output = Answer<()>> + Send {
        unsupported()
    }

    /// Sends symbols.
    fn get_symbols(
        &self,
        call: &Call,
        request: GetSymbols,
        items: &mut Items,
    ) -> impl Future<Output = Answer<()>> + Send {
        unsupported()
    }

    /// Tells what is known of a blob.
    fn get_blob_status(
        &self,
        call: &Call,
        request: GetBlobStatus,
    ) -> impl Future<Output = Answer<BlobStatus>> + Send {
        unsupported()
    }

    /// Signs that everything is on disk.
    fn confirm(
        &self,
        call: &Call,
        request: Confirm,
    ) -> impl Future<Output = Answer<ConfirmReply>> + Send {
        unsupported()
    }

    /// Takes the proof of an inconsistent segment.
    fn put_inconsistency(
        &self,
        call: &Call,
        request: PutInconsistency,
        payload: &mut Payload,
    ) -> impl Future<Output = Answer<()>> + Send {
        unsupported()
    }

    /// Gives the proof of an inconsistent segment, and which it is.
    fn get_inconsistency(
        &self,
        call: &Call,
        request: GetInconsistency,
    ) -> impl Future<Output = Answer<(SegmentIndex, Bytes)>> + Send {
        unsupported()
    }

    /// Gives a committee: the certificate, and the contents in BCS.
    fn get_committee(
        &self,
        call: &Call,
        request: GetCommittee,
    ) -> impl Future<Output = Answer<(CommitteeReply, Bytes)>> + Send {
        unsupported()
    }

    /// Gives signed node records.
    fn get_node_record(
        &self,
        call: &Call,
        request: GetNodeRecord,
    ) -> impl Future<Output = Answer<NodeRecordsReply>> + Send {
        unsupported()
    }

    /// Tells who the node is.
    fn get_node_info(
        &self,
        call: &Call,
        request: GetNodeInfo,
    ) -> impl Future<Output = Answer<NodeInfo>> + Send {
        unsupported()
    }

    /// Tells how the node is.
    fn health(
        &self,
        call: &Call,
        request: Health,
    ) -> impl Future<Output = Answer<HealthReply>> + Send {
        unsupported()
    }
}

/// Serves nothing: what a pure client answers with.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoService;

impl Service for NoService {}
