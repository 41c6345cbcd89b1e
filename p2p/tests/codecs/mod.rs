//! What must hold for the codec of every message, whatever the bytes. Shared with the fuzz targets.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by tests, which stop at the first surprise"
)]

use floe_p2p::control::{
    inventory::{InventorySummary, SignedInventory},
    news::{CommitteeNews, InconsistencyNotice},
    record::{NodeRecord, SignedRecord},
    request::{ControlAnswer, ControlRequest},
};
use floe_p2p::wire::{
    Head, ItemHead, Request, RequestHead, ResponseHead, Status,
    message::{
        BlobStatus, CommitteeReply, Confirm, ConfirmReply, GetBlobStatus, GetCommittee,
        GetInconsistency, GetMetadata, GetNodeInfo, GetNodeRecord, GetSliver, GetSymbols, Health,
        HealthReply, NodeInfo, NodeRecordsReply, PutInconsistency, PutMetadata, PutSliver,
        PutSliverReply,
    },
};
use serde::{Serialize, de::DeserializeOwned};

/// Whatever decodes encodes to the same bytes, and nothing panics.
fn canonical<R: Request + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(request) = R::from_body(bytes) {
        assert_eq!(request.to_body().unwrap(), bytes);
    }
}

fn canonical_reply<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    if let Ok(reply) = bcs::from_bytes::<T>(bytes) {
        assert_eq!(bcs::to_bytes(&reply).unwrap(), bytes);
    }
}

/// Feeds the bytes to the codec of every message.
pub fn all_codecs(bytes: &[u8]) {
    canonical::<PutMetadata>(bytes);
    canonical::<PutSliver>(bytes);
    canonical::<GetMetadata>(bytes);
    canonical::<GetSliver>(bytes);
    canonical::<GetSymbols>(bytes);
    canonical::<GetBlobStatus>(bytes);
    canonical::<Confirm>(bytes);
    canonical::<PutInconsistency>(bytes);
    canonical::<GetInconsistency>(bytes);
    canonical::<GetCommittee>(bytes);
    canonical::<GetNodeRecord>(bytes);
    canonical::<GetNodeInfo>(bytes);
    canonical::<Health>(bytes);
    canonical_reply::<PutSliverReply>(bytes);
    canonical_reply::<BlobStatus>(bytes);
    canonical_reply::<ConfirmReply>(bytes);
    canonical_reply::<CommitteeReply>(bytes);
    canonical_reply::<NodeRecordsReply>(bytes);
    canonical_reply::<NodeInfo>(bytes);
    canonical_reply::<HealthReply>(bytes);
    canonical_reply::<Status>(bytes);
    control_codecs(bytes);
    if let Ok(head) = RequestHead::from_bytes(bytes) {
        let frame = head.to_frame().unwrap();
        assert!(frame.ends_with(bytes));
    }
    if let Some(Ok(head)) = bytes.first_chunk().map(|head| ItemHead::from_bytes(*head)) {
        assert!(bytes.starts_with(&head.to_bytes()));
    }
    if let Ok(head) = ResponseHead::from_bytes(bytes) {
        assert!(head.to_frame().unwrap().ends_with(bytes));
        let _ = head.into_reply::<BlobStatus>();
    }
}

/// The messages of the control plane.
fn control_codecs(bytes: &[u8]) {
    canonical_reply::<NodeRecord>(bytes);
    canonical_reply::<SignedRecord>(bytes);
    canonical_reply::<InventorySummary>(bytes);
    canonical_reply::<SignedInventory>(bytes);
    canonical_reply::<CommitteeNews>(bytes);
    canonical_reply::<InconsistencyNotice>(bytes);
    canonical_reply::<ControlRequest>(bytes);
    canonical_reply::<ControlAnswer>(bytes);
}
