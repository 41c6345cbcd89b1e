//! F27: floods from many peers against nodes that have 256 MiB each: one at first, then as many as may be
//! lost. Whoever is honest hardly notices.

mod attack;
#[path = "../../../../../p2p/tests/attacker/mod.rs"]
mod attacker;
mod gaps;
mod initial;
mod silence;
mod unread;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use floe_chain::id::NetworkId;
use floe_p2p::{address::PeerAddress, control::record::Bootstrap};
use tokio::{task::JoinSet, time::timeout};

use self::{attack::attack, attacker::Spam, initial::Traffic};
use super::{Stage, trial_seed};
use crate::{
    Attempt, Settings,
    inject::MemoryGroup,
    load::{Load, fill},
    report::Findings,
    world::{F, NODES, World, wait_for},
};

/// Memory of a node under attack.
const MEMORY: u64 = 256 << 20;
/// After a flood a node's memory is back when it holds so much more than before, at most.
const SLACK: u64 = 48 << 20;
/// Within this time.
const BACK: Duration = Duration::from_secs(60);
/// What is done to the victims at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flood {
    Initials,
    HalfOpen,
    Gaps,
    Streams,
    Unread,
    Gossip(&'static str, &'static [Spam]),
    Lengths,
}

const FLOODS: &[Flood] = &[
    Flood::Initials,
    Flood::HalfOpen,
    Flood::Gaps,
    Flood::Streams,
    Flood::Unread,
    Flood::Gossip(
        "gossip",
        &[
            Spam::Forged,
            Spam::Junk,
            Spam::Duplicates,
            Spam::UnknownTopic,
            Spam::Oversized,
        ],
    ),
    Flood::Gossip(
        "lists and requests",
        &[Spam::IHave, Spam::IWant, Spam::IDontWant],
    ),
    Flood::Gossip(
        "leaving, joining, false peers",
        &[Spam::Prune, Spam::Graft, Spam::Topics],
    ),
    Flood::Gossip("crammed frames", &[Spam::Crammed, Spam::Declared]),
    Flood::Lengths,
];
/// Those repeated against f nodes in the quick form.
const AGAIN: &[Flood] = &[Flood::Initials, FLOODS[5]];

impl Flood {
    const fn name(self) -> &'static str {
        match self {
            Self::Initials => "spoofed Initials",
            Self::HalfOpen => "half-open handshakes",
            Self::Gaps => "streams with gaps",
            Self::Streams => "streams on one connection",
            Self::Unread => "streams over TCP that cannot be read",
            Self::Gossip(name, _) => name,
            Self::Lengths => "lengths beyond every cap",
        }
    }
}

/// A node under attack, as its attackers know it.
#[derive(Clone)]
struct Victim {
    node: usize,
    data: SocketAddr,
    address: PeerAddress,
    control: SocketAddr,
    bootstrap: Bootstrap,
    network: NetworkId,
}

impl Victim {
    fn of(world: &World, node: usize) -> Attempt<Self> {
        let entry = world.file.nodes.get(node).ok_or("no such node")?;
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let address = world.address(node).clone();
        let (peer, port) = (address.peer, entry.control_port);
        let bootstrap = format!("/ip4/127.0.0.1/udp/{port}/quic-v1/p2p/{peer}").parse()?;
        Ok(Self {
            node,
            data: at(entry.data_port),
            address,
            control: at(port),
            bootstrap,
            network: world.network.id,
        })
    }
}

/// A node's memory and connections at one moment.
#[derive(Clone, Copy, Debug)]
struct Shape {
    resident: u64,
    members: u64,
}

pub(super) async fn flood(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let groups = (0..F).map(|node| MemoryGroup::new(&format!("flood-{node}"), MEMORY));
    let groups = groups.collect::<Attempt<Vec<_>>>()?;
    let mut stage = Stage::new(settings, false).await?;
    fill(&stage.world, &stage.book, 8).await?;
    for (node, group) in groups.iter().enumerate() {
        stage.world.kill(&[node]);
        stage.world.node(node).wrap.group = Some(group.path().to_owned());
        stage.world.start(node)?;
    }
    let victims: Vec<usize> = (0..F).collect();
    stage.world.serving(&victims, BACK).await?;
    for node in 0..NODES {
        linked(&stage.world, node).await?;
    }
    let again = settings.either(AGAIN, FLOODS);
    let rounds = FLOODS.iter().map(|flood| (*flood, 1));
    let rounds = rounds.chain(again.iter().map(|flood| (*flood, F)));
    for (trial, (flood, count)) in (0..).zip(rounds) {
        let seed = trial_seed(settings, trial);
        let begun = Instant::now();
        let wrong = one(&stage, &groups, flood, count, settings, seed, findings).await?;
        findings.trial(seed, begun.elapsed(), wrong);
    }
    for (node, group) in groups.iter().enumerate() {
        let killed = group.killed();
        findings.bar(
            killed == 0,
            format!(
                "node {node}: {killed} killed for memory, {} MiB at most with page cache",
                group.peak() >> 20
            ),
        );
        let process = stage.world.node(node).process.as_mut();
        let lives = process.ok_or("not running")?.ended()?.is_none();
        findings.bar(lives, format!("node {node} lives"));
    }
    findings.broken.extend(stage.unbacked(&victims).await);
    stage.close(findings).await;
    drop(stage);
    Ok(())
}

/// One flood against the first `count` nodes, with honest load beside it; what it broke.
async fn one(
    stage: &Stage,
    groups: &[MemoryGroup],
    flood: Flood,
    count: usize,
    settings: &Settings,
    seed: u64,
    findings: &mut Findings,
) -> Attempt<Vec<String>> {
    let world = &stage.world;
    let time = settings.either(Duration::from_secs(6), Duration::from_secs(60));
    let victims = (0..count)
        .map(|node| Victim::of(world, node))
        .collect::<Attempt<Vec<_>>>()?;
    let mut before = Vec::new();
    for victim in &victims {
        before.push(shape(world, &groups[victim.node], victim.node).await);
    }
    let load = Load::start(world, &stage.book, false);
    let mut attacks = JoinSet::new();
    for victim in victims.clone() {
        attacks.spawn(async move { attack(flood, &victim, time, seed).await });
    }
    let (mut peak, mut said) = (0, Vec::new());
    while !attacks.is_empty() {
        if let Ok(Some(ended)) = timeout(Duration::from_millis(100), attacks.join_next()).await {
            said.push(ended??);
        }
        let resident = victims.iter().map(|victim| groups[victim.node].resident());
        peak = peak.max(resident.max().unwrap_or_default());
    }
    let (reads, writes) = load.stop().await;
    let mut wrong = Vec::new();
    for (kind, samples, permille) in [("reads", &reads, 990), ("writes", &writes, 950)] {
        if samples.count() == 0 || !samples.succeeded(permille) {
            let first = samples.failures.first().map_or("", String::as_str);
            wrong.push(format!(
                "{}: {} of {} {kind} succeeded {first}",
                flood.name(),
                samples.times.len(),
                samples.count()
            ));
        }
    }
    let ended = Instant::now();
    for (victim, before) in victims.iter().zip(&before) {
        let (node, group) = (victim.node, &groups[victim.node]);
        while group.resident() > before.resident + SLACK && ended.elapsed() < BACK {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let after = shape(world, group, node).await;
        if after.resident > before.resident + SLACK {
            wrong.push(format!(
                "{}: node {node} holds {} MiB, {} before",
                flood.name(),
                after.resident >> 20,
                before.resident >> 20
            ));
        }
        if after.members < before.members {
            wrong.push(format!(
                "{}: node {node} is connected with {} members, {} before",
                flood.name(),
                after.members,
                before.members
            ));
        }
    }
    let traffic = said.iter().fold(Traffic::default(), |mut sum, one| {
        sum.add(one.traffic);
        sum
    });
    if traffic.answered > 3 * traffic.sent {
        wrong.push(format!("{}: {traffic:?}", flood.name()));
    }
    let note = said
        .iter()
        .map(|one| one.note.clone())
        .collect::<Vec<_>>()
        .join("; ");
    wrong.extend(said.into_iter().flat_map(|one| one.wrong));
    findings.notes.push(format!(
        "{} on {count}: {note}; {} reads, {} writes; anonymous memory {} MiB before, {} at most, back in {} s",
        flood.name(),
        reads.count(),
        writes.count(),
        before.iter().map(|shape| shape.resident >> 20).max().unwrap_or_default(),
        peak >> 20,
        ended.elapsed().as_secs()
    ));
    findings.reads.add(reads);
    findings.writes.add(writes);
    Ok(wrong)
}

async fn shape(world: &World, group: &MemoryGroup, node: usize) -> Shape {
    Shape {
        resident: group.resident(),
        members: members(world, node).await,
    }
}

/// Members that a node is connected with.
async fn members(world: &World, node: usize) -> u64 {
    let page = world.page(node, "/metrics").await.unwrap_or_default();
    let line = page
        .lines()
        .find(|line| line.contains("control_peers{") && line.contains(r#""members""#));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or_default()
}

/// Waits until a node is connected with all others.
async fn linked(world: &World, node: usize) -> Attempt<()> {
    let all = u64::try_from(NODES - 1)?;
    wait_for(&format!("node {node} linked"), BACK, async || {
        members(world, node).await >= all
    })
    .await
}
