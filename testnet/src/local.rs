//! A network on this machine, laid out in one folder: keys, configurations and ports of every node,
//! and a funded client. Starting the processes is the scripts' business.
//!
//! # Layout
//!
//! ```text
//! DIR/network.json                      what there is and where, see [`NetworkFile`]
//! DIR/client.toml  DIR/wallet.key       a client with funds
//! DIR/light.toml                        the trust anchor of light clients: the first committee
//! DIR/deployer.key                      the account that deployed; holds the rest of the WAL
//! DIR/node-I/{node.toml,identity.key,protocol.key,wallet.key}
//! ```

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use floe_chain::{
    amount::{Sui, Wal},
    cost::Prices,
    id::ChainId,
    keys::{BlsSecretKey, IdentitySecretKey},
    rpc::{
        ChainError, ChainRead, ChainWrite, NetworkConfig, Operation, SuiChain, Wallet,
        genesis::GenesisSettings,
        keyfile::{KeyFileError, write_secret_line},
        state::{Params, Vote},
    },
};
use floe_client::light::TrustAnchor;
use floe_codec::ShardCount;
use floe_node::config::{AdminConfig, ChainConfig, KeyPaths, Limits, NodeConfig, Upkeep};
use floe_p2p::{control::record::Bootstrap, identity::Identity};
use serde::{Deserialize, Serialize};

use crate::{
    deploy::{DeployedNode, Deployment, NodePlan, Plan, Target, deploy, drive_to},
    faucet::{self, FaucetError},
    packages::{PackageError, Packages},
    ports::{NodePorts, PortError, ports},
};

/// What the local network is to be.
#[derive(Debug, Clone)]
pub struct LocalSettings {
    /// Where everything goes; the folder exists.
    pub dir: PathBuf,
    /// What `floe devnet` wrote: `devnet.json`.
    pub devnet: PathBuf,
    /// Folder with the compiled contracts.
    pub packages: PathBuf,
    /// Storage nodes.
    pub nodes: u16,
    /// Shards spread over them.
    pub shards: ShardCount,
    /// Node I listens on this port + 1 + 3 I (data), the next (admin) and the one after that
    /// (control); 0 takes free ports.
    pub port_base: u16,
    /// Length of an epoch in milliseconds.
    pub epoch_ms: u64,
    /// Where node I is, if not on this host like all others; its operator's door is local to it.
    pub hosts: Vec<Ipv4Addr>,
}

impl LocalSettings {
    fn host(&self, node: usize) -> Ipv4Addr {
        self.hosts.get(node).copied().unwrap_or(Ipv4Addr::LOCALHOST)
    }
}

/// `network.json`: every part of a local network and its ports.
///
/// # Layout
/// JSON, `version` 1. Fields are added, never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFile {
    /// 1.
    pub version: u8,
    /// The chain's endpoint.
    pub chain_url: String,
    /// Its faucet.
    pub faucet_url: String,
    /// The chain.
    pub chain_id: String,
    /// The deployment's `System` object.
    pub system_object: String,
    /// Shards of the network.
    pub shards: u16,
    /// The nodes, by number.
    pub nodes: Vec<NodeEntry>,
}

/// One node in [`NetworkFile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Its number: its folder is `node-I`.
    pub index: u16,
    /// Its object on the chain.
    pub node_id: String,
    /// UDP port of its data plane.
    pub data_port: u16,
    /// TCP port of its admin door.
    pub admin_port: u16,
    /// UDP and TCP port of its control plane; 0 in files of older networks.
    #[serde(default)]
    pub control_port: u16,
}

/// What `floe devnet` says of itself.
#[derive(Debug, Deserialize)]
struct DevnetFile {
    url: String,
    faucet: String,
    chain_id: ChainId,
    anchor: String,
}

/// Why a local network could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A file cannot be read or written.
    #[error("{path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The chain's description is not one.
    #[error("{path} does not describe a local chain", path = path.display())]
    Devnet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The ports cannot be had.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A key file cannot be written.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The compiled contracts are missing or unusable.
    #[error(transparent)]
    Packages(#[from] PackageError),
    /// The faucet gave nothing.
    #[error(transparent)]
    Faucet(#[from] FaucetError),
    /// The chain refused.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// One WAL or SUI in its smallest unit.
const COIN: u64 = 1_000_000_000;

/// Deploys the contracts, registers the nodes, opens epoch 1 and writes the folder.
///
/// # Errors
///
/// [`LocalError`] names the file, port or step. A folder that was half written must be removed.
pub async fn create(settings: &LocalSettings) -> Result<NetworkFile, LocalError> {
    let devnet = read_devnet(&settings.devnet)?;
    let packages = Packages::read(&settings.packages)?;
    let target = Target {
        urls: vec![devnet.url.clone()],
        chain: devnet.chain_id,
        anchor: Some(devnet.anchor.clone()),
    };
    let ports = ports(settings.port_base, settings.nodes)?;
    let keys: Vec<NodeKeys> = (0..settings.nodes).map(|_| NodeKeys::generate()).collect();
    let plan = plan(settings, &keys, &ports);

    let deployer = rand::random::<[u8; 32]>();
    let deployer_wallet = Wallet::from_seed(deployer);
    write_secret_line(
        &settings.dir.join("deployer.key"),
        &deployer_wallet.to_line(),
    )?;
    faucet::request(&devnet.faucet, deployer_wallet.address()).await?;
    let deployment = deploy(&target, &deployer_wallet, &packages, &plan).await?;
    fund_client(settings, &devnet, &deployment.config, deployer).await?;
    let bootstraps = keys.iter().zip(&ports).enumerate();
    let bootstraps =
        bootstraps.map(|(node, (keys, ports))| bootstrap_of(keys, settings.host(node), *ports));
    let first: Vec<_> = bootstraps.clone().take(1).collect();
    for (index, (keys, node)) in keys.iter().zip(&deployment.nodes).enumerate() {
        // The first node begins with nobody, all others with the first.
        let bootstrap = if index == 0 { &[][..] } else { &first };
        write_node(
            settings,
            index,
            keys,
            node,
            ports[index],
            &deployment,
            bootstrap,
        )?;
    }
    drive_to(&deployment, &plan, floe_chain::epoch::Epoch::FIRST).await?;
    let bootstraps = bootstraps.take(LIGHT_BOOTSTRAPS);
    let anchor = light_anchor(&deployment.config, bootstraps.collect()).await?;
    write(&settings.dir.join("light.toml"), &anchor.to_text())?;

    let file = network_file(settings, &devnet, &deployment, &ports);
    let text = serde_json::to_string_pretty(&file).expect("plain data is always JSON");
    write(&settings.dir.join("network.json"), &text)?;
    Ok(file)
}

/// Nodes that a light client begins with.
const LIGHT_BOOTSTRAPS: usize = 3;
/// How long a light client may stay away; local stake is worth nothing, so this protects nobody.
const LIGHT_TRUST_MS: u64 = 14 * 24 * 3_600_000;

/// The first committee, to be trusted by light clients.
async fn light_anchor(
    config: &NetworkConfig,
    bootstrap: Vec<Bootstrap>,
) -> Result<TrustAnchor, LocalError> {
    let epoch = floe_chain::epoch::Epoch::FIRST;
    let chain = SuiChain::connect(config).await?;
    let committee = chain.committee(epoch).await?;
    let committee = committee.ok_or_else(|| ChainError::NotFound {
        what: "committee of epoch",
        id: epoch.to_string(),
    })?;
    Ok(TrustAnchor {
        network: chain.network(),
        epoch,
        committee: committee.digest(),
        window_ms: LIGHT_TRUST_MS,
        bootstrap,
    })
}

/// The secrets of one node.
struct NodeKeys {
    identity: [u8; 32],
    protocol: [u8; 32],
    wallet: [u8; 32],
}

impl NodeKeys {
    fn generate() -> Self {
        Self {
            identity: rand::random(),
            protocol: rand::random(),
            wallet: rand::random(),
        }
    }
}

/// Where a node's control plane answers.
fn bootstrap_of(keys: &NodeKeys, host: Ipv4Addr, ports: NodePorts) -> Bootstrap {
    let address = format!("/ip4/{host}/udp/{}/quic-v1", ports.control);
    Bootstrap {
        peer: Identity::from_seed(keys.identity).peer_id(),
        address: address.parse().expect("an address with a host"),
    }
}

fn plan(settings: &LocalSettings, keys: &[NodeKeys], ports: &[NodePorts]) -> Plan {
    let vote = Vote {
        prices: Prices {
            storage: Wal::from_units(1_000),
            write: Wal::from_units(2_000),
        },
        capacity: 1 << 40,
    };
    let nodes = keys
        .iter()
        .zip(ports)
        .enumerate()
        .map(|(index, (keys, ports))| NodePlan {
            name: format!("node-{index}"),
            addresses: vec![format!("{}:{}", settings.host(index), ports.data)],
            identity: IdentitySecretKey::from_seed(&keys.identity),
            protocol: BlsSecretKey::from_seed(&keys.protocol),
            wallet: Wallet::from_seed(keys.wallet),
            stake: Wal::from_units(1_000 * COIN),
            vote,
            commission_bps: 500,
        });
    Plan {
        settings: GenesisSettings {
            shards: settings.shards,
            horizon: 52,
            epoch_zero_ms: 2_000,
            params: Params {
                epoch_ms: settings.epoch_ms,
                select_bps: 5_000,
                burn_bps: 300,
                cap_bps: 1_000,
                max_nodes: 300,
                min_stake: Wal::from_units(COIN),
            },
        },
        nodes: nodes.collect(),
        // One request to the faucet is 200 SUI.
        sui_for_node: Sui::from_units(
            (150 * COIN / u64::from(settings.nodes.max(1))).min(10 * COIN),
        ),
        wal_for_node: Wal::from_units(10 * COIN),
    }
}

/// A client's account and configuration.
async fn fund_client(
    settings: &LocalSettings,
    devnet: &DevnetFile,
    config: &NetworkConfig,
    deployer: [u8; 32],
) -> Result<(), LocalError> {
    #[derive(Serialize)]
    struct ClientFile<'a> {
        state_dir: &'a str,
        chain: &'a NetworkConfig,
        wallet: WalletTable,
        light: LightTable,
    }
    #[derive(Serialize)]
    struct WalletTable {
        key: &'static str,
    }
    #[derive(Serialize)]
    struct LightTable {
        anchor: &'static str,
    }

    let wallet = Wallet::from_seed(rand::random());
    write_secret_line(&settings.dir.join("wallet.key"), &wallet.to_line())?;
    faucet::request(&devnet.faucet, wallet.address()).await?;
    let network = SuiChain::connect(config).await?;
    let funds = Operation::SendWal {
        to: wallet.address(),
        amount: Wal::from_units(100_000 * COIN),
    };
    network
        .account(Wallet::from_seed(deployer))
        .execute(vec![funds])
        .await?;
    let file = ClientFile {
        state_dir: "client-state",
        chain: config,
        wallet: WalletTable { key: "wallet.key" },
        light: LightTable {
            anchor: "light.toml",
        },
    };
    let text = toml::to_string(&file).expect("plain data is always TOML");
    write(&settings.dir.join("client.toml"), &text)
}

fn write_node(
    settings: &LocalSettings,
    index: usize,
    keys: &NodeKeys,
    node: &DeployedNode,
    ports: NodePorts,
    deployment: &Deployment,
    bootstrap: &[Bootstrap],
) -> Result<(), LocalError> {
    let dir = settings.dir.join(format!("node-{index}"));
    std::fs::create_dir(&dir).map_err(|source| LocalError::File {
        path: dir.clone(),
        source,
    })?;
    let line = IdentitySecretKey::from_seed(&keys.identity).to_line();
    write_secret_line(&dir.join("identity.key"), &line)?;
    let line = BlsSecretKey::from_seed(&keys.protocol).to_line();
    write_secret_line(&dir.join("protocol.key"), &line)?;
    write_secret_line(
        &dir.join("wallet.key"),
        &Wallet::from_seed(keys.wallet).to_line(),
    )?;
    let here = |port| SocketAddr::from((settings.host(index), port));
    let config = NodeConfig {
        data_dir: "data".into(),
        chain: ChainConfig {
            urls: deployment.config.urls.clone(),
            chain_id: deployment.config.chain_id,
            system_object: deployment.config.system_object,
            node_id: node.id,
            trust_anchor: deployment.config.trust_anchor.clone().unwrap_or_default(),
        },
        keys: KeyPaths::default(),
        network: floe_node::config::NetworkConfig {
            listen: here(ports.data),
            control: here(ports.control),
            public: Vec::new(),
            bootstrap: bootstrap.iter().map(ToString::to_string).collect(),
        },
        admin: AdminConfig {
            listen: (Ipv4Addr::LOCALHOST, ports.admin).into(),
        },
        limits: Limits::default(),
        upkeep: Upkeep::default(),
    };
    let text = toml::to_string(&config).expect("plain data is always TOML");
    write(&dir.join("node.toml"), &text)
}

fn network_file(
    settings: &LocalSettings,
    devnet: &DevnetFile,
    deployment: &Deployment,
    ports: &[NodePorts],
) -> NetworkFile {
    let nodes = (0..).zip(deployment.nodes.iter().zip(ports));
    NetworkFile {
        version: 1,
        chain_url: devnet.url.clone(),
        faucet_url: devnet.faucet.clone(),
        chain_id: devnet.chain_id.to_string(),
        system_object: deployment.config.system_object.to_string(),
        shards: settings.shards.get(),
        nodes: nodes
            .map(|(index, (node, ports))| NodeEntry {
                index,
                node_id: node.id.to_string(),
                data_port: ports.data,
                admin_port: ports.admin,
                control_port: ports.control,
            })
            .collect(),
    }
}

fn read_devnet(path: &Path) -> Result<DevnetFile, LocalError> {
    let text = std::fs::read_to_string(path).map_err(|source| LocalError::File {
        path: path.into(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|source| LocalError::Devnet {
        path: path.into(),
        source,
    })
}

fn write(path: &Path, text: &str) -> Result<(), LocalError> {
    std::fs::write(path, text).map_err(|source| LocalError::File {
        path: path.into(),
        source,
    })
}
