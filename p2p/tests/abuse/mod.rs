//! Peers that flood the control plane with every kind of frame, and declare more than may come.

use libp2p::StreamProtocol;
use prometheus_client::registry::Registry;

use super::*;
use crate::attacker::{Attacker, Spam};

/// Frames a second of one spammer.
const RATE: u32 = 2_000;
/// Nobody floods for longer; who is not cut by then never is.
const FLOOD: Duration = Duration::from_secs(60);

fn metrics(peer: &Peer) -> String {
    let mut registry = Registry::default();
    let book = Arc::clone(peer.plane.book());
    peer.plane.metrics().register(&mut registry, book);
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spammer_is_cut_and_honest_peers_hear_each_other_all_the_while() {
    let peers = mesh(4).await;
    let target = peers[0].bootstrap();
    for (port, spam) in (5_000..).zip(Spam::ALL) {
        let keypair = libp2p::identity::Keypair::generate_ed25519();
        let id = keypair.public().to_peer_id();
        let mut attacker = Attacker::connect(keypair, &target);
        let flood = tokio::spawn(async move { attacker.flood(NETWORK, spam, RATE, FLOOD).await });
        // A record sooner than a second after the last one is not passed on.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        peers[1].announce(2, port).await;
        let moved = identity(2).peer_id();
        for hears in [&peers[0], &peers[2], &peers[3]] {
            until(|| hears.plane.book().data(&moved).1.first() == Some(&data(port))).await;
        }
        let outcome = flood.await.unwrap();
        assert!(outcome.cut.is_some(), "{spam:?}: {outcome:?}");
        until(|| !peers[0].plane.connected().borrow().contains(&id)).await;
        for peer in &peers {
            let connected = peer.plane.connected().borrow().len();
            assert_eq!(connected, 3, "{spam:?}: the members stay connected");
        }
    }
    let page = metrics(&peers[0]);
    for counted in [
        r#"control_saturated_total{what="gossip_frames"}"#,
        r#"control_faults_total{what="spam"}"#,
        r#"control_faults_total{what="flooding"}"#,
    ] {
        assert!(page.contains(counted), "{counted} is not in\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_beyond_every_cap_end_the_stream_on_every_protocol() {
    let node = Peer::start(1, Role::Node, None).await;
    let keypair = libp2p::identity::Keypair::generate_ed25519();
    let mut attacker = Attacker::connect(keypair, &node.bootstrap());
    let varint = [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[7; 128 << 10]].concat();
    for protocol in [
        "/floe/control/1",
        "/floe/kad/1",
        "/ipfs/id/push/1.0.0",
        "/libp2p/circuit/relay/0.2.0/hop",
        "/libp2p/autonat/2/dial-request",
        "/meshsub/1.1.0",
        "/floe/data/1",
    ] {
        let bytes = match protocol {
            "/floe/data/1" => vec![0xff; 128 << 10],
            _ => varint.clone(),
        };
        let protocol = StreamProtocol::new(protocol);
        // The data plane's streams are served by whoever takes them, and here nobody does.
        let patience = Duration::from_secs(20);
        let ended = attacker.speak(protocol.clone(), &bytes, patience).await;
        assert!(ended || protocol == "/floe/data/1", "{protocol} hangs");
    }
    let client = Peer::start(99, Role::Client, Some(&node.bootstrap())).await;
    client.connected(1).await;
}
