//! A path that loses every second packet from client to node, for good: what arrives has gaps, and the
//! receiver must keep what lies behind them.

use std::{net::SocketAddr, sync::Arc};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::{net::UdpSocket, task::JoinHandle};

use crate::Attempt;

/// Packets of a connection that pass first, so that there is one.
const PASS: u64 = 12;

/// One client's path to a node.
pub(super) struct Gaps {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Gaps {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gaps {
    pub(super) async fn to(node: SocketAddr, seed: u64) -> Attempt<Self> {
        let inside = UdpSocket::bind("127.0.0.1:0").await?;
        let outside = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        outside.connect(node).await?;
        let address = inside.local_addr()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let task = tokio::spawn(async move {
            let (mut forth, mut back) = (vec![0; 65_536], vec![0; 65_536]);
            let (mut client, mut count) = (None, 0);
            loop {
                tokio::select! {
                    Ok((length, from)) = inside.recv_from(&mut forth) => {
                        client = Some(from);
                        count += 1;
                        if count <= PASS || rng.random() {
                            let _ = outside.send(&forth[..length]).await;
                        }
                    }
                    Ok(length) = outside.recv(&mut back) => {
                        if let Some(client) = client {
                            let _ = inside.send_to(&back[..length], client).await;
                        }
                    }
                    else => return,
                }
            }
        });
        Ok(Self { address, task })
    }
}
