//! A whole network in one process: a chain in memory, nodes behind real QUIC on loopback, a client.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use floe_chain::{
    amount::{Sui, Wal},
    epoch::Epoch,
    id::{Address, NodeId},
    keys::{BlsSecretKey, IdentitySecretKey},
    rpc::{
        ChainRead, ChainWrite, NodeRegistration, Operation,
        memory::{MemoryAccount, MemoryChain, MemorySettings},
        state::Vote,
    },
    statement::Possession,
};
use floe_client::{
    Client, Parts, Patience,
    disk::source::Source,
    plan::ByteRange,
    progress::{Event, Listener},
    read::ReadError,
    store::{StoreError, StoreOptions, Stored},
};
use floe_codec::{BlobId, Codec, ShardCount};
use floe_p2p::{
    class::ConnectionClass,
    identity::Identity,
    plane::DataPlane,
    server::ServerSettings,
    transport::quic::{QuicSettings, QuicTransport},
};

use crate::node::{Fault, MemoryNode, State};

pub(crate) const COIN: u64 = 1_000_000_000;
/// How everything is stored.
pub(crate) const OPTIONS: StoreOptions = StoreOptions {
    epochs: 2,
    deletable: true,
    spooled: false,
};
/// The client's account.
pub(crate) const USER: u8 = 200;

pub(crate) struct World {
    pub(crate) chain: MemoryChain,
    pub(crate) nodes: Vec<Node>,
    received: Arc<AtomicU64>,
    pub(crate) codec: Codec,
    pub(crate) state: tempfile::TempDir,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

pub(crate) struct Node {
    account: Address,
    plane: DataPlane<MemoryNode>,
    pub(crate) node: MemoryNode,
}

fn address(n: u8) -> Address {
    Address::from_bytes([n; 32])
}

fn settings(base: QuicSettings) -> QuicSettings {
    QuicSettings {
        dial_timeout: Duration::from_millis(1_500),
        ..base
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

impl World {
    /// `count` nodes, as many shards, epoch 1 open.
    pub(crate) async fn new(count: u8) -> Self {
        let shards = ShardCount::new(count.into()).unwrap();
        let chain = MemoryChain::new(MemorySettings::small(7, shards));
        let codec = Codec::new(1).unwrap();
        let received = Arc::new(AtomicU64::new(0));
        let mut nodes = Vec::new();
        for n in 1..=count {
            let node = Node::start(&chain, &codec, n, Arc::clone(&received)).await;
            nodes.push(node);
        }
        chain.mint(address(USER), Sui::from_units(COIN), Wal::from_units(COIN));
        let world = Self {
            chain,
            nodes,
            received,
            codec,
            state: tempfile::tempdir().unwrap(),
            events: Arc::default(),
        };
        world.begin_epoch(2_000).await;
        world
    }

    /// Ends the running epoch and opens the next one.
    pub(crate) async fn begin_epoch(&self, ms: u64) {
        let driver = self.chain.account(self.nodes[0].account);
        self.chain.pass(ms / 2 + 1);
        driver.execute(vec![Operation::Select]).await.unwrap();
        self.chain.pass(ms / 2 + 1);
        driver.execute(vec![Operation::Advance]).await.unwrap();
        let epoch = self.chain.system().await.unwrap().epoch;
        for node in &self.nodes {
            let cap = self.chain.owned_node_caps(node.account).await.unwrap()[0].object;
            let done = Operation::SyncDone { cap, epoch };
            self.chain
                .account(node.account)
                .execute(vec![done])
                .await
                .unwrap();
            node.node.state().epoch = epoch;
        }
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with(Arc::new(self.wallet()))
    }

    /// The client's account.
    pub(crate) fn wallet(&self) -> MemoryAccount {
        self.chain.account(address(USER))
    }

    pub(crate) fn client_with(&self, wallet: Arc<dyn ChainWrite>) -> Client {
        let identity = Identity::generate();
        let transport = QuicTransport::bind(&identity, settings(QuicSettings::client())).unwrap();
        let plane = DataPlane::client_only(Arc::new(transport));
        Client::new(Parts {
            chain: Arc::new(self.chain.clone()),
            wallet: Some(wallet),
            peers: plane.client().clone(),
            codec: self.codec.clone(),
            state_dir: self.state.path().to_owned(),
            patience: Patience {
                node: Duration::from_secs(3),
                read: Duration::from_secs(2),
                epoch: Duration::from_secs(2),
            },
        })
    }

    pub(crate) fn listener(&self) -> Listener {
        let events = Arc::clone(&self.events);
        Arc::new(move |event| events.lock().unwrap().push(event))
    }

    pub(crate) fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    pub(crate) async fn store(&self, bytes: Vec<u8>) -> Result<Stored, StoreError> {
        let source = Source::Memory(bytes.into());
        let (stored, tail) = self
            .client()
            .store(source, OPTIONS, self.listener())
            .await?;
        if let Some(tail) = tail {
            tail.finish(Duration::from_secs(5)).await;
        }
        Ok(stored)
    }

    pub(crate) async fn read(&self, blob: BlobId, range: ByteRange) -> Result<Vec<u8>, ReadError> {
        self.read_with(&self.client(), blob, range).await
    }

    pub(crate) async fn read_with(
        &self,
        client: &Client,
        blob: BlobId,
        range: ByteRange,
    ) -> Result<Vec<u8>, ReadError> {
        let mut reader = client.read(blob, range, self.listener()).await?;
        let mut all = Vec::new();
        while let Some(bytes) = reader.next().await {
            all.extend_from_slice(&bytes?);
        }
        Ok(all)
    }

    pub(crate) fn set_fault(&self, which: std::ops::Range<usize>, fault: Fault) {
        for node in &self.nodes[which] {
            node.node.state().fault = fault;
        }
    }

    /// Slivers that nodes were sent so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Slivers and symbols that all nodes were asked for since the last call.
    pub(crate) fn take_served(&self) -> (u64, u64) {
        let take = |node: &Node| {
            let mut state = node.node.state();
            let take = |count: &mut u64| std::mem::take(count);
            (take(&mut state.served), take(&mut state.symbols))
        };
        let of_nodes = self.nodes.iter().map(take);
        of_nodes.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    /// Waits until a journey tells of such an event, or is over.
    pub(crate) async fn until<T>(
        &self,
        journey: &tokio::task::JoinHandle<T>,
        such: impl Fn(&Event) -> bool,
    ) {
        while !journey.is_finished() && !self.events.lock().unwrap().iter().any(&such) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops nodes without a word of farewell.
    pub(crate) async fn kill(&mut self, count: usize) {
        for node in self.nodes.drain(..count) {
            node.plane.shutdown(Duration::ZERO).await;
        }
    }
}

impl Node {
    async fn start(
        chain: &MemoryChain,
        codec: &Codec,
        n: u8,
        received_by_all: Arc<AtomicU64>,
    ) -> Self {
        let identity_key = IdentitySecretKey::from_seed(&[n; 32]);
        let key = BlsSecretKey::from_seed(&[n; 32]);
        let identity = Identity::from_seed(identity_key.to_seed());
        let transport = QuicTransport::bind(&identity, settings(QuicSettings::node(any_port())));
        let transport = transport.unwrap();
        let listens = transport.local_address();
        let account = address(n);
        chain.mint(account, Sui::from_units(COIN), Wal::from_units(100 * COIN));
        let (possession, proof) = Possession::prove(chain.network(), account, &key, &identity_key);
        let prices = chain.system().await.unwrap().prices;
        let registration = NodeRegistration {
            name: format!("node {n}"),
            addresses: vec![listens.to_string()],
            possession,
            proof,
            commission_bps: 0,
            vote: Vote {
                prices,
                capacity: 1 << 40,
            },
            stake: Wal::from_units(10 * COIN),
        };
        let register = Operation::RegisterNode(Box::new(registration));
        let receipt = chain
            .account(account)
            .execute(vec![register])
            .await
            .unwrap();
        let node = MemoryNode {
            chain: chain.clone(),
            codec: codec.clone(),
            key: Arc::new(key),
            state: Arc::new(Mutex::new(State {
                id: receipt.node().unwrap_or(NodeId::from_bytes([0; 32])),
                epoch: Epoch::ZERO,
                fault: Fault::None,
                ignored: 0,
                metadata: Default::default(),
                slivers: Default::default(),
                proofs: Default::default(),
                served: 0,
                symbols: 0,
            })),
            received_by_all,
        };
        let committee = |_: &_| ConnectionClass::Committee;
        let plane = DataPlane::start(
            Arc::new(transport),
            node.clone(),
            Arc::new(committee),
            ServerSettings::default(),
        );
        Self {
            account,
            plane,
            node,
        }
    }
}
