//! A node and the proof that a blob has no bytes: over the wire, on its disk, in its answers.

#![expect(clippy::panic, reason = "helpers of tests; a failure is a failed test")]

use std::{sync::Arc, time::Duration};

use floe_chain::{
    epoch::Epoch,
    event::{BlobRegistered, ChainEvent, EventCursor},
    id::{ChainId, NetworkId, NodeId, ObjectId, SystemId},
    keys::BlsSecretKey,
};
use floe_codec::{
    Axis, BlobCommitment, BlobId, BlobLayout, Codec, DecodeBuffers, DecodeError, MetadataError,
    SegmentBuffers, SegmentIndex, SegmentMetadata, ShardCount, SliverIndex, Unverified,
};
use floe_node::{
    Node,
    control::{Archive, Directory},
    service::NodeService,
};
use floe_p2p::{
    address::PeerAddress,
    class::ConnectionClass,
    client::{CallError, CallOptions},
    control::book::AddressBook,
    identity::Identity,
    plane::DataPlane,
    server::ServerSettings,
    transport::sim::SimNetwork,
    wire::{
        Status, TrafficClass,
        message::{Confirm, GetInconsistency, PutInconsistency},
    },
};
use floe_storage::{EventBatch, Settings, Stamp, Storage, backend::MemoryBackend};

const SOURCE: &[u8] = b"honest in all but one hash";
const OBJECT: ObjectId = ObjectId::from_bytes([5; 32]);

/// A blob of one segment whose writer committed to a wrong hash: its id, the segment's metadata, and
/// the proof that a reader holds after decoding it.
fn dishonest(codec: &Codec, layout: BlobLayout) -> (BlobId, Vec<u8>, Vec<u8>) {
    let segment = layout.segments().next().expect("one segment");
    let encoded = codec
        .encode_segment(&segment, SOURCE, SegmentBuffers::default())
        .expect("all of the segment");
    let commitment = BlobCommitment::new(layout, &[encoded.root()]).expect("one root");
    let honest = commitment.metadata(&encoded).expect("the same bytes");
    let mut metadata = bcs::to_bytes(&honest).expect("encodes");
    // The last 32 bytes before the empty opening are the hash of the last secondary sliver.
    let last = metadata.len() - 2;
    metadata[last] ^= 1;
    let unverified =
        || -> SegmentMetadata<Unverified> { bcs::from_bytes(&metadata).expect("of the same form") };
    let Err(MetadataError::OtherBlob { got: blob, .. }) = unverified().verify(commitment.id())
    else {
        panic!("the hash is part of the id")
    };
    let verified = unverified().verify(&blob).expect("its own id");
    let rows = (0..layout.shards().source_slivers().primary).map(SliverIndex);
    let rows: Vec<_> = rows
        .map(|row| {
            let bytes = encoded.sliver(Axis::Primary, row).expect("below n");
            let checked = codec.verify_sliver(&verified, Axis::Primary, row, bytes.to_vec());
            checked.expect("its hash is right")
        })
        .collect();
    let Err(DecodeError::Inconsistent { proof, .. }) =
        codec.decode_segment(&verified, &rows, &mut DecodeBuffers::default())
    else {
        panic!("the reader sees it")
    };
    (blob, metadata, bcs::to_bytes(&proof).expect("encodes"))
}

fn is(error: CallError, expected: &Status) -> bool {
    matches!(error, CallError::Refused(refusal)
        if std::mem::discriminant(&refusal.status) == std::mem::discriminant(expected))
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_verified_kept_given_and_ends_confirming() {
    let shards = ShardCount::new(4).expect("enough");
    let layout = BlobLayout::for_shards(shards, SOURCE.len() as u64).expect("fits");
    let codec = Codec::new(1).expect("a thread");
    let (blob, metadata, proof) = dishonest(&codec, layout);

    let network = NetworkId {
        chain: ChainId::from_bytes([2; 32]),
        system: SystemId::from_bytes([3; 32]),
    };
    let stamp = Stamp {
        node: NodeId::from_bytes([1; 32]),
        network,
        shards,
    };
    let backend = Arc::new(MemoryBackend::default());
    let (storage, _) = Storage::open_inline(backend, stamp, &Settings::default()).expect("opens");
    let registered = ChainEvent::BlobRegistered(BlobRegistered {
        epoch: Epoch::ZERO,
        blob,
        size: SOURCE.len() as u64,
        encoding: layout.encoding(),
        end: Epoch::new(9),
        deletable: true,
        object: OBJECT,
    });
    let cursor = EventCursor::end_of(1);
    let batch = EventBatch {
        after: EventCursor::START,
        events: vec![(cursor, registered)],
        up_to: cursor,
    };
    storage.apply(batch).expect("room").await.expect("applied");
    let key = BlsSecretKey::from_seed(&[1; 32]);
    let node = Node::new(stamp.node, network, storage.clone(), codec, key).expect("opens");

    let world = SimNetwork::new(1);
    let (ours, theirs) = (Identity::generate(), Identity::generate());
    let directory = Directory {
        book: Arc::new(AddressBook::new(network)),
        archive: Archive::new(Arc::new(MemoryBackend::default())),
    };
    let (proofs, mut told) = tokio::sync::mpsc::channel(4);
    let server = DataPlane::start(
        Arc::new(world.join(ours.peer_id())),
        NodeService::new(node, directory, ours.peer_id(), proofs),
        Arc::new(|_: &_| ConnectionClass::Anonymous),
        ServerSettings::default(),
    );
    let client = DataPlane::client_only(Arc::new(world.join(theirs.peer_id())));
    let peers = client.client();
    let address = PeerAddress {
        peer: ours.peer_id(),
        addresses: Vec::new(),
    };
    let options = CallOptions {
        deadline: Duration::from_secs(5),
        class: TrafficClass::Control,
        epoch: Epoch::ZERO,
    };
    let segment = SegmentIndex(0);
    let put = |bytes: &[u8]| {
        let bytes = bytes.to_vec().into();
        let (peers, address, options) = (peers.clone(), address.clone(), options);
        async move {
            let request = PutInconsistency { blob, segment };
            peers
                .put_inconsistency(&address, &request, bytes, &options)
                .await
        }
    };
    let which = GetInconsistency { blob };
    let get = || peers.get_inconsistency(&address, &which, &options);

    let early = put(&proof)
        .await
        .expect_err("the node has nothing to check it against");
    assert!(is(early, &Status::NotHeld));
    let kept = storage.put_metadata(blob, segment, metadata.into());
    kept.expect("room").await.expect("kept");
    assert!(is(get().await.expect_err("none yet"), &Status::NotHeld));

    let mut wrong = proof.clone();
    *wrong.last_mut().expect("not empty") ^= 1;
    for bad in [&wrong[..], b"", &[0xff; 100]] {
        let refused = put(bad).await.expect_err("no proof");
        assert!(is(refused, &Status::BadRequest));
    }
    assert!(!storage.has_inconsistency(&blob).expect("reads"));

    for _ in 0..2 {
        put(&proof).await.expect("a proof");
    }
    assert_eq!(get().await.expect("kept"), (segment, proof.clone().into()));
    // Other nodes are told once, of exactly these bytes.
    let notice = told.try_recv().expect("told");
    assert_eq!((notice.blob, notice.segment), (blob, segment));
    assert_eq!(notice.digest, *blake3::hash(&proof).as_bytes());
    assert!(told.try_recv().is_err());
    let confirm = Confirm {
        blob,
        object: OBJECT,
    };
    let confirmed = peers.confirm(&address, &confirm, &options).await;
    assert!(is(confirmed.expect_err("proved"), &Status::Inconsistent));
    server.shutdown(Duration::ZERO).await;
}
