//! How to reach a network: the `[chain]` table of every configuration file.

use serde::{Deserialize, Serialize};

use crate::id::{ChainId, NetworkId, SystemId};

/// The chain and the deployment on it. Everything else is read from the system object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Endpoints that speak Sui's gRPC, in order of preference. Others are used when one fails.
    pub urls: Vec<String>,
    /// Digest of the chain's genesis checkpoint, in base58.
    pub chain_id: ChainId,
    /// The `System` object of the deployment.
    pub system_object: SystemId,
    /// Validator committee to trust, in hexadecimal. With it, nothing an endpoint says about
    /// committees, events or own transactions is believed without proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_anchor: Option<String>,
}

impl NetworkConfig {
    /// The network's name in everything signed.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        NetworkId {
            chain: self.chain_id,
            system: self.system_object,
        }
    }
}
