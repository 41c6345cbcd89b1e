//! Ten nodes with a shard each, in one process over the simulated network.

use std::sync::Arc;

use floe_chain::{
    epoch::Epoch,
    event::{BlobCertified, BlobRegistered, ChainEvent, EventCursor},
    id::ObjectId,
    keys::IdentitySecretKey,
};
use floe_codec::{
    BlobCommitment, BlobId, BlobLayout, Codec, EncodedSegment, MetadataError, SegmentBuffers,
    SegmentMetadata, ShardCount, SliverIndex, SliverPairIndex, Unverified,
};
use floe_p2p::{
    class::ConnectionClass,
    control::book::AddressBook,
    identity::Identity,
    plane::DataPlane,
    server::{Answer, Call, Items, ServerSettings, Service},
    transport::sim::SimNetwork,
    wire::message::GetSymbols,
};
use floe_storage::{EventBatch, Settings, SliverKey, Stamp, Storage, backend::MemoryBackend};

use super::*;
use crate::{
    control::{
        Directory,
        testing::{NETWORK, bls, committee, node},
    },
    service::NodeService,
};

const MEMBERS: u8 = 10;
const SHARDS: u16 = MEMBERS as u16;
const SOURCE: &[u8] = b"recovered from the symbols of others";

/// A blob as its writer sends it.
struct Sample {
    blob: BlobId,
    layout: BlobLayout,
    metadata: Bytes,
    encoded: EncodedSegment<Vec<u8>>,
}

impl Sample {
    fn of(source: &[u8]) -> Self {
        let shards = ShardCount::new(SHARDS).unwrap();
        let layout = BlobLayout::for_shards(shards, source.len() as u64).unwrap();
        let codec = Codec::new(1).unwrap();
        let segment = layout.segments().next().unwrap();
        let encoded = codec
            .encode_segment(&segment, source.to_vec(), SegmentBuffers::default())
            .unwrap();
        let commitment = BlobCommitment::new(layout, &[encoded.root()]).unwrap();
        let metadata = bcs::to_bytes(&commitment.metadata(&encoded).unwrap()).unwrap();
        Self {
            blob: *commitment.id(),
            layout,
            metadata: metadata.into(),
            encoded,
        }
    }

    fn sliver(&self, shard: ShardIndex, axis: Axis) -> (SliverKey, Bytes) {
        let shards = self.layout.shards();
        let pair: SliverPairIndex = self.blob.pair_of(shard, shards).unwrap();
        let bytes = self
            .encoded
            .sliver(axis, pair.sliver(axis, shards).unwrap());
        let key = SliverKey {
            blob: self.blob,
            segment: SegmentIndex(0),
            shard,
            axis,
        };
        (key, Bytes::copy_from_slice(bytes.unwrap()))
    }
}

/// The blob whose writer committed to another hash of its last secondary sliver.
fn inconsistent(mut sample: Sample) -> Sample {
    let mut metadata = sample.metadata.to_vec();
    // The last 32 bytes before the empty opening.
    let last = metadata.len() - 2;
    metadata[last] ^= 1;
    let unverified: SegmentMetadata<Unverified> = bcs::from_bytes(&metadata).unwrap();
    let Err(MetadataError::OtherBlob { got, .. }) = unverified.verify(&sample.blob) else {
        unreachable!("the hash is part of the id")
    };
    sample.blob = got;
    sample.metadata = metadata.into();
    sample
}

/// Answers with symbols of another blob, which it can prove are part of that.
struct Liar {
    proof: SymbolProof,
    size: usize,
}

impl Liar {
    fn new() -> Self {
        let other = Sample::of(b"something else of the same length...");
        let metadata: SegmentMetadata<Unverified> = bcs::from_bytes(&other.metadata).unwrap();
        let metadata = metadata.verify(&other.blob).unwrap();
        let codec = Codec::new(1).unwrap();
        let row = other.encoded.sliver(Axis::Primary, SliverIndex(0)).unwrap();
        let row = codec.verify_sliver(&metadata, Axis::Primary, SliverIndex(0), row.to_vec());
        Self {
            proof: codec
                .extend_sliver(&row.unwrap())
                .prove(SliverIndex(0))
                .unwrap(),
            size: metadata.layout().symbol_size(),
        }
    }
}

impl Service for Liar {
    async fn get_symbols(&self, _: &Call, request: GetSymbols, items: &mut Items) -> Answer<()> {
        for _ in request.iter() {
            let mut item = vec![0xff; request.sources.len().div_ceil(8)];
            for _ in request.sources.iter() {
                item.extend(match request.proven {
                    true => bcs::to_bytes(&self.proof).unwrap(),
                    false => vec![0xee; self.size],
                });
            }
            let grant = items.reserve(u32::try_from(item.len()).unwrap()).await?;
            items.send(item.into(), grant).await?;
        }
        Ok(())
    }
}

struct World {
    healers: Vec<Healer>,
    told: mpsc::Receiver<InconsistencyNotice>,
    network: SimNetwork,
    _planes: Vec<DataPlane<NodeService>>,
}

impl World {
    /// Nodes whose ledgers know the blob as certified, and whose disks are empty.
    async fn knowing(sample: &Sample) -> Self {
        let network = SimNetwork::new(7);
        let (proofs, told) = mpsc::channel(4);
        let mut world = Self {
            healers: Vec::new(),
            told,
            network: network.clone(),
            _planes: Vec::new(),
        };
        for n in 1..=MEMBERS {
            let node = start_node(n, sample).await;
            let seed = IdentitySecretKey::from_seed(&[n; 32]).to_seed();
            let local = Identity::from_seed(seed).peer_id();
            let archive = Archive::new(Arc::new(MemoryBackend::default()));
            let directory = Directory {
                book: Arc::new(AddressBook::new(NETWORK)),
                archive: archive.clone(),
            };
            let plane = DataPlane::start(
                Arc::new(network.join(local)),
                NodeService::new(Arc::clone(&node), directory, local, proofs.clone()),
                Arc::new(|_: &_| ConnectionClass::Committee),
                ServerSettings::default(),
            );
            world.healers.push(Healer {
                node,
                data: plane.client().clone(),
                local,
                archive,
                proofs: proofs.clone(),
            });
            world._planes.push(plane);
        }
        world
    }

    /// Puts a node's slivers of the sample on its disk.
    async fn fill(&self, at: usize, sample: &Sample) {
        let node = &self.healers[at].node;
        let metadata = sample.metadata.clone();
        let kept = node
            .storage()
            .put_metadata(sample.blob, SegmentIndex(0), metadata);
        kept.unwrap().await.unwrap();
        for shard in node.shards() {
            let pair = Axis::BOTH.map(|axis| sample.sliver(shard, axis));
            node.storage()
                .put_slivers(pair.to_vec())
                .unwrap()
                .await
                .unwrap();
        }
    }

    /// One round of a node, as if everything had settled long ago.
    async fn heal(&self, at: usize, now_ms: u64) {
        let healer = &self.healers[at];
        let mut from = BlobSeq(0);
        let metadata = healer.complete_metadata(&mut from, BlobSeq(1));
        metadata.await.unwrap();
        let when = When {
            settled: BlobSeq(1),
            now_ms,
        };
        while let Some(batch) = next_batch(&healer.node, &when).unwrap() {
            healer.heal(batch, &when).await.unwrap();
        }
    }

    fn holds(&self, sample: &Sample) -> bool {
        let node = &self.healers[0].node;
        node.storage()
            .has_all(&sample.blob, &node.shards())
            .unwrap()
    }
}

async fn start_node(n: u8, sample: &Sample) -> Arc<Node> {
    let stamp = Stamp {
        node: node(n),
        network: NETWORK,
        shards: sample.layout.shards(),
    };
    let backend = Arc::new(MemoryBackend::default());
    let (storage, _) = Storage::open_inline(backend, stamp, &Settings::default()).unwrap();
    let node = Node::new(stamp.node, NETWORK, storage, Codec::new(1).unwrap(), bls(n)).unwrap();
    let object = ObjectId::from_bytes([9; 32]);
    let (size, encoding, end) = (
        sample.layout.length(),
        sample.layout.encoding(),
        Epoch::new(9),
    );
    let events = [
        ChainEvent::BlobRegistered(BlobRegistered {
            epoch: Epoch::ZERO,
            blob: sample.blob,
            size,
            encoding,
            end,
            deletable: true,
            object,
        }),
        ChainEvent::BlobCertified(BlobCertified {
            epoch: Epoch::ZERO,
            blob: sample.blob,
            size,
            encoding,
            end,
            deletable: true,
            object,
        }),
    ];
    let at = [1, 2].map(EventCursor::end_of);
    let batch = EventBatch {
        after: EventCursor::START,
        events: at.into_iter().zip(events).collect(),
        up_to: at[1],
    };
    node.storage().apply(batch).unwrap().await.unwrap();
    let membership = node.membership_of(committee(1, MEMBERS));
    for &shard in membership.shards() {
        let kept = node.storage().keep_shard(shard, Epoch::new(1));
        kept.unwrap().await.unwrap();
    }
    node.update_view(|view| {
        view.epoch = Epoch::new(1);
        view.membership = Some(membership);
    });
    node
}

#[tokio::test(start_paused = true)]
async fn a_node_that_lost_everything_has_it_again_from_the_others() {
    let sample = Sample::of(SOURCE);
    let world = World::knowing(&sample).await;
    // The last two are empty, too: together f of the ten shards are lost.
    for at in 1..usize::from(MEMBERS) - 2 {
        world.fill(at, &sample).await;
    }
    assert!(!world.holds(&sample));
    world.heal(0, 1_000).await;
    assert!(world.holds(&sample));
    for shard in world.healers[0].node.shards() {
        for axis in Axis::BOTH {
            let (key, bytes) = sample.sliver(shard, axis);
            let healed = world.healers[0].node.storage().get_sliver(&key).unwrap();
            assert_eq!(healed, Some(bytes));
        }
    }
    let progress = world.healers[0].node.heal();
    assert_eq!(
        (progress.slivers, progress.failed, progress.lies),
        (2, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_is_put_off_and_tried_again() {
    let sample = Sample::of(SOURCE);
    let world = World::knowing(&sample).await;
    world.fill(1, &sample).await;
    world.heal(0, 1_000).await;
    assert!(!world.holds(&sample));
    assert_eq!(world.healers[0].node.heal().failed, 2);
    for at in 2..usize::from(MEMBERS) {
        world.fill(at, &sample).await;
    }
    world.heal(0, 1_000).await;
    assert!(!world.holds(&sample), "not before its time");
    world.heal(0, 60_000).await;
    assert!(world.holds(&sample));
}

#[tokio::test(start_paused = true)]
async fn a_liar_is_found_out_and_done_without() {
    let sample = Sample::of(SOURCE);
    let mut world = World::knowing(&sample).await;
    for at in 2..usize::from(MEMBERS) {
        world.fill(at, &sample).await;
    }
    // Another process takes the second node's place.
    let liar = world.healers[1].local;
    world.network.crash(liar);
    let _liar = DataPlane::start(
        Arc::new(world.network.join(liar)),
        Liar::new(),
        Arc::new(|_: &_| ConnectionClass::Committee),
        ServerSettings::default(),
    );
    world.heal(0, 1_000).await;
    assert!(world.holds(&sample));
    let progress = world.healers[0].node.heal();
    assert!(progress.lies > 0 && progress.failed == 0, "{progress:?}");
    assert!(world.told.try_recv().is_err(), "the blob is sound");
}

#[tokio::test(start_paused = true)]
async fn a_sliver_that_cannot_exist_proves_its_blob_inconsistent() {
    let sample = inconsistent(Sample::of(SOURCE));
    let mut world = World::knowing(&sample).await;
    let shards = sample.layout.shards();
    let pair = SliverIndex(SHARDS - 1)
        .pair(Axis::Secondary, shards)
        .unwrap();
    let shard = sample.blob.shard_of(pair, shards).unwrap();
    let owner = usize::from(shard.get() % u16::from(MEMBERS));
    for at in (0..usize::from(MEMBERS)).filter(|at| *at != owner) {
        world.fill(at, &sample).await;
    }
    world.heal(owner, 1_000).await;
    let healer = &world.healers[owner];
    assert!(
        healer
            .node
            .storage()
            .has_inconsistency(&sample.blob)
            .unwrap()
    );
    let notice = world.told.try_recv().expect("others hear of it");
    assert_eq!(
        (notice.blob, notice.segment),
        (sample.blob, SegmentIndex(0))
    );
}
