//! A node and the proof that a blob has no bytes: over the wire, on its disk, in its answers.

use floe_chain::epoch::Epoch;
use floe_codec::{
    Axis, BlobCommitment, BlobId, BlobLayout, Codec, DecodeBuffers, DecodeError, MetadataError,
    SegmentBuffers, SegmentIndex, SegmentMetadata, SliverIndex, Unverified,
};
use floe_p2p::wire::{
    Status,
    message::{Confirm, GetInconsistency, PutInconsistency},
};

use crate::world::{OBJECT, World, is, layout, registered};

const SOURCE: &[u8] = b"honest in all but one hash";

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

#[tokio::test(start_paused = true)]
async fn a_proof_is_verified_kept_given_and_ends_confirming() {
    let layout = layout(SOURCE);
    let codec = Codec::new(1).expect("a thread");
    let (blob, metadata, proof) = dishonest(&codec, layout);

    let mut world = World::start();
    world
        .apply(registered(blob, layout, OBJECT, Epoch::new(9)))
        .await;
    let World {
        storage,
        peers,
        address,
        options,
        told,
        ..
    } = &mut world;
    let segment = SegmentIndex(0);
    let put = |bytes: &[u8]| {
        let bytes = bytes.to_vec().into();
        let (peers, address, options) = (peers.clone(), address.clone(), *options);
        async move {
            let request = PutInconsistency { blob, segment };
            peers
                .put_inconsistency(&address, &request, bytes, &options)
                .await
        }
    };
    let which = GetInconsistency { blob };
    let get = || peers.get_inconsistency(address, &which, options);

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
    let confirmed = peers.confirm(address, &confirm, options).await;
    assert!(is(confirmed.expect_err("proved"), &Status::Inconsistent));
    world.stop().await;
}
