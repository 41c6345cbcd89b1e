//! Node records: where a node says it can be reached. The latest one counts; the chain's addresses
//! are only a first hint.

use std::{fmt, str::FromStr};

use floe_chain::{
    epoch::ChainTime,
    id::{NetworkId, NodeId},
    keys::{IdentityContext, IdentityPublicKey},
};
use libp2p::{Multiaddr, multiaddr::Protocol};
use serde::{Deserialize, Serialize};

use super::signed::{Signable, Signed, Verified};
use crate::{address::DataAddress, identity::PeerId, wire::Bounded};

/// Where a node can be reached, on both planes.
///
/// # Layout
/// ```text
/// record  = network (chain 32 | system 32) | node 32 | identity 32 | written u64
///         | data vector<string>      ; at most 8: UDP host:port of the data plane
///         | control vector<bytes>    ; at most 8: binary multiaddrs without peer id
/// ```
/// BCS, at most 2,048 bytes, signed in the context `node-record`. `written` is in milliseconds since
/// the Unix epoch and is the record's sequence number: a node never writes two with the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The deployment.
    pub network: NetworkId,
    /// The node's object on the chain.
    pub node: NodeId,
    /// The key its connections prove.
    pub identity: IdentityPublicKey,
    /// When it was written; the latest record counts.
    pub written: ChainTime,
    /// Where the data plane listens, best first.
    pub data: Bounded<DataAddress, 8>,
    /// Where the control plane listens, best first.
    pub control: Bounded<ControlAddress, 8>,
}

/// A record as it travels.
pub type SignedRecord = Signed<NodeRecord>;
/// A record whose signature was checked.
pub type VerifiedRecord = Verified<NodeRecord>;

impl NodeRecord {
    /// A node writes its record again this often, in milliseconds, also when nothing changed.
    pub const REFRESH_MS: u64 = 6 * 3600 * 1_000;
}

impl Signable for NodeRecord {
    const CONTEXT: IdentityContext = IdentityContext::new("node-record");
    const MAX_SIZE: usize = 2_048;
    const MAX_AGE_MS: u64 = 7 * 24 * 3600 * 1_000;

    fn network(&self) -> NetworkId {
        self.network
    }

    fn signer(&self) -> &IdentityPublicKey {
        &self.identity
    }

    fn written(&self) -> ChainTime {
        self.written
    }
}

/// Where a peer listens on the control plane: a multiaddr without the peer's id.
///
/// # Layout
/// BCS byte string: the binary multiaddr, at most 128 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bytes", into = "Bytes")]
pub struct ControlAddress(Multiaddr);

#[derive(Serialize, Deserialize)]
struct Bytes(Vec<u8>);

/// Bytes or text that are no address of the control plane.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address of the control plane: {problem}")]
pub struct ControlAddressError {
    /// What is wrong with it.
    pub problem: &'static str,
}

impl ControlAddress {
    /// The longest encoding.
    const MAX: usize = 128;

    /// Takes an address that begins with a host and names no peer.
    ///
    /// # Errors
    /// It is empty, too long, names a peer or a relay, or does not begin with a host.
    pub fn new(address: Multiaddr) -> Result<Self, ControlAddressError> {
        let wrong = |problem| Err(ControlAddressError { problem });
        if address.as_ref().len() > Self::MAX {
            return wrong("longer than 128 bytes");
        }
        if address
            .iter()
            .any(|p| matches!(p, Protocol::P2p(_) | Protocol::P2pCircuit))
        {
            return wrong("it names a peer");
        }
        match address.iter().next() {
            Some(
                Protocol::Ip4(_)
                | Protocol::Ip6(_)
                | Protocol::Dns(_)
                | Protocol::Dns4(_)
                | Protocol::Dns6(_),
            ) => Ok(Self(address)),
            _ => wrong("it does not begin with an IP address or a name"),
        }
    }

    /// As libp2p takes it.
    #[must_use]
    pub const fn as_multiaddr(&self) -> &Multiaddr {
        &self.0
    }
}

impl FromStr for ControlAddress {
    type Err = ControlAddressError;

    fn from_str(text: &str) -> Result<Self, ControlAddressError> {
        let malformed = ControlAddressError {
            problem: "malformed",
        };
        Self::new(text.parse().map_err(|_| malformed)?)
    }
}

impl TryFrom<Bytes> for ControlAddress {
    type Error = ControlAddressError;

    fn try_from(Bytes(bytes): Bytes) -> Result<Self, ControlAddressError> {
        let malformed = ControlAddressError {
            problem: "malformed",
        };
        if bytes.len() > Self::MAX {
            return Err(ControlAddressError {
                problem: "longer than 128 bytes",
            });
        }
        let address = Multiaddr::try_from(bytes.clone()).map_err(|_| malformed.clone())?;
        // Lengths inside have more than one encoding; only the one this software writes passes.
        let again = address.iter().collect::<Multiaddr>();
        if again.as_ref() != bytes {
            return Err(malformed);
        }
        Self::new(address)
    }
}

impl From<ControlAddress> for Bytes {
    fn from(address: ControlAddress) -> Self {
        Self(address.0.to_vec())
    }
}

impl fmt::Display for ControlAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A peer to begin with: where it listens and who must answer there, written
/// `/ip4/198.51.100.7/udp/9602/quic-v1/p2p/12D3Koo...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bootstrap {
    /// Who must answer.
    pub peer: PeerId,
    /// Where.
    pub address: ControlAddress,
}

impl FromStr for Bootstrap {
    type Err = ControlAddressError;

    fn from_str(text: &str) -> Result<Self, ControlAddressError> {
        let wrong = |problem| ControlAddressError { problem };
        let mut address: Multiaddr = text.parse().map_err(|_| wrong("malformed"))?;
        let Some(Protocol::P2p(peer)) = address.pop() else {
            return Err(wrong("it does not end with /p2p/ and a peer id"));
        };
        Ok(Self {
            peer,
            address: ControlAddress::new(address)?,
        })
    }
}

impl fmt::Display for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/p2p/{}", self.address, self.peer)
    }
}

impl TryFrom<String> for Bootstrap {
    type Error = ControlAddressError;

    fn try_from(text: String) -> Result<Self, ControlAddressError> {
        text.parse()
    }
}

impl From<Bootstrap> for String {
    fn from(bootstrap: Bootstrap) -> Self {
        bootstrap.to_string()
    }
}

impl Serialize for Bootstrap {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bootstrap {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::signed::{CLOCK_SKEW_MS, SignedError};
    use super::super::testing::{NETWORK, NOW, identity, record};
    use super::*;

    #[test]
    fn a_signed_record_verifies_only_as_it_was_written() {
        let record = record(3, NOW, 4000);
        let good = record.signed().clone();
        assert_eq!(good.clone().verify(NETWORK, NOW), Ok(record.clone()));
        assert_eq!(record.peer(), identity(3).peer_id());

        let bytes = bcs::to_bytes(&good).unwrap();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            let refused = bcs::from_bytes::<SignedRecord>(&forged)
                .map_err(|_| SignedError::Malformed)
                .and_then(|signed| signed.verify(NETWORK, NOW));
            assert!(refused.is_err(), "a bit of byte {at} changed");
        }
    }

    #[test]
    fn other_networks_and_times_are_refused() {
        let good = record(3, NOW, 4000).signed().clone();
        let mut other = NETWORK;
        other.system = floe_chain::id::SystemId::from_bytes([9; 32]);
        let error = good.clone().verify(other, NOW);
        assert!(matches!(error, Err(SignedError::Network { .. })));
        let late = NOW.plus_ms(NodeRecord::MAX_AGE_MS + 1);
        let error = good.clone().verify(NETWORK, late);
        assert!(matches!(error, Err(SignedError::Old { .. })));
        let early = ChainTime::from_ms(NOW.as_ms() - CLOCK_SKEW_MS - 1);
        let error = good.verify(NETWORK, early);
        assert!(matches!(error, Err(SignedError::Future { .. })));
    }

    #[test]
    fn bootstraps_print_as_they_parse_and_the_rest_is_refused() {
        let peer = identity(1).peer_id();
        let text = format!("/ip4/127.0.0.1/udp/9602/quic-v1/p2p/{peer}");
        assert_eq!(text.parse::<Bootstrap>().unwrap().to_string(), text);
        for wrong in [
            String::new(),
            "/ip4/127.0.0.1/udp/9602/quic-v1".into(),
            format!("/p2p/{peer}"),
            format!("/udp/9602/quic-v1/p2p/{peer}"),
            format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}/p2p-circuit/p2p/{peer}"),
            format!("/dns/{}/tcp/1/p2p/{peer}", "a".repeat(200)),
        ] {
            assert!(wrong.parse::<Bootstrap>().is_err(), "{wrong}");
        }
    }
}
