//! What only QUIC does: a peer that was restarted is noticed at once.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod world;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use floe_p2p::{address::PeerAddress, server::ServerSettings};
use tokio::net::UdpSocket;
use world::options;

/// Forwards datagrams between one client and a server that can be exchanged behind its back.
struct Forwarder {
    address: SocketAddr,
    server: Arc<Mutex<SocketAddr>>,
}

impl Forwarder {
    async fn start(server: SocketAddr) -> Self {
        let front = Arc::new(UdpSocket::bind(world::loopback()).await.unwrap());
        let back = Arc::new(UdpSocket::bind(world::loopback()).await.unwrap());
        let address = front.local_addr().unwrap();
        let (server, client) = (Arc::new(Mutex::new(server)), Arc::new(Mutex::new(None)));
        let (inward, outward) = (Arc::clone(&front), Arc::clone(&back));
        let (to, from) = (Arc::clone(&server), Arc::clone(&client));
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, sender)) = inward.recv_from(&mut buffer).await {
                *from.lock().unwrap() = Some(sender);
                let target = *to.lock().unwrap();
                let _ = outward.send_to(&buffer[..length], target).await;
            }
        });
        let to = Arc::clone(&server);
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, sender)) = back.recv_from(&mut buffer).await {
                let target = *client.lock().unwrap();
                let current = *to.lock().unwrap();
                if let (true, Some(target)) = (sender == current, target) {
                    let _ = front.send_to(&buffer[..length], target).await;
                }
            }
        });
        Self { address, server }
    }
}

#[tokio::test]
async fn a_killed_and_restarted_peer_is_noticed_before_its_idle_timeout() {
    let settings = ServerSettings::default();
    let at = |to: &PeerAddress| to.addresses[0].to_string().parse().unwrap();
    let (_first, _, to) = world::serve(1, world::loopback(), settings);
    let forwarder = Forwarder::start(at(&to)).await;
    let plane = world::client();
    let to = PeerAddress::new(to.peer, forwarder.address);
    plane.client().health(&to, &options()).await.unwrap();

    // The first server never says good-bye; the second one knows nothing of the connection but has
    // the same identity.
    let (_second, _, again) = world::serve(1, world::loopback(), settings);
    *forwarder.server.lock().unwrap() = at(&again);
    // The deadline is shorter than the idle timeout of 30 s, and the handshake must fit in too.
    plane.client().health(&to, &options()).await.unwrap();
}
