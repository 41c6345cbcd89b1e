//! What a light client trusts to begin with, shipped with each network.

use std::{
    io,
    path::{Path, PathBuf},
};

use floe_chain::{
    committee::CommitteeDigest,
    epoch::Epoch,
    id::{ChainId, NetworkId, SystemId},
};
use floe_p2p::control::{Protocol, record::Bootstrap};
use serde::{Deserialize, Serialize};

use crate::advice::{Advice, ErrorKind};

/// One committee of a network, by its digest, and whom to ask for it.
///
/// # Layout
/// TOML, all keys required but `bootstrap`:
/// ```toml
/// chain_id = "..."            # base58 digest of the chain's first checkpoint
/// system_object = "0x..."     # the network's `System` object
/// epoch = 1                   # the epoch of the committee
/// committee = "..."           # 64 hexadecimal digits: see `Committee::digest`
/// trust_days = 14             # how long after its beginning a committee may name the next one
/// bootstrap = ["/ip4/192.0.2.1/udp/9001/quic-v1/p2p/12D3Koo..."]
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustAnchor {
    /// The deployment.
    pub network: NetworkId,
    /// The epoch of the committee.
    pub epoch: Epoch,
    /// The committee.
    pub committee: CommitteeDigest,
    /// How long after its beginning a committee may certify the next one, in milliseconds: no longer
    /// than its stake stays locked.
    pub window_ms: u64,
    /// Peers to ask first.
    pub bootstrap: Vec<Bootstrap>,
}

/// Why there is no anchor.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The file cannot be read.
    #[error("cannot read the trust anchor {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not an anchor.
    #[error("{path} is not a trust anchor: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        message: String,
    },
}

impl Advice for AnchorError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::FixConfig
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "anchor.read",
            Self::Malformed { .. } => "anchor.malformed",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            "every network ships one; a local network writes DIR/light.toml, and the setting \
             `light.anchor` names it"
                .to_owned(),
        )
    }
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnchorFile {
    chain_id: ChainId,
    system_object: SystemId,
    epoch: Epoch,
    committee: String,
    trust_days: u32,
    #[serde(default)]
    bootstrap: Vec<Bootstrap>,
}

const DAY_MS: u64 = 24 * 3600 * 1_000;

impl TrustAnchor {
    /// Reads an anchor file.
    ///
    /// # Errors
    /// It cannot be read or is malformed.
    pub fn read(path: &Path) -> Result<Self, AnchorError> {
        let text = std::fs::read_to_string(path).map_err(|source| AnchorError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|message| AnchorError::Malformed {
            path: path.to_owned(),
            message,
        })
    }

    /// Reads the text of an anchor file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: AnchorFile = toml::from_str(text).map_err(|error| error.to_string())?;
        let digest = data_encoding::HEXLOWER_PERMISSIVE
            .decode(file.committee.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or("`committee` must be 64 hexadecimal digits")?;
        Ok(Self {
            network: NetworkId {
                chain: file.chain_id,
                system: file.system_object,
            },
            epoch: file.epoch,
            committee: CommitteeDigest::from_bytes(digest),
            window_ms: DAY_MS.saturating_mul(file.trust_days.into()),
            bootstrap: file.bootstrap,
        })
    }

    /// Whether everybody to begin with has a private address: then the network is one of its own, and
    /// such addresses are taken from others.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let private = |bootstrap: &Bootstrap| match bootstrap.address.as_multiaddr().iter().next() {
            Some(Protocol::Ip4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            Some(Protocol::Ip6(ip)) => ip.is_loopback() || ip.is_unique_local(),
            _ => false,
        };
        !self.bootstrap.is_empty() && self.bootstrap.iter().all(private)
    }

    /// The text of an anchor file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let file = AnchorFile {
            chain_id: self.network.chain,
            system_object: self.network.system,
            epoch: self.epoch,
            committee: data_encoding::HEXLOWER.encode(self.committee.as_bytes()),
            trust_days: u32::try_from(self.window_ms / DAY_MS).unwrap_or(u32::MAX),
            bootstrap: self.bootstrap.clone(),
        };
        toml::to_string(&file).expect("plain text and numbers are always TOML")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_garbage_is_refused() {
        let anchor = TrustAnchor {
            network: NetworkId {
                chain: ChainId::from_bytes([1; 32]),
                system: SystemId::from_bytes([2; 32]),
            },
            epoch: Epoch::new(3),
            committee: CommitteeDigest::from_bytes([4; 32]),
            window_ms: 14 * DAY_MS,
            bootstrap: vec![
                "/ip4/127.0.0.1/udp/1/quic-v1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
                    .parse()
                    .unwrap(),
            ],
        };
        let text = anchor.to_text();
        assert_eq!(TrustAnchor::parse(&text), Ok(anchor));
        assert!(TrustAnchor::parse("").is_err());
        assert!(TrustAnchor::parse(&text.replace("epoch", "epoque")).is_err());
        assert!(TrustAnchor::parse(&text.replace("0404", "04")).is_err());
    }
}
