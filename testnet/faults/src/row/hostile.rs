//! Hostile peers against a real node that has 256 MiB of memory: whatever they send is answered with
//! a typed refusal or cut off, memory stays bounded, and honest traffic goes on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use floe_chain::{epoch::Epoch, id::ObjectId};
use floe_client::{disk::source::Source, progress::Silent, store::StoreOptions};
use floe_codec::{Axis, BlobId, SegmentIndex, ShardIndex};
use floe_p2p::{
    address::PeerAddress,
    client::{CallError, CallOptions, DataClient},
    identity::Identity,
    transport::{
        Connection, DataTransport, DialError, RecvStream,
        quic::{QuicSettings, QuicTransport},
    },
    wire::{
        Head, Kind, Request, RequestHead, ResponseHead, Status, TrafficClass, VarintReader,
        message::{Confirm, GetSliver, PutSliver, SegmentRange, SliverKey},
    },
};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::{task::JoinSet, time::timeout};

use super::{Stage, trial_seed};
use crate::{
    Attempt, Settings,
    inject::MemoryGroup,
    load::{Acked, Load, fill},
    report::Findings,
    world::{dialer, options},
};

/// Memory of the node under attack.
const MEMORY: u64 = 256 << 20;
/// Within this time every stream has been answered or cut off.
const ANSWERED: Duration = Duration::from_secs(30);
/// The node under attack.
const VICTIM: usize = 0;

/// What became of one hostile stream.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// A refusal with this status.
    Refused(&'static str),
    /// The stream was reset or stopped.
    Cut,
    /// It was served, as if it were honest.
    Served,
    /// Neither, in all the time.
    Hung,
}

pub(super) async fn hostile(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let group = MemoryGroup::new("hostile", MEMORY)?;
    let mut stage = Stage::new(settings, false).await?;
    fill(&stage.world, &stage.book, 8).await?;
    stage.world.kill(&[VICTIM]);
    stage.world.node(VICTIM).wrap.group = Some(group.path().to_owned());
    stage.world.start(VICTIM)?;
    stage.world.serving(&[VICTIM], ANSWERED).await?;
    let calm = group.resident();

    let load = Load::start(&stage.world, &stage.book, false);
    let target = stage.world.address(VICTIM).clone();
    let known = stage
        .book
        .acked()
        .first()
        .cloned()
        .ok_or("nothing was stored")?;
    well_formed(&stage, &known, findings).await;
    wrong_identity(&stage, findings).await;
    let rounds = settings.either(2, 20);
    let mut peak = 0;
    for round in 0..rounds {
        let seed = trial_seed(settings, round);
        let begun = Instant::now();
        let wrong = malformed(&target, seed).await?;
        peak = peak.max(group.resident());
        findings.trial(seed, begun.elapsed(), wrong);
    }
    let begun = Instant::now();
    let (wrong, most) = flood(&stage, &group).await?;
    peak = peak.max(most);
    findings.trial(trial_seed(settings, rounds + 1), begun.elapsed(), wrong);
    let begun = Instant::now();
    let (wrong, most) = crowd(&target, &group).await?;
    peak = peak.max(most);
    findings.trial(trial_seed(settings, rounds), begun.elapsed(), wrong);

    (findings.reads, findings.writes) = load.stop().await;
    super::shares(findings, 990, 990);
    let mib = |bytes: u64| bytes >> 20;
    findings.notes.push(format!(
        "anonymous memory {} MiB before, {} MiB at most under attack, of {} MiB; with page cache {} MiB",
        mib(calm),
        mib(peak),
        mib(MEMORY),
        mib(group.peak())
    ));
    findings.bar(
        group.killed() == 0,
        format!("{} processes were killed for memory", group.killed()),
    );
    let process = stage
        .world
        .node(VICTIM)
        .process
        .as_mut()
        .ok_or("not running")?;
    findings.bar(process.ended()?.is_none(), "the node lives");
    findings.broken.extend(stage.unbacked(&[VICTIM]).await);
    stage.close(findings).await;
    drop(stage);
    Ok(())
}

/// Requests that follow the grammar and ask for what they must not get: each has its refusal.
async fn well_formed(stage: &Stage, known: &Acked, findings: &mut Findings) {
    let world = &stage.world;
    let (peers, to) = (&world.peers, world.address(VICTIM));
    let member = world.member(VICTIM);
    let normal = options(&world.network, Duration::from_secs(10));
    let mine: Vec<ShardIndex> = world.network.committee.shards_of(member).collect();
    let foreign = (0..world.network.committee.shards().get())
        .map(ShardIndex)
        .find(|shard| !mine.contains(shard));
    let (Some(&shard), Some(foreign)) = (mine.first(), foreign) else {
        findings
            .broken
            .push("the node has no shard, or all".to_owned());
        return;
    };
    let content = stage.book.content(known.number, known.size);
    let size = crate::audit::commitment(world, &content)
        .and_then(|it| it.layout().segment(SegmentIndex(0)).ok())
        .map_or(0, |segment| segment.sliver_size(Axis::Primary));
    let put = |blob: BlobId, object: ObjectId, shard: ShardIndex, count: usize| PutSliver {
        blob,
        object,
        segment: SegmentIndex(0),
        metadata: false,
        slivers: vec![
            SliverKey {
                shard,
                axis: Axis::Primary
            };
            count
        ]
        .try_into()
        .unwrap_or_default(),
        confirm: true,
    };
    let unknown = BlobId::from_bytes([7; 32]);
    let nobody = ObjectId::from_bytes([7; 32]);
    let garbage = |len: usize| vec![Bytes::from(vec![0xA5; len])];
    let (blob, object) = (known.blob, known.object);
    let late = CallOptions {
        epoch: Epoch::new(999),
        ..normal
    };
    let cases: Vec<(&str, &[&str], Result<(), CallError>)> = vec![
        (
            "an unregistered blob",
            &["not_registered"],
            peers
                .put_sliver(to, &put(unknown, nobody, shard, 1), &garbage(size), &normal)
                .await
                .map(drop),
        ),
        (
            "another's registration",
            &["not_registered"],
            peers
                .put_sliver(to, &put(blob, nobody, shard, 1), &garbage(size), &normal)
                .await
                .map(drop),
        ),
        (
            "another node's shard",
            &["wrong_shard"],
            peers
                .put_sliver(to, &put(blob, object, foreign, 1), &garbage(size), &normal)
                .await
                .map(drop),
        ),
        (
            "bytes that are not the sliver",
            &["bad_request"],
            peers
                .put_sliver(to, &put(blob, object, shard, 1), &garbage(size), &normal)
                .await
                .map(drop),
        ),
        (
            "a sliver of the wrong length",
            &["bad_request"],
            peers
                .put_sliver(
                    to,
                    &put(blob, object, shard, 1),
                    &garbage(size + 1),
                    &normal,
                )
                .await
                .map(drop),
        ),
        (
            "the same sliver twice",
            &["bad_request"],
            peers
                .put_sliver(
                    to,
                    &put(blob, object, shard, 2),
                    &[garbage(size), garbage(size)].concat(),
                    &normal,
                )
                .await
                .map(drop),
        ),
        (
            "a confirmation for another epoch",
            &["wrong_epoch"],
            peers
                .confirm(to, &Confirm { blob, object }, &late)
                .await
                .map(drop),
        ),
        (
            "slivers for another epoch",
            &["wrong_epoch"],
            peers
                .put_sliver(to, &put(blob, object, shard, 1), &garbage(size), &late)
                .await
                .map(drop),
        ),
        (
            "a segment that does not exist",
            &["bad_request"],
            get(
                peers,
                to,
                known,
                SegmentRange {
                    first: SegmentIndex(1 << 20),
                    count: 1,
                },
                &normal,
            )
            .await,
        ),
    ];
    for (what, expected, got) in cases {
        let status = match &got {
            Ok(()) => "ok",
            Err(CallError::Refused(refusal)) => refusal.status.name(),
            Err(error) => {
                findings
                    .broken
                    .push(format!("{what}: {error}, not a refusal"));
                continue;
            }
        };
        findings.bar(expected.contains(&status), format!("{what}: {status}"));
    }
}

async fn get(
    peers: &DataClient,
    to: &PeerAddress,
    known: &Acked,
    segments: SegmentRange,
    options: &CallOptions,
) -> Result<(), CallError> {
    let request = GetSliver {
        blob: known.blob,
        axis: Axis::Primary,
        shards: vec![ShardIndex(0)].try_into().unwrap_or_default(),
        segments,
    };
    peers.get_sliver(to, &request, options).await.map(drop)
}

/// Whoever proves another identity than the one expected is not spoken to.
async fn wrong_identity(stage: &Stage, findings: &mut Findings) {
    let real = stage.world.address(VICTIM);
    let other = PeerAddress {
        peer: stage.world.address(VICTIM + 1).peer,
        addresses: real.addresses.clone(),
    };
    let options = options(&stage.world.network, Duration::from_secs(5));
    // A connection of its own: one that is open already proved who it is.
    let answer = match dialer() {
        Ok(peers) => peers.health(&other, &options).await,
        Err(error) => return findings.broken.push(error.to_string()),
    };
    findings.bar(
        matches!(answer, Err(CallError::Dial(DialError::WrongPeer { .. }))),
        format!(
            "another identity at the address: {:?}",
            answer.err().map(|e| e.to_string())
        ),
    );
}

/// A connection below the level at which requests are well-formed.
async fn connect(target: &PeerAddress) -> Attempt<(Arc<dyn Connection>, QuicTransport)> {
    let transport = QuicTransport::bind(&Identity::generate(), QuicSettings::client())?;
    let connection = transport.dial(target).await?;
    Ok((connection, transport))
}

/// Bytes that break the grammar, one stream each.
async fn malformed(target: &PeerAddress, seed: u64) -> Attempt<Vec<String>> {
    let (connection, _transport) = connect(target).await?;
    let mut wrong = Vec::new();
    for (what, bytes, may_hang) in corpus(seed) {
        let end = speak(&*connection, &bytes, Duration::from_secs(20)).await;
        let refused = matches!(end, End::Refused(_) | End::Cut);
        let served = may_hang && end == End::Served;
        if !(refused || served) {
            wrong.push(format!("{what}: {end:?}"));
        }
        if let Some(reason) = connection.close_reason() {
            // Being cut off altogether is an answer, too, but then the rest says nothing.
            wrong.push(format!("{what}: the connection ended: {reason}"));
            break;
        }
    }
    Ok(wrong)
}

/// What is sent, and whether it may be served after all.
fn corpus(seed: u64) -> Vec<(String, Vec<u8>, bool)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let head = |kind: Kind, payload: u32, body: Vec<u8>| RequestHead {
        kind: kind.0,
        epoch: Epoch::FIRST,
        deadline_ms: 5_000,
        class: TrafficClass::Control,
        payload,
        body,
    };
    let frame = |head: &RequestHead| head.to_frame().unwrap_or_default();
    let put = PutSliver {
        blob: BlobId::from_bytes([7; 32]),
        object: ObjectId::from_bytes([7; 32]),
        segment: SegmentIndex(u32::MAX),
        metadata: true,
        slivers: Vec::new().try_into().unwrap_or_default(),
        confirm: true,
    };
    let body = put.to_body().unwrap_or_default();
    let mut cases = Vec::new();
    for size in [0, 1, 7, 100, 4096, 1 << 20] {
        let mut bytes = vec![0; size];
        rng.fill_bytes(&mut bytes);
        cases.push((format!("{size} random bytes"), bytes, false));
    }
    // Lengths of heads: every form of the varint, up to more than memory holds.
    for length in [
        &[0xFF_u8; 8][..],
        &[0x7F, 0xFF],
        &[0xBF, 0xFF, 0xFF, 0xFF],
        &[0x80, 0x01, 0x00, 0x01],
        &[0xC0, 0, 0, 0, 0x40, 0, 0, 0],
        &[0x00],
    ] {
        let mut bytes = length.to_vec();
        bytes.extend_from_slice(&[0; 64]);
        cases.push((
            format!("a head of declared length {length:02x?}"),
            bytes,
            false,
        ));
    }
    // A vector that declares more entries than there are bytes in the world.
    let mut bomb = body.clone();
    let at = bomb.len() - 2;
    bomb.splice(at..=at, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    cases.push((
        "a list of 4 billion slivers".to_owned(),
        frame(&head(Kind::PUT_SLIVER, 0, bomb)),
        false,
    ));
    for payload in [1, u32::MAX, 64 << 20] {
        let bytes = frame(&head(Kind::PUT_SLIVER, payload, body.clone()));
        cases.push((
            format!("a payload of {payload} bytes that never comes"),
            bytes,
            false,
        ));
    }
    for kind in [0_u16, 99, u16::MAX] {
        let bytes = frame(&head(Kind(kind), 0, Vec::new()));
        cases.push((format!("kind {kind}"), bytes, false));
    }
    let mut expired = head(Kind::HEALTH, 0, Vec::new());
    expired.deadline_ms = 0;
    cases.push(("an expired deadline".to_owned(), frame(&expired), false));
    let whole = frame(&head(Kind::PUT_SLIVER, 0, body));
    for _ in 0..8 {
        let cut = rng.random_range(1..whole.len());
        cases.push((
            format!("a head cut after {cut} bytes"),
            whole[..cut].to_vec(),
            false,
        ));
    }
    for _ in 0..16 {
        let mut bytes = whole.clone();
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
        cases.push((format!("a flipped bit at {at}"), bytes, true));
    }
    cases
}

/// Sends bytes on a stream of their own and waits for what comes of it.
async fn speak(connection: &dyn Connection, bytes: &[u8], patience: Duration) -> End {
    let talk = async {
        let Ok((mut send, recv)) = connection.open().await else {
            return End::Cut;
        };
        if send.send(Bytes::copy_from_slice(bytes)).await.is_ok() {
            send.finish();
        }
        answer(recv).await
    };
    timeout(patience, talk).await.unwrap_or(End::Hung)
}

/// The head of an answer, if there is one.
async fn answer(mut recv: RecvStream) -> End {
    let mut bytes = Vec::new();
    loop {
        match recv.chunk(64 << 10).await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return End::Cut,
        }
    }
    let mut length = VarintReader::default();
    let mut taken = 0;
    for byte in &bytes {
        taken += 1;
        if let Ok(Some(_)) = length.push(*byte) {
            break;
        }
    }
    match ResponseHead::from_bytes(bytes.get(taken..).unwrap_or_default()) {
        Ok(head) if head.status == Status::Ok => End::Served,
        Ok(head) => End::Refused(head.status.name()),
        // An answer with items begins with a head, too; what does not is no refusal.
        Err(_) => End::Served,
    }
}

/// More bytes at once than the node has memory: slivers of a large blob, none of which is right. Each
/// is taken in as memory allows, looked at, and refused.
async fn flood(stage: &Stage, group: &MemoryGroup) -> Attempt<(Vec<String>, u64)> {
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
async fn crowd(target: &PeerAddress, group: &MemoryGroup) -> Attempt<(Vec<String>, u64)> {
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

/// Declares much and sends a byte now and then.
async fn drip(connection: &dyn Connection, number: usize) -> End {
    let put = PutSliver {
        blob: BlobId::from_bytes([7; 32]),
        object: ObjectId::from_bytes([7; 32]),
        segment: SegmentIndex(0),
        metadata: true,
        slivers: Vec::new().try_into().unwrap_or_default(),
        confirm: false,
    };
    let head = RequestHead {
        kind: PutSliver::KIND.0,
        epoch: Epoch::FIRST,
        deadline_ms: u32::MAX,
        class: TrafficClass::Write,
        payload: 1 << 20,
        body: put.to_body().unwrap_or_default(),
    };
    let frame = head.to_frame().unwrap_or_default();
    // Some never get to the end of their head.
    let told = if number.is_multiple_of(2) {
        frame.len()
    } else {
        frame.len() / 2
    };
    let Ok((mut send, recv)) = connection.open().await else {
        return End::Cut;
    };
    if send
        .send(Bytes::copy_from_slice(&frame[..told]))
        .await
        .is_err()
    {
        return End::Cut;
    }
    let feed = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if send.send(Bytes::from_static(&[0])).await.is_err() {
                return End::Cut;
            }
        }
    };
    tokio::select! {
        end = feed => end,
        end = answer(recv) => end,
    }
}
