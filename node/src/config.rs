//! What a node is told: one TOML file, whose example is generated from the comments in this file.
//! Owns parsing, defaults and checking; opens nothing but the file itself.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use floe_chain::id::{ChainId, NodeId, SystemId};
use floe_p2p::{
    address::{AddressParseError, DataAddress},
    control::record::{Bootstrap, ControlAddress, ControlAddressError},
};
use serde::{Deserialize, Serialize};
use toml_example::TomlExample;

/// A node's configuration. Relative paths are relative to the folder of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TomlExample)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Where slivers, index and cursor live. Stamped with the node's id and the network's: it cannot
    /// be used by another node or for another network.
    #[toml_example(default = "data")]
    pub data_dir: PathBuf,

    /// The chain this node follows.
    #[toml_example(nesting)]
    pub chain: ChainConfig,

    /// The node's secrets.
    #[toml_example(nesting)]
    #[serde(default)]
    pub keys: KeyPaths,

    /// Where other peers reach this node.
    #[toml_example(nesting)]
    pub network: NetworkConfig,

    /// The operator's door: health, status and metrics over HTTP.
    #[toml_example(nesting)]
    #[serde(default)]
    pub admin: AdminConfig,

    /// What the node lets itself be used for.
    #[toml_example(nesting)]
    #[serde(default)]
    pub limits: Limits,

    /// What the node does to its disk besides serving.
    #[toml_example(nesting)]
    #[serde(default)]
    pub upkeep: Upkeep,
}

/// Only what cannot be read from the chain itself: packages, staking and shard count are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TomlExample)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// gRPC endpoints of full nodes, tried in turn. None of them is trusted.
    #[toml_example(default = ["http://127.0.0.1:9000"])]
    pub urls: Vec<String>,

    /// The chain's identifier (digest of its genesis checkpoint, base58). An endpoint of another
    /// chain is refused.
    #[toml_example(default = "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S")]
    pub chain_id: ChainId,

    /// The Floe `System` object.
    #[toml_example(default = "0x0000000000000000000000000000000000000000000000000000000000000000")]
    pub system_object: SystemId,

    /// The node's pool object: its identity on chain, printed when it is registered.
    #[toml_example(default = "0x0000000000000000000000000000000000000000000000000000000000000000")]
    pub node_id: NodeId,

    /// The validator committee to trust, in hexadecimal, as `floe devnet` writes it (`anchor` in
    /// `devnet.json`). Without it the endpoints are believed.
    #[toml_example(default = "")]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trust_anchor: String,
}

impl ChainConfig {
    /// What the chain client needs of it.
    #[must_use]
    pub fn network(&self) -> floe_chain::rpc::NetworkConfig {
        floe_chain::rpc::NetworkConfig {
            urls: self.urls.clone(),
            chain_id: self.chain_id,
            system_object: self.system_object,
            trust_anchor: Some(self.trust_anchor.clone()).filter(|anchor| !anchor.is_empty()),
        }
    }
}

/// One line in each file, readable by the owner only (mode 0600), or the node refuses to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TomlExample)]
#[serde(deny_unknown_fields, default)]
pub struct KeyPaths {
    /// Ed25519: who the node is on the network.
    #[toml_example(default = "identity.key")]
    pub identity: PathBuf,

    /// BLS12-381: what the node signs statements with.
    #[toml_example(default = "protocol.key")]
    pub protocol: PathBuf,

    /// The Sui account that pays for the node's transactions.
    #[toml_example(default = "wallet.key")]
    pub wallet: PathBuf,
}

impl Default for KeyPaths {
    fn default() -> Self {
        Self {
            identity: "identity.key".into(),
            protocol: "protocol.key".into(),
            wallet: "wallet.key".into(),
        }
    }
}

/// The chain holds an address as a first hint for others. The node tells its peers where it really
/// is, so that moving needs no transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TomlExample)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// UDP address of the data plane (QUIC).
    #[toml_example(default = "0.0.0.0:9600")]
    pub listen: SocketAddr,

    /// UDP and TCP address of the control plane (libp2p): discovery and gossip.
    #[serde(default = "NetworkConfig::control")]
    #[toml_example(default = "0.0.0.0:9602")]
    pub control: SocketAddr,

    /// IP addresses or names under which others reach this node, at the ports above. Without any,
    /// the addresses listened on are told, unless they stand for every interface (0.0.0.0).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[toml_example(default = [])]
    pub public: Vec<String>,

    /// Peers to begin with, each `/ip4/198.51.100.7/udp/9602/quic-v1/p2p/12D3Koo...`. Without any, the
    /// addresses on the chain are tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[toml_example(default = [])]
    pub bootstrap: Vec<String>,
}

impl NetworkConfig {
    fn control() -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0], 9602))
    }

    /// Where others reach the data plane.
    ///
    /// # Errors
    ///
    /// A public host that is neither an IP address nor a name.
    pub fn data_addresses(&self) -> Result<Vec<DataAddress>, AddressParseError> {
        let hosts = self.hosts(self.listen).into_iter();
        hosts
            .map(|host| match host.parse() {
                Ok(ip) => Ok(SocketAddr::new(ip, self.listen.port()).into()),
                Err(_) => format!("{host}:{}", self.listen.port()).parse(),
            })
            .collect()
    }

    /// Where others reach the control plane, by QUIC and by TCP.
    ///
    /// # Errors
    ///
    /// A public host that is neither an IP address nor a name.
    pub fn control_addresses(&self) -> Result<Vec<ControlAddress>, ControlAddressError> {
        let hosts = self.hosts(self.control).into_iter();
        let each = hosts.map(|host| {
            let protocol = match host.parse() {
                Ok(IpAddr::V4(_)) => "ip4",
                Ok(IpAddr::V6(_)) => "ip6",
                Err(_) => "dns",
            };
            multiaddrs(&format!("/{protocol}/{host}"), self.control.port())
        });
        Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The peers to begin with.
    ///
    /// # Errors
    ///
    /// One of them does not begin with a host and end with a peer id.
    pub fn bootstraps(&self) -> Result<Vec<Bootstrap>, ControlAddressError> {
        self.bootstrap.iter().map(|text| text.parse()).collect()
    }

    /// What the control plane listens on, by QUIC and by TCP.
    pub fn control_listen(&self) -> Vec<ControlAddress> {
        let ip = self.control.ip();
        let protocol = if ip.is_ipv4() { "ip4" } else { "ip6" };
        multiaddrs(&format!("/{protocol}/{ip}"), self.control.port())
            .expect("an IP address and a port make a multiaddr")
    }

    /// Whether the node is told of under private addresses only: then it is in a network of its own,
    /// and takes such addresses from others.
    pub fn is_local(&self) -> bool {
        let private = |host: &String| match host.parse() {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
            Err(_) => false,
        };
        let hosts = self.hosts(self.control);
        !hosts.is_empty() && hosts.iter().all(private)
    }

    fn hosts(&self, listen: SocketAddr) -> Vec<String> {
        if self.public.is_empty() && !listen.ip().is_unspecified() {
            return vec![listen.ip().to_string()];
        }
        self.public.clone()
    }
}

fn multiaddrs(host: &str, port: u16) -> Result<Vec<ControlAddress>, ControlAddressError> {
    let texts = [
        format!("{host}/udp/{port}/quic-v1"),
        format!("{host}/tcp/{port}"),
    ];
    texts.iter().map(|text| text.parse()).collect()
}

/// Whoever reaches it sees what the node does, but can change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TomlExample)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// TCP address of `/live`, `/ready`, `/status`, `/peers` and `/metrics`. Keep it on loopback.
    #[toml_example(default = "127.0.0.1:9601")]
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9601)),
        }
    }
}

/// The largest request has 64 MiB, and half of the memory is for requests.
const LEAST_REQUEST_MEMORY_MIB: u32 = 128;

/// Who asks for more is told to come back later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TomlExample)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory for bodies of requests and replies in flight, in MiB, at least 128.
    #[toml_example(default = 128)]
    pub request_memory_mib: u32,

    /// How long a stopping node waits for requests in flight, in seconds.
    #[toml_example(default = 10)]
    pub drain_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_memory_mib: 128,
            drain_seconds: 10,
        }
    }
}

/// Reading everything again finds what a disk has lost before somebody needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TomlExample)]
#[serde(deny_unknown_fields, default)]
pub struct Upkeep {
    /// How long one reading of everything takes, in hours; 0 is as fast as the disk can.
    #[toml_example(default = 336)]
    pub scrub_hours: u32,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self { scrub_hours: 336 }
    }
}

impl Limits {
    /// How long a stopping node waits for requests in flight.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    /// Memory for bodies in flight, in bytes.
    pub fn request_memory_bytes(&self) -> u64 {
        u64::from(self.request_memory_mib) << 20
    }
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a node configuration.
    #[error("{path} is not a node configuration: {source}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected there.
        source: Box<toml::de::Error>,
    },
    /// A value is out of range.
    #[error("{path}: {key} must be {expected}", path = path.display())]
    OutOfRange {
        /// The file.
        path: PathBuf,
        /// The key, as in the file.
        key: &'static str,
        /// What would be right.
        expected: &'static str,
    },
}

impl NodeConfig {
    /// Reads and checks a file, and makes its paths relative to the file's folder.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the file and the key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.into(),
            source,
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.into(),
            source: Box::new(source),
        })?;
        let out_of_range = |key, expected| ConfigError::OutOfRange {
            path: path.into(),
            key,
            expected,
        };
        if config.chain.urls.is_empty() {
            return Err(out_of_range(
                "chain.urls",
                "a list of at least one endpoint",
            ));
        }
        let network = &config.network;
        if network.data_addresses().is_err() || network.control_addresses().is_err() {
            let expected = "IP addresses or host names, without ports";
            return Err(out_of_range("network.public", expected));
        }
        if network.bootstraps().is_err() {
            let expected = "a list of /ip4/../udp/../quic-v1/p2p/12D3Koo..";
            return Err(out_of_range("network.bootstrap", expected));
        }
        if config.limits.request_memory_mib < LEAST_REQUEST_MEMORY_MIB {
            return Err(out_of_range("limits.request_memory_mib", "at least 128"));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in [
            &mut config.data_dir,
            &mut config.keys.identity,
            &mut config.keys.protocol,
            &mut config.keys.wallet,
        ] {
            *file = folder.join(&file);
        }
        Ok(config)
    }

    /// The file with every key, its default and what it means. A section's comment is that of its
    /// field and that of its type, in this order.
    pub fn example() -> String {
        let generated = Self::toml_example();
        let (title, sections) = generated.split_once('\n').unwrap_or_default();
        format!("{title}\n\n{}\n", sections.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<NodeConfig, ConfigError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.toml");
        std::fs::write(&path, text).expect("written");
        NodeConfig::load(&path)
    }

    #[test]
    fn the_example_is_a_valid_configuration_with_the_defaults() {
        let config = load(&NodeConfig::example()).expect("the example parses");
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.upkeep, Upkeep::default());
        assert_eq!(config.admin, AdminConfig::default());
        assert!(config.keys.identity.ends_with("identity.key"));
        assert!(
            config.data_dir.is_absolute(),
            "paths are relative to the file"
        );
    }

    #[test]
    fn the_committed_example_is_the_generated_one() {
        assert_eq!(include_str!("../node.example.toml"), NodeConfig::example());
    }

    #[test]
    fn unknown_keys_and_impossible_values_are_refused_by_name() {
        let typo = NodeConfig::example().replace("drain_seconds", "drain_secs");
        assert!(
            load(&typo)
                .expect_err("typo")
                .to_string()
                .contains("drain_secs")
        );
        let empty = NodeConfig::example().replace(r#"["http://127.0.0.1:9000"]"#, "[]");
        assert!(
            load(&empty)
                .expect_err("no urls")
                .to_string()
                .contains("chain.urls")
        );
        for (key, value) in [
            ("public", "[\"a host\"]"),
            ("bootstrap", "[\"/ip4/1.2.3.4\"]"),
        ] {
            let text =
                NodeConfig::example().replace(&format!("{key} = []"), &format!("{key} = {value}"));
            let error = load(&text).expect_err(key).to_string();
            assert!(error.contains(key), "{error}");
        }
        let zero =
            NodeConfig::example().replace("request_memory_mib = 128", "request_memory_mib = 127");
        assert!(
            load(&zero)
                .expect_err("zero")
                .to_string()
                .contains("request_memory_mib")
        );
    }
}
