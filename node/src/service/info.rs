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

    pub(super) fn committee(&self, request: GetCommittee) -> Answer<(CommitteeReply, Bytes)> {
        let view = self.node.view();
        let epoch = request.epoch.unwrap_or(view.epoch);
        let membership = view.membership.filter(|m| m.committee().epoch() == epoch);
        let membership = membership.ok_or(Status::NotHeld)?;
        let contents = bcs::to_bytes(membership.committee())
            .map_err(|error| Refusal::internal(error.to_string()))?;
        Ok((CommitteeReply { handover: None }, contents.into()))
    }
}
