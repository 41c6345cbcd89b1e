//! A whole network of real processes on this machine: a local chain, storage nodes, and the clients
//! that use it. Owns their folders and lifetimes; injects no fault and judges nothing.

use std::{
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use floe_chain::{
    amount::Wal,
    rpc::{ChainWrite, NetworkConfig, Operation, SuiChain, Wallet, keyfile::read_secret_line},
};
use floe_client::{Client, Parts, Patience, network::Network};
use floe_codec::{Codec, ShardCount};
use floe_p2p::{
    client::{CallOptions, DataClient},
    identity::Identity,
    plane::DataPlane,
    transport::quic::{QuicSettings, QuicTransport},
    wire::{Kind, TrafficClass},
};
use floe_testnet::local::{LocalSettings, NetworkFile, create};
use rustix::process::Signal;
use serde::Deserialize;

use crate::{
    Attempt, Settings,
    disk::LoopDisk,
    net::{BadNetwork, Namespace, Place},
    process::Process,
};

/// Nodes of a network.
pub(crate) const NODES: usize = 10;
/// Nodes that may be lost at once, whatever happens to them.
pub(crate) const F: usize = 3;
/// Shards: two for each node.
const SHARDS: u16 = 20;
/// Clients that write, each with an account of its own.
pub(crate) const WRITERS: usize = 4;
/// No epoch ends while a row runs.
const EPOCH_MS: u64 = 6 * 3_600_000;
/// WAL of each writer, in smallest units.
const WRITER_WAL: u64 = 1_000_000_000_000;
/// Longest wait for a process to be up.
const UP: Duration = Duration::from_secs(60);
/// Bytes of a disk that a node has to itself; a quarter of a gibibyte must stay free.
pub(crate) const DISK_MIB: u64 = 640;

/// A network and its clients.
pub(crate) struct World {
    pub(crate) dir: PathBuf,
    pub(crate) floe: PathBuf,
    pub(crate) file: NetworkFile,
    pub(crate) nodes: Vec<Node>,
    pub(crate) writers: Vec<Client>,
    pub(crate) reader: Client,
    pub(crate) peers: DataClient,
    pub(crate) codec: Codec,
    pub(crate) network: Arc<Network>,
    pub(crate) chain: SuiChain,
    _devnet: Process,
    // Dropped after the processes that use it.
    between: Option<BadNetwork>,
}

/// What nodes stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// This machine, as it is.
    Shared,
    /// File systems of their own.
    OwnDisks,
    /// Network namespaces of their own, with a bad network between them.
    Apart,
}

/// One storage node's folder, disk and process.
pub(crate) struct Node {
    pub(crate) dir: PathBuf,
    admin: u16,
    /// Where it runs, if not where the harness does.
    space: Option<Namespace>,
    pub(crate) process: Option<Process>,
    /// How its command is wrapped: environment, and files its process id is written to first.
    pub(crate) wrap: Wrap,
    // Dropped after the process, which uses it.
    pub(crate) disk: Option<LoopDisk>,
}

/// What stands around a node's command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wrap {
    pub(crate) env: Vec<(String, String)>,
    /// A control group that the process joins before it runs.
    pub(crate) group: Option<PathBuf>,
}

/// What a node says of itself, as far as rows need it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Status {
    pub(crate) ready: bool,
    pub(crate) ledger: Option<LedgerStatus>,
    #[serde(default)]
    pub(crate) scrub: Option<ScrubStatus>,
    #[serde(default)]
    pub(crate) heal: HealStatus,
}

/// What a node knows of all blobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct LedgerStatus {
    pub(crate) numbered: u64,
    pub(crate) digest: String,
}

/// What a node has recovered.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct HealStatus {
    pub(crate) bytes: u64,
    pub(crate) received: u64,
}

/// How far a node has re-read its disk.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct ScrubStatus {
    pub(crate) passes: u64,
    pub(crate) damaged: u64,
}

impl World {
    /// Brings a network up in an empty folder.
    pub(crate) async fn up(settings: &Settings, dir: &Path, ground: Ground) -> Attempt<Self> {
        let apart = ground == Ground::Apart;
        let own_disks = ground == Ground::OwnDisks;
        let (between, spaces) = apart
            .then(|| BadNetwork::new(NODES, settings.seed))
            .transpose()?
            .unzip();
        let mut spaces = spaces.into_iter().flatten();
        let place = |place: Place| apart.then(|| place.address());
        let chain_dir = dir.join("devnet");
        std::fs::create_dir_all(&chain_dir)?;
        let here = place(Place::HERE).unwrap_or(Ipv4Addr::LOCALHOST);
        let mut command = Command::new(&settings.floe);
        command
            .args(["devnet", "--port", "0", "--listen"])
            .arg(here.to_string())
            .arg("--dir")
            .arg(&chain_dir)
            .arg("--packages")
            .arg(&settings.packages);
        let log = dir.join("devnet.log");
        let mut devnet = Process::start(command, &log)?;
        let description = chain_dir.join("devnet.json");
        let begun = Instant::now();
        while std::fs::metadata(&description).map_or(0, |file| file.len()) == 0 {
            if devnet.ended()?.is_some() || begun.elapsed() > UP {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("the local chain does not start: {said}").into());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let file = create(&LocalSettings {
            dir: dir.to_owned(),
            devnet: description,
            packages: settings.packages.clone(),
            nodes: u16::try_from(NODES)?,
            shards: ShardCount::new(SHARDS)?,
            port_base: 0,
            epoch_ms: EPOCH_MS,
            hosts: (0..NODES)
                .filter_map(|node| place(Place::node(node)))
                .collect(),
        })
        .await?;

        let mut nodes = Vec::new();
        for entry in &file.nodes {
            let node_dir = dir.join(format!("node-{}", entry.index));
            let disk = own_disks
                .then(|| LoopDisk::new(&node_dir.join("disk"), &node_dir.join("data"), DISK_MIB))
                .transpose()?;
            nodes.push(Node {
                dir: node_dir,
                admin: entry.admin_port,
                space: spaces.next(),
                process: None,
                wrap: Wrap::default(),
                disk,
            });
        }
        let hands = Hands::new(dir, &file).await?;
        let mut world = Self {
            dir: dir.to_owned(),
            floe: settings.floe.clone(),
            file,
            nodes,
            writers: hands.writers,
            network: hands.reader.network().await?,
            reader: hands.reader,
            peers: hands.peers,
            codec: hands.codec,
            chain: hands.chain,
            _devnet: devnet,
            between,
        };
        let all: Vec<usize> = (0..NODES).collect();
        for &node in &all {
            world.start(node)?;
        }
        world.serving(&all, UP).await?;
        Ok(world)
    }

    /// Starts a node's process.
    pub(crate) fn start(&mut self, node: usize) -> Attempt<()> {
        let floe = self.floe.clone();
        let node = self.node(node);
        let mut command = match &node.wrap.group {
            None => Command::new(floe),
            Some(group) => {
                let mut command = Command::new("sh");
                command
                    .args(["-c", r#"echo $$ >"$0/cgroup.procs" && exec "$@""#])
                    .arg(group)
                    .arg(floe);
                command
            }
        };
        command
            .args(["node", "run", "--config"])
            .arg(node.dir.join("node.toml"))
            .envs(node.wrap.env.iter().map(|(key, value)| (key, value)));
        let log = node.dir.join("log");
        node.process = Some(match &node.space {
            None => Process::start(command, &log)?,
            Some(space) => space.within(|| Process::start(command, &log))?,
        });
        Ok(())
    }

    /// What is between the nodes, if they are apart.
    pub(crate) fn between(&self) -> Attempt<&BadNetwork> {
        Ok(self.between.as_ref().ok_or("the nodes are not apart")?)
    }

    /// Kills nodes as a crash would, all in the same moment.
    pub(crate) fn kill(&mut self, nodes: &[usize]) {
        self.signal(nodes, Signal::KILL);
        for &node in nodes {
            self.node(node).process = None;
        }
    }

    pub(crate) fn signal(&self, nodes: &[usize], signal: Signal) {
        for &node in nodes {
            if let Some(process) = self.nodes.get(node).and_then(|node| node.process.as_ref()) {
                process.signal(signal);
            }
        }
    }

    /// Waits until nodes say that they are ready, and answer on the data plane. Returns how long it
    /// took.
    pub(crate) async fn serving(&self, nodes: &[usize], patience: Duration) -> Attempt<Duration> {
        let begun = Instant::now();
        let left = || patience.saturating_sub(begun.elapsed());
        for &node in nodes {
            wait_for(&format!("node {node} ready"), left(), async || {
                self.status(node).await.is_some_and(|status| status.ready)
            })
            .await?;
            wait_for(&format!("node {node} serving"), left(), async || {
                let options = options(&self.network, Duration::from_secs(2));
                self.peers
                    .health(self.address(node), &options)
                    .await
                    .is_ok()
            })
            .await?;
        }
        Ok(begun.elapsed())
    }

    /// What a node says at its operator's door; `None` if it does not answer.
    pub(crate) async fn status(&self, node: usize) -> Option<Status> {
        let answer = self.page(node, "/status").await?;
        serde_json::from_str(&answer).ok()
    }

    /// Where a node answers, by its number in the folder.
    pub(crate) fn address(&self, node: usize) -> &floe_p2p::address::PeerAddress {
        self.network.address(self.member(node))
    }

    /// A node's place in the committee.
    pub(crate) fn member(&self, node: usize) -> floe_chain::committee::MemberIndex {
        let port = self.file.nodes.get(node).map(|entry| entry.data_port);
        let members = self.network.committee.iter().map(|(member, _)| member);
        members
            .into_iter()
            .find(|member| {
                let addresses = &self.network.address(*member).addresses;
                addresses.iter().any(|address| Some(address.port()) == port)
            })
            .expect("every node of the folder is in the committee")
    }

    pub(crate) fn node(&mut self, node: usize) -> &mut Node {
        self.nodes
            .get_mut(node)
            .expect("rows name nodes of the network")
    }

    /// A page at a node's operator's door, whatever its status. The door is local to the node: a bad
    /// network is not in the way.
    pub(crate) async fn page(&self, node: usize, path: &str) -> Option<String> {
        let Node { admin, space, .. } = self.nodes.get(node)?;
        let connect = || {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *admin))?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        let stream = match space {
            None => connect(),
            Some(space) => space.within(connect),
        };
        http_get(stream.ok()?, path).await
    }

    /// Requests of a kind that a node has answered since it was started, well or not.
    pub(crate) async fn answered(&self, node: usize, kind: Kind) -> u64 {
        let label = format!(r#"kind="{}""#, kind.name().unwrap_or_default());
        let page = self.page(node, "/metrics").await.unwrap_or_default();
        let counts = page
            .lines()
            .filter(|line| line.starts_with("floe_data_requests_total") && line.contains(&label));
        let numbers = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        numbers.sum()
    }

    /// The client of the folder, as `floe` itself uses it.
    pub(crate) async fn owner(&self) -> Attempt<Client> {
        let wallet = Wallet::from_line(&read_secret_line(&self.dir.join("wallet.key"))?)?;
        let client = Client::new(Parts {
            chain: Arc::new(self.chain.clone()),
            wallet: Some(Arc::new(self.chain.account(wallet))),
            peers: self.peers.clone(),
            codec: self.codec.clone(),
            state_dir: self.dir.join("owner"),
            patience: Patience::default(),
        });
        client.network().await?;
        Ok(client)
    }

    /// Lines of node logs that no fault excuses.
    pub(crate) fn panics(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let log = std::fs::read(node.dir.join("log")).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines = log.lines().filter(|line| line.contains("panicked at"));
            found.extend(lines.map(|line| format!("node {number}: {line}")));
        }
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.kill(&all);
    }
}

/// What clients are made of.
struct Hands {
    writers: Vec<Client>,
    reader: Client,
    peers: DataClient,
    codec: Codec,
    chain: SuiChain,
}

impl Hands {
    async fn new(dir: &Path, file: &NetworkFile) -> Attempt<Self> {
        #[derive(Deserialize)]
        struct ClientFile {
            chain: NetworkConfig,
        }
        let text = std::fs::read_to_string(dir.join("client.toml"))?;
        let config: ClientFile = toml::from_str(&text)?;
        let chain = SuiChain::connect(&config.chain).await?;
        let codec = Codec::new(1)?;
        let rich = Wallet::from_line(&read_secret_line(&dir.join("wallet.key"))?)?;
        let rich = chain.account(rich);
        let client = |name: &str, account: Option<Arc<dyn ChainWrite>>, peers: &DataClient| {
            Client::new(Parts {
                chain: Arc::new(chain.clone()),
                wallet: account,
                peers: peers.clone(),
                codec: codec.clone(),
                state_dir: dir.join(name),
                patience: Patience::default(),
            })
        };
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            let wallet = Wallet::from_seed(rand::random());
            floe_testnet::faucet::request(&file.faucet_url, wallet.address()).await?;
            let funds = Operation::SendWal {
                to: wallet.address(),
                amount: Wal::from_units(WRITER_WAL),
            };
            rich.execute(vec![funds]).await?;
            let account: Arc<dyn ChainWrite> = Arc::new(chain.account(wallet));
            writers.push(client(
                &format!("writer-{number}"),
                Some(account),
                &dialer()?,
            ));
        }
        let peers = dialer()?;
        Ok(Self {
            writers,
            reader: client("reader", None, &dialer()?),
            peers,
            codec,
            chain,
        })
    }
}

/// A data plane of its own, that only asks.
pub(crate) fn dialer() -> Attempt<DataClient> {
    let transport = QuicTransport::bind(&Identity::generate(), QuicSettings::client())?;
    Ok(DataPlane::client_only(Arc::new(transport)).client().clone())
}

/// How the harness itself asks nodes.
pub(crate) fn options(network: &Network, deadline: Duration) -> CallOptions {
    CallOptions {
        deadline,
        class: TrafficClass::Control,
        epoch: network.epoch(),
    }
}

/// Polls until `done`, or says what did not happen in time.
pub(crate) async fn wait_for<F: Future<Output = bool>>(
    what: &str,
    patience: Duration,
    mut done: impl FnMut() -> F,
) -> Attempt<()> {
    let begun = Instant::now();
    while !done().await {
        if begun.elapsed() > patience {
            return Err(format!("{what}: not within {} s", patience.as_secs()).into());
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}

/// The body of a page.
pub(crate) async fn http_get(stream: TcpStream, path: &str) -> Option<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ask = async {
        let mut stream = tokio::net::TcpStream::from_std(stream)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(1 << 20).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(2), ask)
        .await
        .ok()?
        .ok()?;
    let answer = String::from_utf8(answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}
