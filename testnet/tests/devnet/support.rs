//! Real chains for tests: a devnet in this process, a plan of small nodes, what they sign.

use std::path::PathBuf;
use std::time::Duration;

use floe_chain::amount::{Sui, Wal};
use floe_chain::blob::{BlobState, Registration};
use floe_chain::certificate::{Certificate, Collector, Confirmation};
use floe_chain::committee::{Committee, MemberIndex};
use floe_chain::cost::Prices;
use floe_chain::epoch::Epoch;
use floe_chain::id::NetworkId;
use floe_chain::keys::{BlsSecretKey, IdentitySecretKey};
use floe_chain::rpc::abort::Refusal;
use floe_chain::rpc::genesis::GenesisSettings;
use floe_chain::rpc::state::{Params, Vote};
use floe_chain::rpc::{
    ChainError, ChainRead, ChainWrite, ObjectKind, Operation, Receipt, Room, SuiAccount, SuiChain,
    Wallet,
};
use floe_chain::statement::Assertion;
use floe_codec::{BlobId, BlobLayout, BlobRoot, ShardCount};
use floe_devnet::{Cadence, Devnet, Settings};
use floe_testnet::deploy::{Deployment, NodePlan, Plan, Target, deploy, drive_to};
use floe_testnet::faucet;
use floe_testnet::packages::Packages;

pub(crate) const COIN: u64 = 1_000_000_000;
pub(crate) const MIB: u64 = 1 << 20;
/// Length of an epoch in tests that let time pass themselves.
pub(crate) const HOUR: u64 = 3_600_000;
/// The account that deploys in every test.
pub(crate) const DEPLOYER: [u8; 32] = [0xde; 32];

/// Where `chain/move/build.sh` leaves compiled packages.
pub(crate) fn packages() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/move");
    std::env::var_os("FLOE_PACKAGES").map_or_else(|| default.into(), PathBuf::from)
}

/// A devnet, its folder, and how to deploy on it.
pub(crate) struct Chain {
    pub(crate) devnet: Devnet,
    pub(crate) target: Target,
    _folder: tempfile::TempDir,
}

impl Chain {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let devnet = Devnet::start(Settings {
            directory: folder.path().to_owned(),
            packages: packages(),
            listen: "127.0.0.1:0".parse().unwrap(),
            cadence: Cadence {
                busy: Duration::from_millis(5),
                idle: Duration::from_millis(100),
                epoch: Duration::from_secs(86_400),
            },
            seed: None,
            admin: true,
        })
        .await
        .unwrap();
        let info = devnet.info();
        let target = Target {
            urls: vec![info.url.clone()],
            chain: info.chain_id.parse().unwrap(),
            anchor: Some(info.anchor.clone()),
        };
        let deployer = Wallet::from_seed(DEPLOYER).address();
        faucet::request(&info.faucet, deployer).await.unwrap();
        Self {
            devnet,
            target,
            _folder: folder,
        }
    }

    /// Lets time pass on the chain.
    pub(crate) async fn pass(&self, milliseconds: u64) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let host = self.devnet.info().url.trim_start_matches("http://");
        let body = format!(r#"{{"milliseconds":{milliseconds}}}"#);
        let length = body.len();
        let request = format!(
            "POST /admin/advance-time HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             x-floe-admin: 1\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }

    pub(crate) async fn deploy(&self, plan: &Plan) -> Deployment {
        let packages = Packages::read(&packages()).unwrap();
        deploy(&self.target, &Wallet::from_seed(DEPLOYER), &packages, plan)
            .await
            .unwrap()
    }
}

/// `count` nodes with keys from their numbers, epochs of `epoch_ms`.
pub(crate) fn plan(count: u8, shards: u16, epoch_ms: u64) -> Plan {
    let prices = Prices {
        storage: Wal::from_units(1_000),
        write: Wal::from_units(2_000),
    };
    let nodes = (1..=count).map(|n| NodePlan {
        name: format!("node {n}"),
        addresses: vec![format!("127.0.0.1:{}", 7_000 + u16::from(n))],
        identity: IdentitySecretKey::from_seed(&[n; 32]),
        protocol: BlsSecretKey::from_seed(&[n; 32]),
        wallet: Wallet::from_seed([n; 32]),
        stake: Wal::from_units(100 * COIN),
        vote: Vote {
            prices,
            capacity: 1 << 40,
        },
        commission_bps: 500,
    });
    Plan {
        settings: GenesisSettings {
            shards: ShardCount::new(shards).unwrap(),
            horizon: 52,
            epoch_zero_ms: 500,
            params: Params {
                epoch_ms,
                select_bps: 5_000,
                burn_bps: 300,
                cap_bps: 1_000,
                max_nodes: 300,
                min_stake: Wal::from_units(COIN),
            },
        },
        nodes: nodes.collect(),
        sui_for_node: Sui::from_units(5 * COIN),
        wal_for_node: Wal::from_units(10 * COIN),
    }
}

/// A network of `count` nodes in epoch 1.
pub(crate) async fn network(chain: &Chain, plan: &Plan) -> (Deployment, SuiChain) {
    let deployment = chain.deploy(plan).await;
    drive_to(&deployment, plan, Epoch::FIRST).await.unwrap();
    let network = SuiChain::connect(&deployment.config).await.unwrap();
    (deployment, network)
}

/// The deploying account, which holds all WAL that is not with the nodes.
pub(crate) fn user(network: &SuiChain) -> SuiAccount {
    network.account(Wallet::from_seed(DEPLOYER))
}

/// Signs `body` with the keys of the members at `signers`, in `committee` and `network`.
pub(crate) fn certificate<B: Assertion>(
    network: NetworkId,
    committee: &Committee,
    plan: &Plan,
    body: B,
    signers: impl IntoIterator<Item = u16>,
) -> Certificate<B> {
    let mut collector = Collector::new(network, committee, body);
    for index in signers {
        let member = committee.member(MemberIndex::new(index)).unwrap();
        let key = plan
            .nodes
            .iter()
            .find(|n| n.protocol.public() == *member.bls_key())
            .unwrap();
        let statement = collector.statement().clone();
        collector
            .add(&Confirmation::sign(member.node(), statement, &key.protocol))
            .unwrap();
    }
    collector.certificate().expect("enough signers")
}

/// Registers a blob with this root in room of one MiB.
pub(crate) async fn register(
    chain: &SuiChain,
    account: &SuiAccount,
    root: u8,
    size: u64,
    deletable: bool,
    epochs: u32,
) -> Registration {
    let system = chain.system().await.unwrap();
    let layout = BlobLayout::for_shards(system.shards, size).unwrap();
    let period = system.epoch..system.epoch.after(epochs).unwrap();
    let register = Operation::Register {
        room: Room::Reserve { bytes: MIB, period },
        root: BlobRoot::from_bytes([root; 32]),
        size,
        encoding: layout.encoding(),
        deletable,
    };
    let receipt = account.execute(vec![register]).await.unwrap();
    let event = *receipt.registered().next().unwrap();
    assert_eq!(
        event.blob,
        BlobId::derive(&layout, &BlobRoot::from_bytes([root; 32]))
    );
    assert_eq!(
        receipt.created(ObjectKind::Blob).collect::<Vec<_>>(),
        [event.object]
    );
    let registration = chain.blob(event.object).await.unwrap().unwrap();
    assert_eq!(registration.blob, event.blob);
    assert_eq!(registration.state(system.epoch), BlobState::Registered);
    registration
}

/// Why the contract said no.
pub(crate) fn refused(outcome: Result<Receipt, ChainError>) -> Refusal {
    match outcome {
        Err(ChainError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
