//! How much gossip a network of 300 nodes costs each of them, simulated from a seed: real messages, the
//! real settings of the mesh, a model of who sends what to whom. What it shows is that the number of
//! blobs does not matter; the table in `docs/performance.md` is its output.
//!
//! Counted are bytes sent: messages in their signed envelope to the mesh, duplicates included, and the
//! lists of message ids told to others at each heartbeat. Not counted are the bytes of QUIC.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use floe_chain::{
    certificate::Confirmation,
    epoch::Epoch,
    event::EventCursor,
    statement::{Handover, Statement},
};
use floe_codec::{BlobId, ByAxis, SegmentIndex, ShardIndex};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    gossip::gossip_config,
    inventory::{Held, InventorySummary, ShardSummary, VerifiedInventory},
    news::{CommitteeNews, InconsistencyNotice},
    testing::{NETWORK, NOW, bls, committee, identity, node},
    topic::Topic,
};

const NODES: u16 = 300;
const SHARDS: u16 = 1_000;

/// Who gossips with whom.
struct Mesh {
    neighbours: Vec<BTreeSet<usize>>,
    rng: ChaCha8Rng,
}

impl Mesh {
    /// Everybody has as many neighbours as the mesh aims at, some one more.
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut neighbours = vec![BTreeSet::new(); usize::from(NODES)];
        let wanted = gossip_config().mesh_n();
        for here in 0..neighbours.len() {
            let mut others: Vec<_> = (0..neighbours.len())
                .filter(|there| *there != here)
                .collect();
            others.sort_by_key(|there| neighbours[*there].len());
            others[..wanted * 4].shuffle(&mut rng);
            for there in others {
                if neighbours[here].len() >= wanted {
                    break;
                }
                neighbours[here].insert(there);
                neighbours[there].insert(here);
            }
        }
        Self { neighbours, rng }
    }

    /// Copies of one message that all nodes together send until everybody has it.
    fn copies(&mut self, from: usize) -> u64 {
        let mut heard = vec![false; self.neighbours.len()];
        let mut coming = BinaryHeap::from([(std::cmp::Reverse(0_u32), from, from)]);
        let mut sent = 0;
        while let Some((std::cmp::Reverse(at), sender, here)) = coming.pop() {
            if std::mem::replace(&mut heard[here], true) {
                continue;
            }
            for there in self.neighbours[here]
                .iter()
                .filter(|there| **there != sender)
            {
                let delay = self.rng.random_range(1..200);
                coming.push((std::cmp::Reverse(at + delay), here, *there));
                sent += 1;
            }
        }
        assert!(heard.iter().all(|heard| *heard), "the mesh is connected");
        sent
    }
}

/// Bytes of a message on the wire: the fields of gossipsub's protobuf with their tags and lengths.
fn enveloped(topic: Topic, data: usize) -> u64 {
    let fields = [38, data, 8, topic.name(NETWORK).len(), 64];
    let sum: usize = fields.iter().map(|length| length + 3).sum();
    (sum + 4) as u64
}

/// Bytes of one message id told to those outside the mesh until it is forgotten.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of 300"
)]
fn told() -> u64 {
    let config = gossip_config();
    let outside = usize::from(NODES) - 1 - config.mesh_n();
    let share = (config.gossip_factor() * outside as f64) as usize;
    let peers = config.gossip_lazy().max(share);
    (peers * config.history_gossip() * (20 + 2)) as u64
}

/// Bytes a node sends in a minute for `messages` of a size, each published by another node. Copies are
/// counted for some of them.
fn per_node(mesh: &mut Mesh, topic: Topic, size: usize, messages: u64) -> u64 {
    const SAMPLE: usize = 20;
    let copies: u64 = (0..SAMPLE).map(|from| mesh.copies(from)).sum();
    let copies = copies * messages / SAMPLE as u64;
    copies * enveloped(topic, size) / u64::from(NODES) + messages * told()
}

fn size_of(value: &impl serde::Serialize) -> usize {
    bcs::to_bytes(value).unwrap().len()
}

/// What a node of 300 says of its shards when there are so many blobs.
fn inventory(blobs: u64) -> usize {
    let held = Held {
        complete_up_to: blobs,
        missing: blobs / 1_000,
    };
    let shards = (0..SHARDS.div_ceil(NODES)).map(|shard| ShardSummary {
        shard: ShardIndex(shard),
        held: ByAxis {
            primary: held,
            secondary: held,
        },
    });
    let value = InventorySummary {
        network: NETWORK,
        identity: identity(1).public_key(),
        written: NOW,
        epoch: Epoch::new(7),
        cursor: EventCursor::end_of(blobs),
        shards: shards.collect::<Vec<_>>().try_into().unwrap(),
    };
    size_of(VerifiedInventory::sign(value, &identity(1)).signed())
}

/// Bytes per node and minute by topic: a quiet minute, the busiest the judge lets pass, and the minute
/// in which the next committee is signed.
fn minute(seed: u64, blobs: u64) -> BTreeMap<&'static str, u64> {
    let mut mesh = Mesh::new(seed);
    let nodes = u64::from(NODES);
    let statement = Statement {
        network: NETWORK,
        epoch: Epoch::new(7),
        body: Handover::to(&committee(8, 4, 10)),
    };
    let signature = CommitteeNews::Signature(Confirmation::sign(node(1), statement, &bls(1)));
    let notice = InconsistencyNotice {
        blob: BlobId::from_bytes([7; 32]),
        segment: SegmentIndex(1),
        digest: [1; 32],
        size: 1 << 20,
    };
    let inventory = inventory(blobs);
    [
        (
            "inventory, once a minute",
            Topic::Inventory,
            inventory,
            nodes,
        ),
        (
            "inventory, as often as passed on",
            Topic::Inventory,
            inventory,
            6 * nodes,
        ),
        (
            "committee, in the minute of the change",
            Topic::Committee,
            size_of(&signature),
            nodes,
        ),
        (
            "one inconsistent blob",
            Topic::Inconsistency,
            size_of(&notice),
            1,
        ),
    ]
    .map(|(what, topic, size, messages)| (what, per_node(&mut mesh, topic, size, messages)))
    .into()
}

#[test]
fn gossip_does_not_grow_with_blobs() {
    let (few, many) = (minute(1, 10_000), minute(1, 1_000_000));
    assert_eq!(few, many, "a hundred times the blobs, the same bytes");
    // Another seed is another mesh, and tells how much chance there is in these numbers.
    for (what, bytes) in minute(2, 1_000_000) {
        let before = many[what];
        assert!(
            bytes.abs_diff(before) * 20 < before,
            "{what}: {before} and {bytes}"
        );
        assert!(bytes < 16 << 20, "{what}: {bytes} bytes a minute");
    }
    assert_eq!(
        few.into_iter().collect::<Vec<_>>(),
        [
            ("committee, in the minute of the change", 723_285),
            ("inventory, as often as passed on", 5_166_900),
            ("inventory, once a minute", 861_150),
            ("one inconsistent blob", 1_602),
        ],
        "the table of docs/performance.md"
    );
}
