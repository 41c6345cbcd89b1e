//! P11 to P13: what a whole network does in what time, beside what the same disk does with the same
//! bytes. Measures and breaks no promise: a bar that is missed is noted.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use floe_client::{disk::source::Source, plan::ByteRange, progress::Silent, store::StoreOptions};
use floe_codec::BlobLayout;
use floe_p2p::wire::Kind;

use super::{Stage, trial_seed};
use crate::{
    Attempt, Settings,
    report::{Findings, Samples},
    world::NODES,
};

/// P11's blob.
const LARGE: usize = 64 << 20;
/// P13's blob.
const SMALL: usize = 1 << 10;
/// The local chain's interval between checkpoints.
const CHECKPOINT: Duration = Duration::from_millis(100);

pub(super) async fn speed(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let stage = Stage::new(settings, false).await?;
    let shards = stage.world.network.committee.shards();
    let layout = BlobLayout::for_shards(shards, LARGE as u64)?;
    let encoded = usize::try_from(layout.encoded_size())?;
    let plain = stage.book.content(u64::MAX, encoded);
    let (mut copies, mut stores, mut reads) = <(Samples, Samples, Samples)>::default();
    let mut requests: BTreeMap<&str, u64> = BTreeMap::new();
    let rounds = settings.either(2, 5);
    for round in 0..rounds {
        let begun = Instant::now();
        let mut file = File::create(stage.world.dir.join("plain"))?;
        file.write_all(&plain)?;
        file.sync_all()?;
        copies.times.push(begun.elapsed());

        let number = u64::MAX - 1 - round;
        let content = stage.book.content(number, LARGE);
        let before = counted(&stage, Kind::PUT_SLIVER).await;
        let begun = Instant::now();
        let blob = store(&stage, content.clone()).await?;
        stores.times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_secs(3)).await;
        *requests.entry("PutSliver").or_default() +=
            counted(&stage, Kind::PUT_SLIVER).await - before;

        let before = counted(&stage, Kind::GET_SLIVER).await;
        let begun = Instant::now();
        let reader = &stage.world.reader;
        let mut reader = reader.read(blob, ByteRange::All, Arc::new(Silent)).await?;
        let mut at = 0;
        while let Some(bytes) = reader.next().await {
            let bytes = bytes?;
            if content.get(at..at + bytes.len()) != Some(&bytes[..]) {
                return Err("other bytes came back".into());
            }
            at += bytes.len();
        }
        reads.times.push(begun.elapsed());
        *requests.entry("GetSliver").or_default() +=
            counted(&stage, Kind::GET_SLIVER).await - before;
        findings.trial(trial_seed(settings, round), begun.elapsed(), Vec::new());
    }
    let median = |samples: &Samples| samples.percentile(50).unwrap_or_default();
    let copy = median(&copies).as_secs_f64();
    for (what, samples) in [("store", &stores), ("read", &reads)] {
        let time = median(samples).as_secs_f64();
        findings.notes.push(format!(
            "P11 {what} 64 MiB: {time:.2} s, {:.2} times one file of the encoded {} MiB with fsync ({copy:.2} s)",
            time / copy,
            encoded >> 20
        ));
    }
    let segments = u64::from(layout.segment_count());
    for (kind, count) in requests {
        let each = count / rounds;
        findings.notes.push(format!(
            "P12 {kind}: {each} requests for {segments} segments to {NODES} nodes, {} permille of one for each node and segment",
            each * 1000 / (segments * NODES as u64)
        ));
    }
    let mut small = Samples::default();
    for number in 0..settings.either(15, 60) {
        let content = stage.book.content(number, SMALL);
        let begun = Instant::now();
        store(&stage, content).await?;
        small.times.push(begun.elapsed());
    }
    let bar = CHECKPOINT * 2 + Duration::from_millis(150);
    findings.notes.push(format!(
        "P13 store 1 KiB: p50 {} ms, p99 {} ms; bar {} ms ({})",
        median(&small).as_millis(),
        small.percentile(99).unwrap_or_default().as_millis(),
        bar.as_millis(),
        if median(&small) <= bar {
            "met"
        } else {
            "missed"
        }
    ));
    (findings.writes, findings.reads) = (stores, reads);
    Ok(())
}

async fn store(stage: &Stage, content: Bytes) -> Attempt<floe_codec::BlobId> {
    let writer = stage.world.writers.first().ok_or("no writer")?;
    let options = StoreOptions {
        epochs: 5,
        deletable: true,
        spooled: false,
    };
    let source = Source::Memory(content);
    let (stored, tail) = writer.store(source, options, Arc::new(Silent)).await?;
    if let Some(tail) = tail {
        tokio::spawn(async move {
            tail.finish(Duration::from_secs(3)).await;
        });
    }
    Ok(stored.blob)
}

/// Requests of a kind that all nodes have answered.
async fn counted(stage: &Stage, kind: Kind) -> u64 {
    let mut count = 0;
    for node in 0..NODES {
        count += stage.world.answered(node, kind).await;
    }
    count
}
