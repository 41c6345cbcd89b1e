//! Frames of gossip, encoded by hand: the protobuf of gossipsub, and what its own encoder would not write.

use floe_chain::id::NetworkId;
use floe_p2p::control::topic::Topic;
use libp2p::{PeerId, identity::Keypair};

use super::{
    Spam,
    protobuf::{bytes, framed, varint},
};

/// Fields of `RPC`, `Message` and `ControlMessage`, by their numbers in the specification.
mod field {
    pub const SUBSCRIPTIONS: u64 = 1;
    pub const PUBLISH: u64 = 2;
    pub const CONTROL: u64 = 3;
    pub const IHAVE: u64 = 1;
    pub const IWANT: u64 = 2;
    pub const GRAFT: u64 = 3;
    pub const PRUNE: u64 = 4;
    pub const IDONTWANT: u64 = 5;
}

/// Writes one flooder's frames; no two are the same unless they are meant to be.
pub struct Frames {
    keypair: Keypair,
    network: NetworkId,
    count: u64,
    duplicate: Vec<u8>,
}

impl Frames {
    pub fn new(keypair: Keypair, network: NetworkId) -> Self {
        let topic = Topic::Inconsistency.name(network);
        let duplicate = publish(&signed(&keypair, &topic, 0, &[7; 76]));
        Self {
            keypair,
            network,
            count: 0,
            duplicate,
        }
    }

    /// The next frame, with its length in front.
    pub fn next(&mut self, spam: Spam) -> Vec<u8> {
        self.count += 1;
        let number = self.count;
        let topic = Topic::Record.name(self.network);
        let ids = |count: u64| -> Vec<u8> {
            (0..count)
                .flat_map(|n| {
                    let id = blake3::hash(&(number << 16 | n).to_le_bytes());
                    bytes(
                        if spam == Spam::IHave { 2 } else { 1 },
                        &id.as_bytes()[..20],
                    )
                })
                .collect()
        };
        let junk = || (0..200_u64).flat_map(|n| (n ^ number).to_le_bytes());
        let message = |topic: &str, data: &[u8]| signed(&self.keypair, topic, number, data);
        match spam {
            Spam::Forged => {
                let mut forged = message(&topic, &number.to_le_bytes());
                let last = forged.len() - 1;
                forged[last] ^= 1;
                publish(&forged)
            }
            Spam::Junk => publish(&message(&topic, &junk().collect::<Vec<_>>())),
            Spam::Duplicates => self.duplicate.clone(),
            Spam::UnknownTopic => {
                let topic = format!("/floe/1/none/{}", number % 1_000);
                publish(&message(&topic, &vec![7; 30 << 10]))
            }
            Spam::Oversized => publish(&message(&topic, &vec![7; 30 << 10])),
            Spam::Declared => {
                let mut frame = varint(u64::from(u32::MAX));
                frame.extend_from_slice(&[7; 1_000]);
                frame
            }
            Spam::Crammed => framed(&bytes(field::PUBLISH, &[]).repeat(1_000)),
            Spam::IHave => {
                let list = [bytes(1, topic.as_bytes()), ids(150)].concat();
                control(field::IHAVE, &list)
            }
            Spam::IWant => control(field::IWANT, &ids(150)),
            Spam::Prune => {
                let poison = PeerId::random().to_bytes();
                let peers = bytes(2, &[bytes(1, &poison), bytes(2, &[7; 500])].concat()).repeat(5);
                let backoff = [varint(3 << 3), varint(u64::MAX)].concat();
                control(
                    field::PRUNE,
                    &[bytes(1, topic.as_bytes()), peers, backoff].concat(),
                )
            }
            Spam::Graft => control(field::GRAFT, &bytes(1, topic.as_bytes())),
            Spam::Topics => {
                let topics = (0..100).flat_map(|n| {
                    let name = format!("/floe/1/{number}/{n}");
                    let wanted = [varint(1 << 3), varint(1), bytes(2, name.as_bytes())].concat();
                    bytes(field::SUBSCRIPTIONS, &wanted)
                });
                framed(&topics.collect::<Vec<_>>())
            }
            Spam::IDontWant => control(field::IDONTWANT, &ids(150)),
        }
    }
}

/// A message as its author signs it.
fn signed(author: &Keypair, topic: &str, number: u64, data: &[u8]) -> Vec<u8> {
    let from = author.public().to_peer_id().to_bytes();
    let mut message = [
        bytes(1, &from),
        bytes(2, data),
        bytes(3, &number.to_be_bytes()),
        bytes(4, topic.as_bytes()),
    ]
    .concat();
    let told = [b"libp2p-pubsub:", &message[..]].concat();
    let signature = author.sign(&told).unwrap();
    message.extend(bytes(5, &signature));
    message
}

fn publish(message: &[u8]) -> Vec<u8> {
    framed(&bytes(field::PUBLISH, message))
}

fn control(kind: u64, content: &[u8]) -> Vec<u8> {
    framed(&bytes(field::CONTROL, &bytes(kind, content)))
}
