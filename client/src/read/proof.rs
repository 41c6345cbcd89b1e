//! Hands the proof of an inconsistent segment to the nodes, so that they can agree to mark the blob.

use std::time::Duration;

use bytes::Bytes;
use floe_codec::{BlobId, InconsistencyProof};
use floe_p2p::{
    client::DataClient,
    wire::{TrafficClass, message::PutInconsistency},
};
use futures::future::join_all;
use tokio::time::timeout;

use crate::{network::Network, store::options};

/// How long the nodes have to take it.
const TIME: Duration = Duration::from_secs(5);

/// Sends the proof to every node. Best effort: the reader's own answer does not depend on it.
pub(super) async fn spread(
    peers: &DataClient,
    network: &Network,
    blob: BlobId,
    proof: &InconsistencyProof,
) {
    let bytes: Bytes = bcs::to_bytes(proof).expect("proofs always encode").into();
    let request = PutInconsistency {
        blob,
        segment: proof.segment(),
    };
    let options = options(network, TrafficClass::Control, 0);
    let sends = network
        .addresses
        .iter()
        .map(|address| peers.put_inconsistency(address, &request, bytes.clone(), &options));
    if timeout(TIME, join_all(sends)).await.is_err() {
        tracing::debug!(%blob, "not every node took the proof in time");
    }
}
