//! More than a node has memory or patience for, from many peers at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use floe_client::{disk::source::Source, progress::Silent, store::StoreOptions};
use floe_codec::{Axis, SegmentIndex, ShardIndex};
use floe_p2p::{
    address::PeerAddress,
    client::CallError,
    wire::message::{PutSliver, SliverKey},
};
use tokio::{task::JoinSet, time::timeout};

use super::{
    ANSWERED, VICTIM,
    raw::{End, connect, drip},
};
use crate::{
    Attempt,
    inject::MemoryGroup,
    row::Stage,
    world::{dialer, options},
};

/// More bytes at once than the node has memory: slivers of a large blob, none of which is right. Each
/// is taken in as memory allows, looked at, and refused.
pub(super) async fn flood(stage: &Stage, group: &MemoryGroup) -> Attempt<(Vec<String>, u64)> {
    const SIZE: usize = 16 << 20;
    const PEERS: usize = 20;
    const PUTS: usize = 32;
    let world = &stage.world;
    let content = stage.book.content(u64::MAX, SIZE);
    let writer = world.writers.first().ok_or("no writer")?;
    let kept = StoreOptions {
        epochs: 5,
        deletable: true,
        spooled: false,
    };
    let source = Source::Memory(content.clone());
    let (stored, _tail) = writer.store(source, kept, Arc::new(Silent)).await?;
    let commitment =
        crate::audit::commitment(world, &content).ok_or("the blob cannot be encoded")?;
    let size = commitment
        .layout()
        .segment(SegmentIndex(0))?
        .sliver_size(Axis::Primary);
    let shards: Vec<ShardIndex> = world
        .network
        .committee
        .shards_of(world.member(VICTIM))
        .collect();
    let slivers: Vec<SliverKey> = shards
        .iter()
        .map(|&shard| SliverKey {
            shard,
            axis: Axis::Primary,
        })
        .collect();
    let items = vec![Bytes::from(vec![0xA5; size]); slivers.len()];
    let request = PutSliver {
        blob: stored.blob,
        object: stored.object,
        segment: SegmentIndex(0),
        metadata: false,
        slivers: slivers.try_into()?,
        confirm: true,
    };
    let normal = options(&world.network, Duration::from_secs(25));
    let mut puts = JoinSet::new();
    for _ in 0..PEERS {
        let peers = dialer()?;
        for _ in 0..PUTS {
            let (peers, request, items) = (peers.clone(), request.clone(), items.clone());
            let to = world.address(VICTIM).clone();
            puts.spawn(async move { peers.put_sliver(&to, &request, &items, &normal).await });
        }
    }
    let (mut peak, mut wrong, mut refused) = (0, Vec::new(), 0);
    while !puts.is_empty() {
        match timeout(Duration::from_millis(100), puts.join_next()).await {
            Ok(Some(Ok(Ok(_)))) => wrong.push("a wrong sliver was taken".to_owned()),
            Ok(Some(Ok(Err(CallError::Refused(_))))) => refused += 1,
            _ => {}
        }
        peak = peak.max(group.resident());
    }
    if refused == 0 {
        wrong.push("no wrong sliver was refused in time".to_owned());
    }
    Ok((wrong, peak))
}

/// A thousand streams from forty peers, all drip-feeding or declaring what they never send.
pub(super) async fn crowd(
    target: &PeerAddress,
    group: &MemoryGroup,
) -> Attempt<(Vec<String>, u64)> {
    const PEERS: usize = 40;
    const STREAMS: usize = 25;
    let mut streams = JoinSet::new();
    let mut kept = Vec::new();
    for _ in 0..PEERS {
        let (connection, transport) = connect(target).await?;
        for number in 0..STREAMS {
            let connection = Arc::clone(&connection);
            streams.spawn(async move { drip(&*connection, number).await });
        }
        kept.push((connection, transport));
    }
    let mut peak = 0;
    let mut ends = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < ANSWERED && ends.len() < PEERS * STREAMS {
        match timeout(Duration::from_millis(200), streams.join_next()).await {
            Ok(Some(end)) => ends.push(end?),
            Ok(None) => break,
            Err(_) => {}
        }
        peak = peak.max(group.resident());
    }
    let open = PEERS * STREAMS - ends.len();
    let served = ends.iter().filter(|end| **end == End::Served).count();
    let mut wrong = Vec::new();
    if open > 0 {
        wrong.push(format!(
            "{open} of {} dripping streams are open after {ANSWERED:?}",
            PEERS * STREAMS
        ));
    }
    if served > 0 {
        wrong.push(format!("{served} dripping streams were served"));
    }
    Ok((wrong, peak))
}
