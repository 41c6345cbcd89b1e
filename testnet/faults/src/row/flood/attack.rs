//! What is done to a node in each flood.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use floe_p2p::{address::PeerAddress, transport::Connection};
use libp2p::{StreamProtocol, identity::Keypair};
use tokio::{task::JoinSet, time::timeout};

use super::{
    Flood, Victim,
    attacker::{Attacker, Spam},
    gaps::Gaps,
    initial::{Plane, Storm, Traffic},
    silence::{Silence, silence},
    unread::unread,
};
use crate::{
    Attempt,
    row::hostile::{
        malformed::malformed,
        raw::{connect, drip},
    },
};

/// Spoofed Initials a second.
const INITIALS: u32 = 5_000;
/// Handshakes that are begun and left.
const HALF_OPEN: u64 = 2_000;
/// Gossip: peers, and frames a second of each.
const SPAMMERS: usize = 5;
const SPAM: u32 = 2_000;
/// Streams on one connection.
const STREAMS: usize = 1_000;
/// Connections with gaps, and streams on each.
const GAPS: (u64, usize) = (8, 16);

/// What an attack has to tell.
#[derive(Default)]
pub(super) struct Said {
    pub(super) traffic: Traffic,
    pub(super) note: String,
    pub(super) wrong: Vec<String>,
}

pub(super) async fn attack(
    flood: Flood,
    victim: &Victim,
    time: Duration,
    seed: u64,
) -> Attempt<Said> {
    match flood {
        Flood::Initials => {
            let mut data = Storm::new(Plane::Data, victim.node, seed).await?;
            let mut control = Storm::new(Plane::Control, victim.node, seed ^ 1).await?;
            let rate = INITIALS / 2;
            let (one, other) = tokio::join!(
                data.spoof(victim.data, rate, time),
                control.spoof(victim.control, rate, time)
            );
            let (mut traffic, control) = (one?, other?);
            let ratio = |it: &Traffic| it.answered * 100 / it.sent.max(1);
            let note = format!(
                "{} and {} of {} packets, answered with {} % and {} % of their bytes",
                traffic.packets,
                control.packets,
                u64::from(rate) * time.as_secs(),
                ratio(&traffic),
                ratio(&control)
            );
            traffic.add(control);
            Ok(Said {
                traffic,
                note,
                wrong: Vec::new(),
            })
        }
        Flood::HalfOpen => {
            let mut data = Storm::new(Plane::Data, victim.node, seed).await?;
            let mut control = Storm::new(Plane::Control, victim.node, seed ^ 1).await?;
            let (one, other, silence) = tokio::join!(
                data.half_open(victim.data, HALF_OPEN),
                control.half_open(victim.control, HALF_OPEN),
                silence(victim, time)
            );
            let (one, other) = (one?, other?);
            let Silence {
                connections,
                came,
                met,
            } = silence?;
            let mut wrong = Vec::new();
            if met < came {
                wrong.push(format!("{met} of {came} peers were let in over TCP"));
            }
            Ok(Said {
                note: format!(
                    "{one} and {other} were asked for their address, {connections} over TCP said \
                     nothing, {met} of {came} that did were let in"
                ),
                wrong,
                ..Said::default()
            })
        }
        Flood::Gaps => gaps(victim, time, seed).await,
        Flood::Streams => {
            let (connection, _transport) = connect(&victim.address).await?;
            let served = crowded(&connection, STREAMS, time).await;
            Ok(Said {
                note: format!("{served} streams were answered or cut off"),
                ..Said::default()
            })
        }
        Flood::Unread => {
            let (connections, taken) = unread(victim, time).await?;
            Ok(Said {
                note: format!("{connections} connections, {} MiB were sent", taken >> 20),
                ..Said::default()
            })
        }
        Flood::Gossip(_, kinds) => Ok(gossip(victim, kinds, time).await),
        Flood::Lengths => lengths(victim, time, seed).await,
    }
}

/// Drips on many streams of one connection; how many came to an end.
async fn crowded(connection: &Arc<dyn Connection>, streams: usize, time: Duration) -> usize {
    let mut open = JoinSet::new();
    for number in 0..streams {
        let connection = Arc::clone(connection);
        open.spawn(async move { drip(&*connection, number).await });
    }
    let (begun, mut ended) = (Instant::now(), 0);
    while begun.elapsed() < time {
        match timeout(Duration::from_millis(100), open.join_next()).await {
            Ok(Some(_)) => ended += 1,
            Ok(None) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(_) => {}
        }
    }
    ended
}

/// Slivers sent through paths that lose every second packet.
async fn gaps(victim: &Victim, time: Duration, seed: u64) -> Attempt<Said> {
    let mut paths = JoinSet::new();
    for number in 0..GAPS.0 {
        let victim = victim.clone();
        paths.spawn(async move {
            let path = Gaps::to(victim.data, seed ^ number).await?;
            let through = PeerAddress::new(victim.address.peer, path.address);
            let begun = Instant::now();
            let mut ended = 0;
            while begun.elapsed() < time {
                let left = time.saturating_sub(begun.elapsed());
                match timeout(left, connect(&through)).await {
                    Ok(Ok((connection, _transport))) => {
                        ended += crowded(&connection, GAPS.1, left).await;
                    }
                    Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
                    Err(_) => break,
                }
            }
            Attempt::Ok(ended)
        });
    }
    let mut ended = 0;
    while let Some(path) = paths.join_next().await {
        ended += path??;
    }
    Ok(Said {
        note: format!("{ended} streams were answered or cut off"),
        ..Said::default()
    })
}

/// Spammers that come back under another name whenever they are cut off.
async fn gossip(victim: &Victim, kinds: &[Spam], time: Duration) -> Said {
    let mut spammers = JoinSet::new();
    for spam in kinds.iter().copied().cycle().take(SPAMMERS) {
        let victim = victim.clone();
        spammers.spawn(async move {
            let begun = Instant::now();
            let (mut sent, mut cut, mut slowest) = (0, 0_u32, Duration::ZERO);
            while begun.elapsed() < time {
                let keypair = Keypair::generate_ed25519();
                let mut attacker = Attacker::connect(keypair, &victim.bootstrap);
                let left = time.saturating_sub(begun.elapsed());
                let outcome = attacker.flood(victim.network, spam, SPAM, left).await;
                sent += outcome.sent;
                if let Some(after) = outcome.cut {
                    cut += 1;
                    slowest = slowest.max(after);
                }
            }
            (sent, cut, slowest)
        });
    }
    let (mut sent, mut cut, mut slowest) = (0, 0, Duration::ZERO);
    while let Some(Ok(one)) = spammers.join_next().await {
        sent += one.0;
        cut += one.1;
        slowest = slowest.max(one.2);
    }
    let note = format!(
        "{sent} frames, {cut} spammers cut off, the last after {} ms",
        slowest.as_millis()
    );
    Said {
        note,
        ..Said::default()
    }
}

/// Declares more than may come, on every protocol of both planes.
async fn lengths(victim: &Victim, time: Duration, seed: u64) -> Attempt<Said> {
    const PROTOCOLS: [&str; 7] = [
        "/floe/control/1",
        "/floe/kad/1",
        "/floe/data/1",
        "/ipfs/id/push/1.0.0",
        "/libp2p/circuit/relay/0.2.0/hop",
        "/libp2p/autonat/2/dial-request",
        "/meshsub/1.1.0",
    ];
    let over = Arc::new(AtomicBool::new(false));
    let (until, target) = (Arc::clone(&over), victim.address.clone());
    let requests = tokio::spawn(async move {
        let (mut rounds, mut wrong) = (0, Vec::new());
        while !until.load(Ordering::Relaxed) {
            wrong.extend(malformed(&target, seed ^ rounds).await?);
            rounds += 1;
        }
        Attempt::Ok((rounds, wrong))
    });
    let begun = Instant::now();
    let (mut streams, mut open) = (0, 0);
    while begun.elapsed() < time {
        let mut attacker = Attacker::connect(Keypair::generate_ed25519(), &victim.bootstrap);
        for protocol in PROTOCOLS {
            let huge = match protocol {
                "/floe/data/1" | "/floe/control/1" => vec![0xFF; 128 << 10],
                _ => [&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F][..], &[7; 128 << 10]].concat(),
            };
            streams += 1;
            let patience = Duration::from_secs(20);
            if !attacker
                .speak(StreamProtocol::new(protocol), &huge, patience)
                .await
            {
                open += 1;
            }
        }
    }
    over.store(true, Ordering::Relaxed);
    let (rounds, mut wrong) = requests.await??;
    if open > 0 {
        wrong.push(format!(
            "{open} of {streams} streams with a huge length stayed open"
        ));
    }
    let note =
        format!("{streams} streams of the control plane, {rounds} times the corpus of requests");
    Ok(Said {
        note,
        wrong,
        ..Said::default()
    })
}
