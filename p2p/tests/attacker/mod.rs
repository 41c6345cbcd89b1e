//! A peer that speaks the control plane's protocols by hand, and badly. Shared by tests and by the rows of
//! the fault matrix.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "shared by tests, which stop at the first surprise"
)]

pub mod frames;
pub mod initial;
mod protobuf;

use std::time::{Duration, Instant};

use floe_p2p::control::record::Bootstrap;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder,
    identity::Keypair,
    noise,
    swarm::dial_opts::{DialOpts, PeerCondition},
    tcp, yamux,
};
use tokio::{task::JoinHandle, time::timeout};

use self::frames::Frames;

/// Gossip as everybody speaks it.
const GOSSIP: StreamProtocol = StreamProtocol::new("/meshsub/1.1.0");
/// Time for a connection, a stream, a write.
const PATIENCE: Duration = Duration::from_secs(6);
/// Streams that may fail one after the other before the peer counts as unreachable.
const TRIES: usize = 6;

/// What is sent by a flooder, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spam {
    /// Messages whose signature is wrong.
    Forged,
    /// Signed messages that are none of their topic.
    Junk,
    /// One signed message again and again.
    Duplicates,
    /// Signed messages of a topic nobody knows.
    UnknownTopic,
    /// Messages longer than any of their topic.
    Oversized,
    /// Frames that declare more than may come: four gigabytes.
    Declared,
    /// A thousand empty messages in a frame.
    Crammed,
    /// Lists of messages that do not exist.
    IHave,
    /// Requests for messages that do not exist.
    IWant,
    /// Leaves the mesh for 2^64 - 1 seconds and recommends peers that are not.
    Prune,
    /// Joins the mesh again and again.
    Graft,
    /// Subscribes to topics that do not exist.
    Topics,
    /// Says what it does not want.
    IDontWant,
}

impl Spam {
    pub const ALL: [Self; 13] = [
        Self::Forged,
        Self::Junk,
        Self::Duplicates,
        Self::UnknownTopic,
        Self::Oversized,
        Self::Declared,
        Self::Crammed,
        Self::IHave,
        Self::IWant,
        Self::Prune,
        Self::Graft,
        Self::Topics,
        Self::IDontWant,
    ];
}

/// What came of a flood.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Frames that were written.
    pub sent: u64,
    /// After how long the target would not listen any more; none if it did to the end.
    pub cut: Option<Duration>,
}

/// A connection to one peer, kept by a task.
pub struct Attacker {
    pub keypair: Keypair,
    control: libp2p_stream::Control,
    target: PeerId,
    task: JoinHandle<()>,
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Attacker {
    /// Keeps a connection to `target` as long as it is let.
    pub fn connect(keypair: Keypair, target: &Bootstrap) -> Self {
        let mut swarm = swarm(keypair.clone());
        let control = swarm.behaviour().new_control();
        let peer = target.peer;
        let address = target.address.as_multiaddr().clone();
        let task = tokio::spawn(async move {
            loop {
                let dial = DialOpts::peer_id(peer)
                    .addresses(vec![address.clone()])
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .build();
                let _ = swarm.dial(dial);
                let _ = timeout(Duration::from_millis(200), swarm.select_next_some()).await;
            }
        });
        Self {
            keypair,
            control,
            target: peer,
            task,
        }
    }

    /// A stream of a protocol, if the target accepts one.
    pub async fn open(&mut self, protocol: StreamProtocol) -> Option<Stream> {
        let open = self.control.open_stream(self.target, protocol);
        timeout(PATIENCE, open).await.ok()?.ok()
    }

    /// Sends frames at `rate` a second until the target listens no more, or the time is over.
    pub async fn flood(
        &mut self,
        network: floe_chain::id::NetworkId,
        spam: Spam,
        rate: u32,
        time: Duration,
    ) -> Outcome {
        let mut frames = Frames::new(self.keypair.clone(), network);
        let begun = Instant::now();
        let mut outcome = Outcome::default();
        let mut failed = 0;
        while begun.elapsed() < time {
            let Some(mut stream) = self.open(GOSSIP).await else {
                failed += 1;
                if failed == TRIES {
                    outcome.cut = Some(begun.elapsed());
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let before = outcome.sent;
            while begun.elapsed() < time {
                let batch = rate.div_ceil(100).max(1);
                let bytes: Vec<u8> = (0..batch).flat_map(|_| frames.next(spam)).collect();
                match timeout(PATIENCE, stream.write_all(&bytes)).await {
                    Ok(Ok(())) => outcome.sent += u64::from(batch),
                    _ => break,
                }
                if timeout(PATIENCE, stream.flush()).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            failed = if outcome.sent - before > u64::from(rate) / 10 {
                0
            } else {
                failed + 1
            };
            if failed == TRIES {
                outcome.cut = Some(begun.elapsed());
                break;
            }
        }
        outcome
    }

    /// Sends bytes on a stream of a protocol and waits until the target ends it. `false` if it is still
    /// open after `time`.
    pub async fn speak(&mut self, protocol: StreamProtocol, bytes: &[u8], time: Duration) -> bool {
        let Some(mut stream) = self.open(protocol).await else {
            return true;
        };
        let talk = async {
            if stream.write_all(bytes).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            let mut answer = vec![0; 1 << 16];
            while stream.read(&mut answer).await.is_ok_and(|count| count > 0) {}
        };
        timeout(time, talk).await.is_ok()
    }
}

fn swarm(keypair: Keypair) -> Swarm<libp2p_stream::Behaviour> {
    SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_quic()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|config| {
            config
                .with_idle_connection_timeout(Duration::from_secs(600))
                .with_substream_upgrade_protocol_override(libp2p::core::upgrade::Version::V1Lazy)
        })
        .build()
}
