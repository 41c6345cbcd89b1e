//! Stories in which an epoch ends, or a node says that it has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use floe_chain::{
    amount::Wal,
    id::Address,
    rpc::{ChainError, ChainRead, ChainWrite, Operation, Receipt},
};
use floe_client::{disk::source::Source, plan::ByteRange, progress::Event, store::StoreError};

use crate::{
    node::Fault,
    sample,
    world::{OPTIONS, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lies_about_its_epoch_stops_nothing_and_is_named_when_it_matters() {
    let mut world = World::new(10).await;
    let liar = world.nodes[9].node.state().id;
    world.set_fault(9..10, Fault::FarAhead);
    world.store(sample(300_000)).await.unwrap();
    // Two are dead as well: every honest node is needed.
    world.kill(2).await;
    world.store(sample(200_000)).await.unwrap();
    let events = world.take_events();
    let changed = |event: &Event| matches!(event, Event::EpochChanged { .. });
    assert!(!events.iter().any(changed));

    world.kill(1).await;
    let error = world.store(sample(100_000)).await.unwrap_err();
    let StoreError::QuorumLost(lost) = &error else {
        panic!("{error}")
    };
    assert_eq!((lost.confirmed, lost.failures.len()), (6, 4), "{error}");
    assert!(lost.failures.iter().any(|(node, ..)| *node == liar));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_goes_on_in_the_next_epoch_and_what_expired_is_forgotten() {
    let world = World::new(10).await;
    let path = world.state.path().join("file");
    std::fs::write(&path, sample(50_000)).unwrap();
    world.set_fault(0..10, Fault::FullAfter(0));
    let (client, source) = (world.client(), Source::open(&path).unwrap());
    let failed = client.store(source, OPTIONS, world.listener()).await;
    assert!(matches!(failed, Err(StoreError::QuorumLost(_))));
    world.set_fault(0..10, Fault::None);
    world.begin_epoch(3_600_000).await;

    let client = world.client();
    let unfinished = client.unfinished().unwrap();
    let resumed = client.resume(unfinished[0].blob, world.listener()).await;
    let (stored, _) = resumed.unwrap();
    assert_eq!(
        (stored.paid, Some(stored.object)),
        (Wal::ZERO, unfinished[0].object)
    );
    assert!(client.unfinished().unwrap().is_empty());
    let again = client
        .resume(stored.blob, world.listener())
        .await
        .unwrap()
        .0;
    assert!(again.already);

    let journals = || {
        std::fs::read_dir(world.state.path().join("stores"))
            .unwrap()
            .count()
    };
    assert_eq!(journals(), 1);
    world.begin_epoch(3_600_000).await;
    world.store(sample(1_000)).await.unwrap();
    assert_eq!(journals(), 1, "only that of the last store");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_last_epoch_goes_on_in_the_new_one() {
    let world = World::new(10).await;
    let client = world.client();
    assert_eq!(client.network().await.unwrap().epoch().get(), 1);
    world.begin_epoch(3_600_000).await;
    let source = Source::Memory(sample(400_000).into());
    let stored = client.store(source, OPTIONS, world.listener()).await;
    let (stored, _) = stored.unwrap();
    assert!(
        world
            .take_events()
            .contains(&Event::EpochChanged { epoch: 2 })
    );
    let registration = world.chain.blob(stored.object).await.unwrap().unwrap();
    assert_eq!(registration.certified.map(|epoch| epoch.get()), Some(2));
    assert!(world.read(stored.blob, ByteRange::All).await.unwrap() == sample(400_000));
}

/// A wallet whose first transaction comes only after the epoch that it was planned in.
struct Late {
    world: Arc<World>,
    first: AtomicBool,
}

#[async_trait]
impl ChainWrite for Late {
    fn address(&self) -> Address {
        self.world.wallet().address()
    }

    async fn execute(&self, operations: Vec<Operation>) -> Result<Receipt, ChainError> {
        if self.first.swap(false, Ordering::Relaxed) {
            self.world.begin_epoch(3_600_000).await;
        }
        self.world.wallet().execute(operations).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_ends_between_plan_and_purchase_is_planned_for_anew() {
    let world = Arc::new(World::new(10).await);
    let late = Late {
        world: Arc::clone(&world),
        first: AtomicBool::new(true),
    };
    let client = world.client_with(Arc::new(late));
    let source = Source::Memory(sample(100_000).into());
    let stored = client.store(source, OPTIONS, world.listener()).await;
    let (stored, _) = stored.unwrap();
    assert_eq!(stored.end.get(), 2 + OPTIONS.epochs);
    let owner = world.wallet().address();
    assert_eq!(world.chain.owned_blobs(owner).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_an_epoch_change_interrupts_collects_all_signatures_of_the_new_one() {
    let world = World::new(10).await;
    // Six nodes confirm in epoch 1; four answer only when epoch 2 has begun.
    world.set_fault(0..4, Fault::Hold);
    let bytes = sample(300_000);
    let (client, listener) = (world.client(), world.listener());
    let source = Source::Memory(bytes.clone().into());
    let storing = tokio::spawn(async move { client.store(source, OPTIONS, listener).await });
    let six = |event: &Event| matches!(event, Event::Confirmed { shards: 6, .. });
    while !world.events.lock().unwrap().iter().any(six) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.begin_epoch(3_600_000).await;
    world.set_fault(0..4, Fault::None);
    let (stored, _) = storing.await.unwrap().unwrap();

    let events = world.take_events();
    assert!(events.contains(&Event::EpochChanged { epoch: 2 }));
    let registration = world.chain.blob(stored.object).await.unwrap().unwrap();
    assert_eq!(registration.certified.map(|epoch| epoch.get()), Some(2));
    let owner = world.client().wallet().unwrap().address();
    let owned = world.chain.owned_blobs(owner).await.unwrap();
    assert_eq!(owned.len(), 1, "registered and paid once");
    assert!(world.read(stored.blob, ByteRange::All).await.unwrap() == bytes);
}
