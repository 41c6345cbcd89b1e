//! What must hold for every input, one function for each fuzz target.
//!
//! `cargo fuzz run TARGET` in `p2p/`, on stable with `RUSTC_BOOTSTRAP=1`.

#[path = "../../tests/codecs/mod.rs"]
mod codecs;
#[path = "../../tests/gossip/mod.rs"]
mod gossip;
#[path = "../../tests/world/mod.rs"]
mod world;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use floe_p2p::{
    ItemSize,
    address::PeerAddress,
    identity::Identity,
    plane::DataPlane,
    server::ServerSettings,
    transport::{DataTransport, sim::SimNetwork},
};
use world::{MemoryService, SLIVER, anonymous, get_sliver, options};

/// Every codec is total and canonical.
pub fn codecs(data: &[u8]) {
    codecs::all_codecs(data);
}

/// The judge of gossip takes any bytes on any topic, and believes nothing that nobody signed.
pub fn gossip(data: &[u8]) {
    gossip::judge_anything(data);
}

/// A server answers any bytes in time, and answers the next peer as well.
pub fn request(data: &[u8]) {
    in_virtual_time(async {
        let network = SimNetwork::new(1);
        let node = Identity::from_seed([1; 32]).peer_id();
        let transport = Arc::new(network.join(node));
        let settings = ServerSettings { inbound_memory: 1 << 20, ..ServerSettings::default() };
        let service = MemoryService::default();
        let _server = DataPlane::start(transport, service, Arc::new(anonymous), settings);

        let me = network.join(Identity::from_seed([2; 32]).peer_id());
        let to = PeerAddress { peer: node, addresses: vec![] };
        let connection = me.dial(&to).await.expect("the server is there");
        let (mut send, mut recv) = connection.open().await.expect("there is credit");
        let _ = send.send(Bytes::copy_from_slice(data)).await;
        send.finish();
        while let Ok(Some(_)) = recv.chunk(1 << 16).await {}

        let plane = DataPlane::client_only(Arc::new(me));
        plane.client().health(&to, &options()).await.expect("the server lives on");
    });
}

/// A client takes any bytes for an answer, and ends in time.
pub fn response(data: &[u8]) {
    let answer = Bytes::copy_from_slice(data);
    in_virtual_time(async move {
        let network = SimNetwork::new(1);
        let node = Identity::from_seed([1; 32]).peer_id();
        let liar = network.join(node);
        tokio::spawn(async move {
            while let Some(connection) = liar.accept().await {
                let Ok((mut send, mut recv)) = connection.accept().await else { continue };
                while let Ok(Some(_)) = recv.chunk(1 << 16).await {}
                let _ = send.send(answer.clone()).await;
                send.finish();
                let _ = connection.closed().await;
            }
        });
        let me = network.join(Identity::from_seed([2; 32]).peer_id());
        let plane = DataPlane::client_only(Arc::new(me));
        let to = PeerAddress { peer: node, addresses: vec![] };
        if let Ok(mut reader) = plane.client().get_sliver(&to, &get_sliver(0..2, 2), &options()).await {
            while let Ok(Some(_)) = reader.next(|_| ItemSize::Exactly(SLIVER)).await {}
        }
    });
}

/// Runs on a paused clock: waits cost nothing, and a wait without end is found as one.
fn in_virtual_time(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without input and output");
    runtime.block_on(async {
        let limit = Duration::from_secs(24 * 3600);
        tokio::time::timeout(limit, story).await.expect("every exchange ends");
    });
}
