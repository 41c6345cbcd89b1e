//! The data plane against libp2p streams over libp2p-quic: CPU per byte of 1 MiB messages, and the
//! latency of small requests. Two processes on loopback, interleaved rounds, medians of ratios.
//!
//! `cargo bench -p floe-p2p --bench data_plane`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its result and stops at the first surprise"
)]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use floe_chain::epoch::Epoch;
use floe_codec::{Axis, BlobId, SegmentIndex, ShardIndex};
use floe_p2p::{
    Item, ItemSize,
    address::PeerAddress,
    class::ConnectionClass,
    client::{CallOptions, DataClient},
    identity::{Identity, PeerId},
    plane::DataPlane,
    server::{Answer, Call, Items, ServerSettings, Service},
    transport::quic::{QuicSettings, QuicTransport},
    wire::{
        TrafficClass,
        message::{GetMetadata, GetSliver, SegmentRange},
    },
};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, multiaddr::Protocol, swarm};

const MESSAGE: u32 = 1 << 20;
const SMALL: u32 = 1 << 10;
const STREAMS: usize = 8;
const ROUNDS: usize = 7;
const MESSAGES_A_ROUND: usize = 512;
const REQUESTS_A_ROUND: usize = 500;
const PROTOCOL: StreamProtocol = StreamProtocol::new("/floe/bench/1");
const SERVER: &str = "FLOE_BENCH_SERVER";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        if env::var_os(SERVER).is_some() {
            serve().await
        } else {
            measure().await
        }
    });
}

// Both servers, in a process of their own.

struct Static(Bytes);

impl Service for Static {
    async fn get_sliver(&self, _: &Call, request: GetSliver, items: &mut Items) -> Answer<()> {
        for _ in 0..request.items() {
            items
                .send(self.0.clone(), items.reserve(MESSAGE).await?)
                .await?;
        }
        Ok(())
    }

    async fn get_metadata(&self, _: &Call, _: GetMetadata, items: &mut Items) -> Answer<()> {
        items
            .send(self.0.slice(..SMALL as usize), items.reserve(SMALL).await?)
            .await
    }
}

async fn serve() {
    let body = Bytes::from(vec![0x5a; MESSAGE as usize]);
    let identity = Identity::from_seed([1; 32]);
    let settings = QuicSettings::node(([127, 0, 0, 1], 0).into());
    let transport = QuicTransport::bind(&identity, settings).unwrap();
    println!("floe {}", transport.local_address());
    let committee = |_: &PeerId| ConnectionClass::Committee;
    let service = Static(body.clone());
    let _plane = DataPlane::start(
        Arc::new(transport),
        service,
        Arc::new(committee),
        ServerSettings::default(),
    );

    let mut swarm = baseline_swarm();
    swarm
        .listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap())
        .unwrap();
    let mut incoming = swarm.behaviour().new_control().accept(PROTOCOL).unwrap();
    let peer = *swarm.local_peer_id();
    tokio::spawn(async move {
        while let Some((_, mut stream)) = incoming.next().await {
            let body = body.clone();
            tokio::spawn(async move {
                // The request names a length; 64 bytes are about what a request head takes.
                let mut request = [0; 64];
                stream.read_exact(&mut request).await.unwrap();
                let length = u32::from_le_bytes(request[..4].try_into().unwrap());
                stream.write_all(&body[..length as usize]).await.unwrap();
                stream.close().await.unwrap();
            });
        }
    });
    loop {
        if let swarm::SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            println!("libp2p {}", address.with(Protocol::P2p(peer)));
        }
    }
}

fn baseline_swarm() -> Swarm<libp2p_stream::Behaviour> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|config| {
            // Its fastest settings: no round trip for negotiation, connections stay.
            config
                .with_idle_connection_timeout(Duration::from_secs(3600))
                .with_substream_upgrade_protocol_override(libp2p::core::upgrade::Version::V1Lazy)
        })
        .build()
}

// The measuring side.

struct Floe {
    client: DataClient,
    to: PeerAddress,
    options: CallOptions,
}

impl Floe {
    async fn message(&self) {
        let request = GetSliver {
            blob: BlobId::from_bytes([1; 32]),
            axis: Axis::Primary,
            shards: vec![ShardIndex(0)].try_into().unwrap(),
            segments: SegmentRange::one(SegmentIndex(0)),
        };
        let mut reader = self
            .client
            .get_sliver(&self.to, &request, &self.options)
            .await
            .unwrap();
        let item = reader.next(|_| ItemSize::Exactly(MESSAGE)).await.unwrap();
        assert!(matches!(item, Some(Item::Present(_))));
        assert_eq!(reader.next(|_| ItemSize::Exactly(0)).await.unwrap(), None);
    }

    async fn small(&self) {
        let request = GetMetadata {
            blob: BlobId::from_bytes([1; 32]),
            segments: SegmentRange::one(SegmentIndex(0)),
        };
        let mut reader = self
            .client
            .get_metadata(&self.to, &request, &self.options)
            .await
            .unwrap();
        let item = reader.next(|_| ItemSize::Exactly(SMALL)).await.unwrap();
        assert!(matches!(item, Some(Item::Present(_))));
    }
}

#[derive(Clone)]
struct Baseline {
    control: libp2p_stream::Control,
    peer: PeerId,
    dropped: Arc<AtomicU64>,
}

impl Baseline {
    /// Asks until there is an answer: libp2p-stream drops a stream that comes while its accepting side is
    /// still busy with the one before.
    async fn request(&mut self, length: u32) {
        while !self.try_request(length).await {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn try_request(&mut self, length: u32) -> bool {
        let mut stream = self.control.open_stream(self.peer, PROTOCOL).await.unwrap();
        let mut request = [0; 64];
        request[..4].copy_from_slice(&length.to_le_bytes());
        stream.write_all(&request).await.unwrap();
        stream.close().await.unwrap();
        let mut body = Vec::with_capacity(length as usize);
        stream.read_to_end(&mut body).await.unwrap();
        assert!(body.is_empty() || body.len() == length as usize);
        !body.is_empty()
    }
}

async fn measure() {
    let (child, floe, baseline) = start().await;
    let child_id = child.id();
    let floe = Arc::new(floe);
    let (mut ratios, mut rates) = (Vec::new(), [Vec::new(), Vec::new()]);
    for round in 0..=ROUNDS {
        let ours = transfer(child_id, || {
            let floe = Arc::clone(&floe);
            async move { floe.message().await }
        });
        let ours = ours.await;
        let theirs = transfer(child_id, || {
            let mut baseline = baseline.clone();
            async move { baseline.request(MESSAGE).await }
        });
        let theirs = theirs.await;
        // The first round warms both up.
        if round > 0 {
            ratios.push(ours.cpu_per_gb / theirs.cpu_per_gb);
            rates[0].push(ours);
            rates[1].push(theirs);
        }
    }
    println!(
        "P8, {MESSAGES_A_ROUND} messages of 1 MiB a round, {STREAMS} at a time, {ROUNDS} rounds"
    );
    for (name, rounds) in ["floe", "libp2p"].iter().zip(&rates) {
        let cpu = median(rounds.iter().map(|round| round.cpu_per_gb).collect());
        let rate = median(rounds.iter().map(|round| round.gb_per_s).collect());
        println!("  {name:7} {cpu:6.2} CPU s/GB  {rate:6.3} GB/s");
    }
    println!("  CPU per byte, floe / libp2p: {:.2}", median(ratios));

    let (mut ratios, mut medians) = (Vec::new(), [Vec::new(), Vec::new()]);
    for round in 0..=ROUNDS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut baseline = baseline.clone();
        for _ in 0..REQUESTS_A_ROUND {
            let start = Instant::now();
            floe.small().await;
            ours.push(start.elapsed().as_secs_f64() * 1e6);
            let start = Instant::now();
            baseline.request(SMALL).await;
            theirs.push(start.elapsed().as_secs_f64() * 1e6);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        if round > 0 {
            ratios.push(ours / theirs);
            medians[0].push(ours);
            medians[1].push(theirs);
        }
    }
    println!("P9, requests of 1 KiB, one at a time, idle, {REQUESTS_A_ROUND} a round");
    for (name, rounds) in ["floe", "libp2p"].iter().zip(medians) {
        println!("  {name:7} p50 {:6.0} us", median(rounds));
    }
    println!("  latency, floe / libp2p: {:.2}", median(ratios));
    let dropped = baseline.dropped.load(Ordering::Relaxed);
    println!("libp2p dropped {dropped} streams, which were asked for again");
}

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl KillOnDrop {
    fn id(&self) -> u32 {
        self.0.id()
    }
}

async fn start() -> (KillOnDrop, Floe, Baseline) {
    let mut child = Command::new(env::current_exe().unwrap())
        .env(SERVER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = |prefix: &str| {
        lines
            .next()
            .unwrap()
            .unwrap()
            .strip_prefix(prefix)
            .unwrap()
            .to_owned()
    };

    let transport = QuicTransport::bind(&Identity::generate(), QuicSettings::client()).unwrap();
    let plane = DataPlane::client_only(Arc::new(transport));
    let floe = Floe {
        client: plane.client().clone(),
        to: PeerAddress {
            peer: Identity::from_seed([1; 32]).peer_id(),
            addresses: vec![line("floe ").parse().unwrap()],
        },
        options: CallOptions {
            deadline: Duration::from_secs(60),
            class: TrafficClass::Read,
            epoch: Epoch::new(1),
        },
    };

    let address: Multiaddr = line("libp2p ").parse().unwrap();
    let Some(Protocol::P2p(peer)) = address.iter().last() else {
        unreachable!("it was appended")
    };
    let mut swarm = baseline_swarm();
    let control = swarm.behaviour().new_control();
    swarm.dial(address).unwrap();
    while !matches!(
        swarm.select_next_some().await,
        swarm::SwarmEvent::ConnectionEstablished { .. }
    ) {}
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    let baseline = Baseline {
        control,
        peer,
        dropped: Arc::default(),
    };
    (KillOnDrop(child), floe, baseline)
}

struct Round {
    cpu_per_gb: f64,
    gb_per_s: f64,
}

/// Sends a round of messages, [`STREAMS`] at a time.
async fn transfer<F: Future<Output = ()>>(child: u32, message: impl Fn() -> F) -> Round {
    let (start, cpu) = (
        Instant::now(),
        cpu_seconds("self") + cpu_seconds(&child.to_string()),
    );
    futures::stream::iter(0..MESSAGES_A_ROUND)
        .for_each_concurrent(STREAMS, |_| message())
        .await;
    let gb = MESSAGES_A_ROUND as f64 * f64::from(MESSAGE) / 1e9;
    let used = cpu_seconds("self") + cpu_seconds(&child.to_string()) - cpu;
    Round {
        cpu_per_gb: used / gb,
        gb_per_s: gb / start.elapsed().as_secs_f64(),
    }
}

/// User and system time of a process, from `/proc/PID/stat` (ticks of 10 ms).
fn cpu_seconds(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name in parentheses may hold spaces; the fields after it do not.
    let fields: Vec<_> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
    (ticks(11) + ticks(12)) as f64 / 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
