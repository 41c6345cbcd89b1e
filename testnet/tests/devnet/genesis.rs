//! From an empty chain to a network that works, and through its epochs.

use floe_chain::committee::Committee;
use floe_chain::epoch::{Epoch, EpochPhase};
use floe_chain::event::{ChainEvent, EventCursor};
use floe_chain::rpc::{ChainEvents, ChainRead, SuiChain};
use floe_testnet::deploy::drive_to;
use futures::StreamExt;

use crate::support::{Chain, network, plan};

/// Events up to the last one wanted.
async fn events(
    network: &SuiChain,
    from: EventCursor,
    last: impl Fn(&ChainEvent) -> bool,
) -> Vec<(EventCursor, ChainEvent)> {
    let mut stream = network.follow(from);
    let mut events = Vec::new();
    while let Some(batch) = stream.next().await {
        events.extend(batch.expect("a good chain").events);
        if let Some(at) = events.iter().position(|(_, event)| last(event)) {
            // The same checkpoint may hold more.
            events.truncate(at + 1);
            break;
        }
    }
    events
}

fn opened(number: u32) -> impl Fn(&ChainEvent) -> bool {
    move |event| matches!(event, ChainEvent::EpochOpened(e) if e.epoch == Epoch::new(number))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_nodes_reach_epoch_one_and_several_more() {
    let chain = Chain::start().await;
    let plan = plan(10, 10, 1_000);
    let begin = std::time::Instant::now();
    let (deployment, network) = network(&chain, &plan).await;
    println!("genesis to epoch 1 with 10 nodes: {:?}", begin.elapsed());

    let system = network.system().await.unwrap();
    assert_eq!(system.network, deployment.config.network());
    assert_eq!(system.epoch, Epoch::FIRST);
    assert_eq!(system.shards.get(), 10);
    let committee = network.committee(Epoch::FIRST).await.unwrap().unwrap();
    check_committee(&committee, &deployment, &plan);
    assert_eq!(network.committee(Epoch::new(9)).await.unwrap(), None);

    drive_to(&deployment, &plan, Epoch::new(4)).await.unwrap();
    let state = network.epoch_state().await.unwrap();
    assert_eq!(state.schedule.epoch, Epoch::new(4));
    assert_eq!(state.schedule.phase, EpochPhase::Open);
    assert_eq!(state.candidates.len(), 10);
    for epoch in 1..=4 {
        let committee = network.committee(Epoch::new(epoch)).await.unwrap().unwrap();
        assert_eq!(committee.epoch(), Epoch::new(epoch));
        check_committee(&committee, &deployment, &plan);
    }

    // The order of the epoch machine, as its events tell it.
    let start = network.start().await.unwrap();
    let events = events(&network, start, opened(4)).await;
    let machine: Vec<_> = events
        .iter()
        .filter_map(|(_, event)| match event {
            ChainEvent::CommitteeSelected(e) => Some(format!("select {}", e.next)),
            ChainEvent::EpochStarted(e) => Some(format!("start {}", e.epoch)),
            ChainEvent::EpochOpened(e) => Some(format!("open {}", e.epoch)),
            _ => None,
        })
        .collect();
    let expected: Vec<_> = (1..=4)
        .flat_map(|e| {
            [
                format!("select {e}"),
                format!("start {e}"),
                format!("open {e}"),
            ]
        })
        .collect();
    assert_eq!(machine, expected);
    let registered = events
        .iter()
        .filter(|(_, e)| matches!(e, ChainEvent::NodeRegistered(_)));
    assert_eq!(registered.count(), 10);

    restart_from_every_cursor(&network, &events).await;
    chain.devnet.stop().await;
}

/// Whoever goes on from a cursor sees exactly what came after it.
async fn restart_from_every_cursor(network: &SuiChain, all: &[(EventCursor, ChainEvent)]) {
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let (last, _) = all.last().unwrap();
    let picks = all.iter().map(|(cursor, _)| *cursor).step_by(7);
    let ends = all
        .iter()
        .map(|(cursor, _)| EventCursor::end_of(cursor.checkpoint))
        .step_by(11);
    for from in picks.chain(ends).filter(|from| from < last) {
        let seen = events(network, from, opened(4)).await;
        let seen: Vec<_> = seen
            .into_iter()
            .filter(|(cursor, _)| cursor <= last)
            .collect();
        let expected: Vec<_> = all
            .iter()
            .filter(|(cursor, _)| *cursor > from)
            .cloned()
            .collect();
        assert_eq!(seen, expected, "from {from}");
    }
}

fn check_committee(
    committee: &Committee,
    deployment: &floe_testnet::deploy::Deployment,
    plan: &floe_testnet::deploy::Plan,
) {
    assert_eq!(committee.members().len(), 10);
    for (node, planned) in deployment.nodes.iter().zip(&plan.nodes) {
        let index = committee.index_of(node.id).unwrap();
        let member = committee.member(index).unwrap();
        assert_eq!(*member.bls_key(), planned.protocol.public());
        assert_eq!(*member.identity(), planned.identity.public());
        assert_eq!(member.weight().0, 1);
    }
}
