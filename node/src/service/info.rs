//! Who the node is and how it is.

use bytes::Bytes;
use floe_p2p::{
    server::Answer,
    wire::{
        Refusal, Status,
        message::{CommitteeReply, GetCommittee, HealthReply, NodeInfo},
    },
};

use super::NodeService;
use crate::health;

impl NodeService {
    pub(super) fn node_info(&self) -> NodeInfo {
        let view = self.node.view();
        NodeInfo {
            node: self.node.id(),
            network: self.node.network(),
            epoch: view.epoch,
            cursor: view.cursor,
            software: concat!("floe/", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    pub(super) fn health_reply(&self) -> HealthReply {
        let reasons = health::not_ready(&self.node);
        HealthReply {
            epoch: self.node.view().epoch,
            not_ready: reasons.try_into().unwrap_or_default(),
        }
    }

    pub(super) async fn committee(&self, request: GetCommittee) -> Answer<(CommitteeReply, Bytes)> {
        let view = self.node.view();
        let epoch = request.epoch.unwrap_or(view.epoch);
        let archive = self.directory.archive.clone();
        let archived = self
            .node
            .blocking(move |_| archive.committee(epoch))
            .await?;
        let current = view.membership.filter(|m| m.committee().epoch() == epoch);
        let (committee, handover) = match (archived, current) {
            (Some(named), _) => (named.committee, named.handover),
            (None, Some(membership)) => (membership.committee().clone(), None),
            (None, None) => return Err(Status::NotHeld.into()),
        };
        let contents =
            bcs::to_bytes(&committee).map_err(|error| Refusal::internal(error.to_string()))?;
        Ok((CommitteeReply { handover }, contents.into()))
    }
}
