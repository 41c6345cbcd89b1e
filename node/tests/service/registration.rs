//! Who may write: those whose registration the node's ledger holds.

use floe_chain::{
    blob::BlobState,
    epoch::Epoch,
    event::{BlobDeleted, ChainEvent, EventCursor},
    id::ObjectId,
};
use floe_codec::BlobId;
use floe_p2p::wire::{Status, message::GetBlobStatus};

use crate::world::{OBJECT, World, is, layout, registered};

#[tokio::test(start_paused = true)]
async fn a_blob_registered_again_after_its_deletion_is_awaited_not_refused() {
    let layout = layout(b"stored, deleted, stored again");
    let blob = BlobId::from_bytes([7; 32]);
    let again = ObjectId::from_bytes([6; 32]);
    let mut world = World::start();
    let end = Epoch::new(9);
    let asked = async |world: &World, object| {
        let (address, options) = (&world.address, &world.options);
        let request = GetBlobStatus { blob, object };
        let status = world.peers.get_blob_status(address, &request, options);
        status.await.map(|status| status.state)
    };
    let unknown = Status::NotRegistered {
        cursor: EventCursor::START,
    };

    let ahead = asked(&world, Some(OBJECT)).await;
    assert!(is(ahead.expect_err("never heard of"), &unknown));
    world.apply(registered(blob, layout, OBJECT, end)).await;
    let other = asked(&world, Some(again)).await;
    assert!(is(other.expect_err("not by this one"), &unknown));
    world
        .apply(ChainEvent::BlobDeleted(BlobDeleted {
            epoch: Epoch::ZERO,
            blob,
            certified: false,
            object: OBJECT,
        }))
        .await;
    let anyones = asked(&world, None).await.expect("known");
    assert_eq!(anyones, BlobState::Expired);

    // The writer's transaction is final, this node's ledger has not come to it.
    let ahead = asked(&world, Some(again)).await;
    assert!(is(ahead.expect_err("not yet"), &unknown));
    world.apply(registered(blob, layout, again, end)).await;
    let state = asked(&world, Some(again)).await.expect("registered");
    assert_eq!(state, BlobState::Registered);
    world.stop().await;
}
