//! Endpoints that lie, stall or babble: dropped or passed over, never acted upon.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use floe_chain::event::{ChainEvent, EventCursor};
use floe_chain::id::SystemId;
use floe_chain::rpc::{ChainError, ChainEvents, ChainRead, ClientSettings, SuiChain};
use futures::StreamExt;
use sui_sdk_types::{Address, Event, Object};

use crate::drip::{serve_endless, serve_slowly};
use crate::server::{Lie, PACKAGE, config, connect, serve, serve_watched, system};
use crate::support::{self, SyntheticChain, done};

fn node_synced(n: u32) -> Event {
    let contents = bcs::to_bytes(&(n, [7u8; 32], 1u16)).unwrap();
    support::event("NodeSynced", &contents)
}

/// Six checkpoints over three epochs of validators, eight events of ours among others.
pub(crate) fn history() -> Arc<Mutex<SyntheticChain>> {
    let mut chain = SyntheticChain::new(1);
    chain.add(vec![]);
    chain.add(vec![done(1, vec![node_synced(0), node_synced(1)], vec![])]);
    chain.end_epoch();
    let mut foreign = node_synced(99);
    foreign.type_ = "0x77::events::NodeSynced".parse().unwrap();
    chain.add(vec![
        done(2, vec![node_synced(2), foreign], vec![]),
        done(3, vec![node_synced(3)], vec![]),
    ]);
    chain.end_epoch();
    chain.add(vec![done(
        4,
        vec![node_synced(4), node_synced(5), node_synced(6)],
        vec![],
    )]);
    chain.add(vec![done(5, vec![node_synced(7)], vec![])]);
    Arc::new(Mutex::new(chain))
}

/// Follows until all eight events are there.
async fn follow(chain: &SuiChain) -> Vec<u32> {
    let mut stream = chain.follow(EventCursor::START);
    let mut numbers = Vec::new();
    while numbers.len() < 8 {
        let batch = stream.next().await.unwrap().unwrap();
        for (_, event) in batch.events {
            let ChainEvent::NodeSynced(event) = event else {
                panic!("{event:?}")
            };
            numbers.push(event.epoch.get());
        }
    }
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_honest_endpoint_every_event_arrives_once_and_in_order() {
    let history = history();
    let lies = [
        Lie::None,
        Lie::WrongChain,
        Lie::SkipsEvents,
        Lie::SkipsTransactions,
        Lie::Forges,
        Lie::Shifts,
        Lie::Babbles,
        Lie::Hangs,
        Lie::Fails,
        Lie::Stops,
        Lie::Bloats,
    ];
    for lie in lies {
        let urls = vec![serve(lie, &history).await, serve(Lie::None, &history).await];
        let chain = connect(urls).await.unwrap();
        assert_eq!(follow(&chain).await, [0, 1, 2, 3, 4, 5, 6, 7], "{lie:?}");
    }
    // Bytes that are no answer; an answer that is too large; one that would fit and never ends.
    let endless = [
        serve_endless().await,
        serve_slowly(1 << 30).await,
        serve_slowly(1 << 20).await,
    ];
    for url in endless {
        let chain = connect(vec![url, serve(Lie::None, &history).await]);
        let chain = chain.await.unwrap();
        assert_eq!(follow(&chain).await, [0, 1, 2, 3, 4, 5, 6, 7], "endless");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn liars_alone_convince_nobody() {
    let history = history();
    for lie in [
        Lie::SkipsEvents,
        Lie::SkipsTransactions,
        Lie::Forges,
        Lie::Shifts,
        Lie::Babbles,
    ] {
        let chain = connect(vec![serve(lie, &history).await]).await.unwrap();
        let mut stream = chain.follow(EventCursor::START);
        let mut seen = Vec::new();
        while let Ok(Some(batch)) =
            tokio::time::timeout(Duration::from_secs(2), stream.next()).await
        {
            seen.extend(batch.unwrap().events);
        }
        assert!(seen.is_empty(), "{lie:?}: {seen:?}");
    }
    let wrong = connect(vec![serve(Lie::WrongChain, &history).await])
        .await
        .unwrap_err();
    assert!(matches!(wrong, ChainError::WrongChain { .. }), "{wrong}");
    for url in [
        serve_endless().await,
        serve_slowly(1 << 30).await,
        serve_slowly(1 << 20).await,
    ] {
        let silent = connect(vec![url]).await.unwrap_err();
        assert!(matches!(silent, ChainError::Unreachable { .. }), "{silent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_above_the_limit_is_refused_by_its_length() {
    // No deadline ends this within the test's time: the announced length does.
    let settings = ClientSettings {
        deadline: Duration::from_secs(3_600),
        max_answer: 1 << 20,
    };
    let config = config(vec![serve_slowly((1 << 20) + 1).await]);
    let error = SuiChain::connect_with(&config, settings).await.unwrap_err();
    assert!(error.to_string().contains("OutOfRange"), "{error}");
}

/// 70 checkpoints; with `odd`, a history that parts from the other one there.
fn long(odd: Option<usize>) -> Arc<Mutex<SyntheticChain>> {
    let mut chain = SyntheticChain::new(1);
    for n in 0..70 {
        let epoch = if odd == Some(n) { 99 } else { 0 };
        chain.add(vec![done(1, vec![node_synced(epoch)], vec![])]);
    }
    Arc::new(Mutex::new(chain))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_thirty_second_checkpoint_is_compared_with_another_endpoint() {
    let honest = long(None);
    let read = |chain: SuiChain| async move {
        let mut stream = chain.follow(EventCursor::START);
        for n in 0..70 {
            match stream.next().await.unwrap() {
                Ok(batch) => assert_eq!(batch.checkpoint, n),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    let (first, _) = serve_watched(Lie::None, &honest).await;
    let (second, asked) = serve_watched(Lie::None, &honest).await;
    let chain = connect(vec![first.clone(), second]).await.unwrap();
    read(chain).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [0, 32, 64]);

    // Another certified checkpoint 64 is a fork; one before it is noticed there.
    for odd in [64, 33] {
        let twin = serve(Lie::None, &long(Some(odd))).await;
        let outcome = read(connect(vec![first.clone(), twin]).await.unwrap()).await;
        let forked = matches!(outcome, Err(ChainError::Fork { checkpoint: 64, .. }));
        assert!(forked, "{odd}: {outcome:?}");
    }
    // Whoever cannot certify what it says, or has nothing to say, stops nobody.
    for lie in [Lie::Forges, Lie::Stops, Lie::Fails, Lie::Babbles] {
        let other = serve(lie, &long(Some(64))).await;
        let outcome = read(connect(vec![first.clone(), other]).await.unwrap()).await;
        assert!(outcome.is_ok(), "{lie:?}: {outcome:?}");
    }
}

/// An event of a type that this package defined.
fn later(package: u8, n: u32) -> Event {
    let mut event = node_synced(n);
    event.type_ = format!("{}::events::NodeSynced", Address::new([package; 32]))
        .parse()
        .unwrap();
    event
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_is_noticed_while_events_are_followed() {
    let upgrade =
        |id: u8, origin: [u8; 32]| support::upgrade(Address::new([id; 32]), Address::new(origin));
    let system: Object = system();
    let mut history = SyntheticChain::new(1);
    history.add(vec![]);
    history.add(vec![done(1, vec![node_synced(0), later(0x20, 90)], vec![])]);
    history.add(vec![
        // An upgrade of ours, one of something else beside a use of our system, one without it.
        done(2, vec![], vec![system.clone(), upgrade(0x20, PACKAGE)]),
        done(3, vec![], vec![system, upgrade(0x21, [0x77; 32])]),
        done(4, vec![], vec![upgrade(0x22, PACKAGE)]),
        done(
            5,
            vec![later(0x20, 1), later(0x21, 91), later(0x22, 92)],
            vec![],
        ),
    ]);
    history.add(vec![done(6, vec![later(0x20, 2)], vec![])]);
    let history = Arc::new(Mutex::new(history));
    let liar = serve(Lie::Substitutes, &history).await;
    let chain = connect(vec![liar, serve(Lie::None, &history).await])
        .await
        .unwrap();
    let mut stream = chain.follow(EventCursor::START);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let batch = stream.next().await.unwrap().unwrap();
        seen.extend(
            batch
                .events
                .into_iter()
                .map(|(_, event)| event.epoch().unwrap().get()),
        );
    }
    assert_eq!(seen, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_certified_histories_stop_everything() {
    let ours = history();
    // The same validators certify another checkpoint 6 that names another checkpoint 5.
    let mut twin = SyntheticChain::new(1);
    twin.add(vec![]);
    twin.add(vec![done(1, vec![node_synced(0), node_synced(1)], vec![])]);
    twin.end_epoch();
    twin.add(vec![done(9, vec![node_synced(40)], vec![])]);
    twin.end_epoch();
    twin.add(vec![]);
    twin.add(vec![]);
    let last = twin.checkpoints.pop().unwrap();
    {
        let mut ours = ours.lock().unwrap();
        let honest = ours.checkpoints.pop().unwrap();
        assert_eq!(
            honest.summary.checkpoint.sequence_number,
            last.summary.checkpoint.sequence_number
        );
        ours.checkpoints.push(last);
    }
    let chain = connect(vec![serve(Lie::None, &ours).await]).await.unwrap();
    let mut stream = chain.follow(EventCursor::START);
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, ChainError::Fork { checkpoint: 5, .. }),
        "{error}"
    );
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_object_is_read_and_checked() {
    let history = history();
    let url = serve(Lie::None, &history).await;
    let chain = connect(vec![url.clone()]).await.unwrap();
    let system = chain.system().await.unwrap();
    assert_eq!(system.network, config(vec![]).network());
    assert_eq!(
        (system.epoch.get(), system.shards.get(), system.capacity),
        (1, 10, 3)
    );
    // Slot `epoch % horizon` of the ring is the running epoch's.
    assert_eq!(system.used, [6, 7, 8, 5]);

    let mut other = config(vec![url]);
    other.system_object = SystemId::from_bytes([8; 32]);
    let error = SuiChain::connect(&other).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongSystem { .. }), "{error}");
}
