//! Where a peer can be reached on the data plane. Resolving names is the transport's work.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::identity::PeerId;

/// A host (name or IP address) and a UDP port: `198.51.100.7:4321`, `[2001:db8::7]:4321`,
/// `node-7.example.org:4321`.
///
/// # Layout
/// In messages: a string, as it prints.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DataAddress {
    host: String,
    port: u16,
}

/// Text that is no data address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a data address: {problem}")]
pub struct AddressParseError {
    /// What was given, cut to 80 characters.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl DataAddress {
    /// The longest host name DNS allows.
    const MAX_HOST: usize = 253;

    /// The host without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The UDP port, never zero.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for DataAddress {
    type Err = AddressParseError;

    fn from_str(text: &str) -> Result<Self, AddressParseError> {
        let wrong = |problem| AddressParseError {
            text: text.chars().take(80).collect(),
            problem,
        };
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| wrong("expected host:port"))?;
        let port = match port.parse() {
            Ok(0) | Err(_) => return Err(wrong("the port is not a number from 1 to 65535")),
            Ok(port) => port,
        };
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => inner,
            Some(_) => return Err(wrong("the brackets hold no IPv6 address")),
            None => host,
        };
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_v6 = host.parse::<Ipv6Addr>().is_ok();
        if is_v6 && !text.starts_with('[') {
            return Err(wrong("an IPv6 address is written in brackets"));
        }
        if host.is_empty() || host.len() > Self::MAX_HOST || !(is_v6 || host.chars().all(named)) {
            return Err(wrong("the host is neither an IP address nor a name"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl TryFrom<String> for DataAddress {
    type Error = AddressParseError;

    /// Only the form that prints: an address has one encoding.
    fn try_from(text: String) -> Result<Self, AddressParseError> {
        let address: Self = text.parse()?;
        if address.to_string() == text {
            Ok(address)
        } else {
            Err(AddressParseError {
                text: text.chars().take(80).collect(),
                problem: "not written in its shortest form",
            })
        }
    }
}

impl From<DataAddress> for String {
    fn from(address: DataAddress) -> Self {
        address.to_string()
    }
}

impl From<std::net::SocketAddr> for DataAddress {
    fn from(address: std::net::SocketAddr) -> Self {
        Self {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

impl fmt::Display for DataAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A peer and where to look for it, best address first. Whoever answers there must prove `peer`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddress {
    /// Who must answer.
    pub peer: PeerId,
    /// Where to try, in order.
    pub addresses: Vec<DataAddress>,
}

impl PeerAddress {
    /// A peer with one address.
    pub fn new(peer: PeerId, address: impl Into<DataAddress>) -> Self {
        Self {
            peer,
            addresses: vec![address.into()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_they_parse() {
        for text in ["127.0.0.1:1", "[::1]:4321", "node-7.example.org:65535"] {
            assert_eq!(text.parse::<DataAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_text_is_refused() {
        let long = format!("{}:1", "a".repeat(254));
        for text in [
            "",
            "host",
            ":1",
            "host:0",
            "host:65536",
            "::1:4",
            "[host]:1",
            "a b:1",
            "a/b:1",
            &long,
        ] {
            assert!(text.parse::<DataAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn socket_addresses_convert() {
        let address = DataAddress::from("[2001:db8::7]:9".parse::<std::net::SocketAddr>().unwrap());
        assert_eq!((address.host(), address.port()), ("2001:db8::7", 9));
    }
}
