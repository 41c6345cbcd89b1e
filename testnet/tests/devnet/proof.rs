//! The committee of an epoch, proved by our light client and by the SDK's own: the same bytes.

use floe_chain::epoch::Epoch;
use floe_chain::event::ChainEvent;
use floe_chain::light::{TrustAnchor, epoch_committee_id};
use floe_chain::rpc::{ChainError, ChainEvents, ChainRead, SuiChain};
use futures::StreamExt;
use sui_rpc::Client;
use sui_rpc::light_client::{CheckpointObjectProof, LightClient};
use sui_sdk_types::Address;

use crate::support::{Chain, HOUR, network, plan};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdk_proves_the_same_committee() {
    let (chain, twin) = (Chain::start().await, Chain::start().await);
    let (deployment, network) = network(&chain, &plan(4, 10, HOUR)).await;
    let ours = network.committee(Epoch::FIRST).await.unwrap().unwrap();

    let start = network.start().await.unwrap();
    let mut stream = network.follow(start);
    let (checkpoint, id) = loop {
        let batch = stream.next().await.unwrap().unwrap();
        let selected = batch.events.iter().find_map(|(_, event)| match event {
            ChainEvent::CommitteeSelected(event) => Some(event.committee),
            _ => None,
        });
        if let Some(id) = selected {
            break (batch.checkpoint, id);
        }
    };
    let system = network.network().system;
    assert_eq!(id, epoch_committee_id(system.into(), Epoch::FIRST));

    let by_the_sdk = async |anchor: &str| {
        let client = Client::new(chain.devnet.info().url.as_str()).unwrap();
        let mut light = LightClient::new(client, TrustAnchor::from_hex(anchor).unwrap().0);
        let id = Address::new(*id.as_bytes());
        light.prove_object_at_checkpoint(&id, checkpoint).await
    };
    let proof = by_the_sdk(&chain.devnet.info().anchor).await.unwrap();
    let CheckpointObjectProof::Inclusion { object, .. } = proof else {
        panic!("{proof:?}");
    };
    let object = object.unwrap();
    let contents = object.as_struct().unwrap().contents();
    assert_eq!(contents[32..], bcs::to_bytes(&ours).unwrap());

    // With the validators of another chain neither believes anything.
    let foreign = &twin.devnet.info().anchor;
    assert!(by_the_sdk(foreign).await.is_err());
    let mut config = deployment.config;
    config.trust_anchor = Some(foreign.clone());
    let deceived = SuiChain::connect(&config).await.unwrap();
    let error = deceived.committee(Epoch::FIRST).await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
}
