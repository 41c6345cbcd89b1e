//! What the node answers on the data plane: one file per subject. Nothing from a peer is believed
//! before it is verified, and nothing is acknowledged before it is on disk.

mod confirm;
mod inconsistency;
mod info;
mod metadata;
mod sliver;
mod symbols;

pub(crate) use sliver::sliver_index;

use std::sync::Arc;

use bytes::Bytes;
use floe_chain::id::ObjectId;
use floe_codec::{BlobId, BlobLayout, SegmentIndex};
use floe_p2p::{
    control::news::InconsistencyNotice,
    identity::PeerId,
    server::{Answer, Call, Items, Payload, Service},
    wire::{
        Refusal, Status,
        message::{
            BlobStatus, CommitteeReply, Confirm, ConfirmReply, GetBlobStatus, GetCommittee,
            GetInconsistency, GetMetadata, GetNodeInfo, GetNodeRecord, GetSliver, GetSymbols,
            Health, HealthReply, NodeInfo, NodeRecordsReply, PutInconsistency, PutMetadata,
            PutSliver, PutSliverReply,
        },
    },
};
use floe_storage::{Busy, PutError, Registration};

use tokio::sync::mpsc;

pub(crate) use inconsistency::{accept_proof, keep_proof};
pub(crate) use metadata::{largest_metadata, verify_metadata};
pub(crate) use symbols::largest_proof;

use crate::{
    control::Directory,
    node::{Failed, Node},
    view::ChainView,
};

/// How soon a peer is told to come back when the disk has more to write than it can.
const DISK_BUSY: std::time::Duration = std::time::Duration::from_millis(100);

/// Answers for one node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NodeService {
    node: Arc<Node>,
    directory: Directory,
    peer: PeerId,
    /// Proofs that others should hear of.
    proofs: mpsc::Sender<InconsistencyNotice>,
}

impl NodeService {
    /// The service of `node`, whose connections prove `peer`. Whoever holds the other end of
    /// `proofs` tells other nodes.
    #[must_use]
    pub fn new(
        node: Arc<Node>,
        directory: Directory,
        peer: PeerId,
        proofs: mpsc::Sender<InconsistencyNotice>,
    ) -> Self {
        Self {
            node,
            directory,
            peer,
            proofs,
        }
    }

    /// A blob that may be written: known to the ledger, paid for, neither invalid nor proved to be
    /// inconsistent, by this registration. One that the ledger does not hold may be ahead of it,
    /// also where earlier registrations of the same blob have ended.
    fn writable(&self, blob: &BlobId, object: &ObjectId) -> Answer<(BlobLayout, Registration)> {
        let layout = match self.node.blob(blob)? {
            None => return Err(self.not_registered()),
            Some((status, _)) if status.invalid => return Err(Status::Inconsistent.into()),
            Some((_, layout)) => layout,
        };
        let proved = self.node.storage().has_inconsistency(blob);
        if proved.map_err(Failed::from)? {
            return Err(Status::Inconsistent.into());
        }
        match self.node.storage().registration(blob, object) {
            Ok(Some(registration)) => Ok((layout, registration)),
            Ok(None) => Err(self.not_registered()),
            Err(error) => Err(Failed::from(error).into()),
        }
    }

    /// A blob whose slivers are served.
    fn kept(&self, blob: &BlobId) -> Answer<BlobLayout> {
        match self.node.blob(blob)? {
            None => Err(self.not_registered()),
            Some((status, _)) if status.invalid => Err(Status::Inconsistent.into()),
            Some((status, _)) if status.registered == 0 => Err(Status::Expired.into()),
            Some((_, layout)) => Ok(layout),
        }
    }

    /// Writing and confirming are for the epoch that the node believes current.
    fn current(&self, call: &Call) -> Answer<ChainView> {
        let view = self.node.view();
        if call.epoch == view.epoch {
            Ok(view)
        } else {
            Err(Status::WrongEpoch { epoch: view.epoch }.into())
        }
    }

    fn not_registered(&self) -> Refusal {
        Status::NotRegistered {
            cursor: self.node.view().cursor,
        }
        .into()
    }
}

impl Service for NodeService {
    async fn put_metadata(
        &self,
        call: &Call,
        request: PutMetadata,
        payload: &mut Payload,
    ) -> Answer<()> {
        self.current(call)?;
        self.take_metadata(&request, payload).await
    }

    async fn put_sliver(
        &self,
        call: &Call,
        request: PutSliver,
        payload: &mut Payload,
    ) -> Answer<PutSliverReply> {
        self.current(call)?;
        self.take_slivers(call, &request, payload).await
    }

    async fn get_metadata(
        &self,
        _call: &Call,
        request: GetMetadata,
        items: &mut Items,
    ) -> Answer<()> {
        self.send_metadata(&request, items).await
    }

    async fn get_sliver(&self, _call: &Call, request: GetSliver, items: &mut Items) -> Answer<()> {
        self.send_slivers(request, items).await
    }

    async fn get_symbols(
        &self,
        _call: &Call,
        request: GetSymbols,
        items: &mut Items,
    ) -> Answer<()> {
        self.send_symbols(request, items).await
    }

    async fn get_blob_status(&self, _call: &Call, request: GetBlobStatus) -> Answer<BlobStatus> {
        self.blob_status(request).await
    }

    async fn confirm(&self, call: &Call, request: Confirm) -> Answer<ConfirmReply> {
        self.confirm_blob(call, request.blob, request.object).await
    }

    async fn put_inconsistency(
        &self,
        _call: &Call,
        request: PutInconsistency,
        payload: &mut Payload,
    ) -> Answer<()> {
        self.take_proof(request, payload).await
    }

    async fn get_inconsistency(
        &self,
        _call: &Call,
        request: GetInconsistency,
    ) -> Answer<(SegmentIndex, Bytes)> {
        self.send_proof(request.blob).await
    }

    async fn get_committee(
        &self,
        _call: &Call,
        request: GetCommittee,
    ) -> Answer<(CommitteeReply, Bytes)> {
        self.committee(request).await
    }

    async fn get_node_record(
        &self,
        _call: &Call,
        request: GetNodeRecord,
    ) -> Answer<NodeRecordsReply> {
        let records = self.directory.book.answer(self.peer, &request.peers);
        Ok(NodeRecordsReply { records })
    }

    async fn get_node_info(&self, _call: &Call, _request: GetNodeInfo) -> Answer<NodeInfo> {
        Ok(self.node_info())
    }

    async fn health(&self, _call: &Call, _request: Health) -> Answer<HealthReply> {
        Ok(self.health_reply())
    }
}

impl From<Failed> for Refusal {
    fn from(failed: Failed) -> Self {
        tracing::error!(error = %failed, "a request failed on this node's side");
        // What exactly failed is the operator's business, not the peer's.
        Self::internal("the node's disk or index failed")
    }
}

/// What to tell a writer whose data was not stored.
fn put_refusal(error: &PutError) -> Refusal {
    match error {
        PutError::NotRegistered(_) => Status::Expired.into(),
        PutError::Invalid(_) => Status::Inconsistent.into(),
        PutError::DiskFull => Status::Full.into(),
        PutError::WrongShape { .. } => Refusal::bad_request(error.to_string()),
        // The shard left during the request: another try meets the new epoch.
        PutError::WrongShard(_) => Refusal::busy(DISK_BUSY),
        PutError::Failed(_) => Failed(error.to_string()).into(),
    }
}

fn busy(_: Busy) -> Refusal {
    Refusal::busy(DISK_BUSY)
}
