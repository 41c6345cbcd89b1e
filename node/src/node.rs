//! What all parts of a running node share: who it is, what it keeps, what it believes of the chain.

use std::sync::Arc;

use floe_chain::{
    certificate::Confirmation,
    committee::Committee,
    id::{NetworkId, NodeId, ObjectId},
    keys::BlsSecretKey,
    statement::{Available, Handover, Persistence, Statement},
};
use floe_codec::{
    BlobId, BlobLayout, Codec, SegmentIndex, SegmentMetadata, ShardIndex, Unverified,
};
use floe_storage::{BlobStatus, IndexError, Storage};
use tokio::sync::{Semaphore, watch};

use crate::{
    heal::HealProgress,
    keeper::ScrubProgress,
    supervisor::with_causes,
    view::{ChainView, Membership},
};

/// Disk reads and coding that run at once, off the network's threads.
const BLOCKING_TASKS: usize = 32;

/// A running storage node, as its parts see it.
#[derive(Debug)]
pub struct Node {
    id: NodeId,
    network: NetworkId,
    storage: Storage,
    codec: Codec,
    protocol_key: BlsSecretKey,
    view: watch::Sender<ChainView>,
    scrub: watch::Sender<ScrubProgress>,
    heal: watch::Sender<HealProgress>,
    blocking: Arc<Semaphore>,
}

/// Why the node does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CannotSign {
    /// The chain cannot be followed, or not be trusted, any more.
    #[error("the chain's alarm is raised")]
    Alarm,
    /// The committee is not known, or the node is not in it.
    #[error("not a member of this epoch's committee")]
    NotAMember,
}

/// The node itself could not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failed(pub(crate) String);

impl<E: std::error::Error> From<E> for Failed
where
    E: Into<IndexError>,
{
    fn from(error: E) -> Self {
        Self(with_causes(&error))
    }
}

impl Node {
    /// The node `id` of `network` over its store, which says where the node stopped following the
    /// chain.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub fn new(
        id: NodeId,
        network: NetworkId,
        storage: Storage,
        codec: Codec,
        protocol_key: BlsSecretKey,
    ) -> Result<Arc<Self>, IndexError> {
        let position = storage.position()?;
        let view = ChainView {
            cursor: position.cursor,
            epoch: position.epoch,
            ..ChainView::default()
        };
        Ok(Arc::new(Self {
            id,
            network,
            storage,
            codec,
            protocol_key,
            view: watch::Sender::new(view),
            scrub: watch::Sender::default(),
            heal: watch::Sender::default(),
            blocking: Arc::new(Semaphore::new(BLOCKING_TASKS)),
        }))
    }

    /// The node's object on the chain.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The network it serves.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// What it keeps.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    pub(crate) fn codec(&self) -> &Codec {
        &self.codec
    }

    /// What it believes of the chain now.
    #[must_use]
    pub fn view(&self) -> ChainView {
        self.view.borrow().clone()
    }

    /// Sees every later change of the view.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ChainView> {
        self.view.subscribe()
    }

    pub(crate) fn update_view(&self, change: impl FnOnce(&mut ChainView)) {
        self.view.send_modify(change);
    }

    /// From here on nothing is signed; reads go on. The reason is for the operator.
    pub(crate) fn raise_alarm(&self, error: &dyn std::error::Error) {
        let reason = with_causes(error);
        tracing::error!(
            reason,
            "the chain's alarm is raised: reads go on, nothing is signed"
        );
        self.update_view(|view| view.alarm = Some(reason.into()));
    }

    /// How far the re-reading of the disk is.
    #[must_use]
    pub fn scrub(&self) -> ScrubProgress {
        *self.scrub.borrow()
    }

    pub(crate) fn update_scrub(&self, change: impl FnOnce(&mut ScrubProgress)) {
        self.scrub.send_modify(change);
    }

    /// What was recovered.
    #[must_use]
    pub fn heal(&self) -> HealProgress {
        *self.heal.borrow()
    }

    pub(crate) fn update_heal(&self, change: impl FnOnce(&mut HealProgress)) {
        self.heal.send_modify(change);
    }

    pub(crate) fn membership_of(&self, committee: Committee) -> Arc<Membership> {
        Arc::new(Membership::new(committee, self.id))
    }

    /// Runs work that blocks (disk, coding) on a thread for such work; at most
    /// [`BLOCKING_TASKS`] run at once.
    pub(crate) async fn blocking<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> Result<R, Failed> {
        let place = Arc::clone(&self.blocking)
            .acquire_owned()
            .await
            .map_err(|_| Failed("closed".into()))?;
        let node = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work(&node)
        })
        .await
        .map_err(|error| Failed(error.to_string()))
    }

    /// The verified metadata of a segment from this node's disk.
    pub(crate) fn metadata(
        &self,
        blob: &BlobId,
        segment: SegmentIndex,
    ) -> Result<Option<SegmentMetadata>, Failed> {
        let Some(bytes) = self.storage.get_metadata(blob, segment)? else {
            return Ok(None);
        };
        let metadata: SegmentMetadata<Unverified> =
            bcs::from_bytes(&bytes).map_err(|error| Failed(error.to_string()))?;
        metadata
            .verify(blob)
            .map(Some)
            .map_err(|error| Failed(error.to_string()))
    }

    /// Signs that every sliver of this node's shards is on disk, in the epoch of `view`, which must be
    /// the one whose shards were looked at.
    pub(crate) fn confirm(
        &self,
        view: &ChainView,
        blob: BlobId,
        object: ObjectId,
        layout: &BlobLayout,
        deletable: bool,
    ) -> Result<Confirmation, CannotSign> {
        if self.view.borrow().alarm.is_some() {
            return Err(CannotSign::Alarm);
        }
        if !view.membership.as_ref().is_some_and(|m| m.is_member()) {
            return Err(CannotSign::NotAMember);
        }
        let persistence = if deletable {
            Persistence::Deletable(object)
        } else {
            Persistence::Permanent
        };
        let body = Available {
            blob,
            size: layout.length(),
            encoding: layout.encoding(),
            persistence,
        };
        let statement = Statement {
            network: self.network,
            epoch: view.epoch,
            body,
        };
        Ok(Confirmation::sign(self.id, statement, &self.protocol_key))
    }

    /// Signs that `next` is the committee that follows this epoch's, as the chain says.
    pub(crate) fn sign_handover(
        &self,
        next: &Committee,
    ) -> Result<Confirmation<Handover>, CannotSign> {
        let view = self.view.borrow();
        if view.alarm.is_some() {
            return Err(CannotSign::Alarm);
        }
        let member = view.membership.as_ref().is_some_and(|m| m.is_member());
        if !member || view.epoch.next() != Some(next.epoch()) {
            return Err(CannotSign::NotAMember);
        }
        let statement = Statement {
            network: self.network,
            epoch: view.epoch,
            body: Handover::to(next),
        };
        Ok(Confirmation::sign(self.id, statement, &self.protocol_key))
    }

    /// This node's shards in the epoch; empty when it is not a member.
    pub(crate) fn shards(&self) -> Vec<ShardIndex> {
        self.view.borrow().shards().to_vec()
    }

    /// The blob in the ledger, with its shape.
    pub(crate) fn blob(&self, blob: &BlobId) -> Result<Option<(BlobStatus, BlobLayout)>, Failed> {
        let Some(status) = self.storage.blob(blob)? else {
            return Ok(None);
        };
        let shards = self.storage.stamp().shards;
        Ok(BlobLayout::new(status.encoding, shards, status.size)
            .ok()
            .map(|layout| (status, layout)))
    }
}
