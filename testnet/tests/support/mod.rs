//! Real chains for tests: a devnet in this process and a plan of small nodes.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "test support; each test binary uses its part"
)]

use std::path::PathBuf;
use std::time::Duration;

use floe_chain::amount::{Sui, Wal};
use floe_chain::cost::Prices;
use floe_chain::keys::{BlsSecretKey, IdentitySecretKey};
use floe_chain::rpc::genesis::GenesisSettings;
use floe_chain::rpc::state::{Params, Vote};
use floe_chain::rpc::{SuiAccount, SuiChain, Wallet};
use floe_codec::ShardCount;
use floe_devnet::{Cadence, Devnet, Settings};
use floe_testnet::deploy::{Deployment, NodePlan, Plan, Target, deploy, drive_to};
use floe_testnet::faucet;
use floe_testnet::packages::Packages;

pub const COIN: u64 = 1_000_000_000;
/// The account that deploys in every test.
pub const DEPLOYER: [u8; 32] = [0xde; 32];

/// Where `chain/move/build.sh` leaves compiled packages.
pub fn packages() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/move");
    std::env::var_os("FLOE_PACKAGES").map_or_else(|| default.into(), PathBuf::from)
}

/// A devnet, its folder, and how to deploy on it.
pub struct Chain {
    pub devnet: Devnet,
    pub target: Target,
    _folder: tempfile::TempDir,
}

impl Chain {
    pub async fn start() -> Self {
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

    pub async fn deploy(&self, plan: &Plan) -> Deployment {
        let packages = Packages::read(&packages()).unwrap();
        deploy(&self.target, &Wallet::from_seed(DEPLOYER), &packages, plan)
            .await
            .unwrap()
    }
}

/// `count` nodes with keys from their numbers, epochs of `epoch_ms`.
pub fn plan(count: u8, shards: u16, epoch_ms: u64) -> Plan {
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
pub async fn network(chain: &Chain, plan: &Plan) -> (Deployment, SuiChain) {
    let deployment = chain.deploy(plan).await;
    drive_to(&deployment, plan, floe_chain::epoch::Epoch::FIRST)
        .await
        .unwrap();
    let network = SuiChain::connect(&deployment.config).await.unwrap();
    (deployment, network)
}

/// The deploying account, which holds all WAL that is not with the nodes.
pub fn user(network: &SuiChain) -> SuiAccount {
    network.account(Wallet::from_seed(DEPLOYER))
}
