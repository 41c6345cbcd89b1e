//! `floe node peers`: who is connected to a running node, and whom its limits refused, evicted or banned.

use std::{fmt, io, net::SocketAddr, path::PathBuf, time::Duration};

use floe_client::{
    advice::{Advice, ErrorKind},
    plan::ByteSize,
};
use floe_node::{
    config::{ConfigError, NodeConfig},
    guests::{self, Guest, Guests, Turned},
};
use floe_p2p::control::plane::wall_clock;
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The node's configuration, which says where its admin interface is
    #[arg(long, default_value = "node.toml")]
    config: PathBuf,
    /// The admin interface itself
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
enum Unseen {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the node's admin interface at {at} does not answer: {source}")]
    Unreachable { at: SocketAddr, source: io::Error },
    #[error("what answers at {at} is not a node's admin interface: {reason}")]
    NoNode { at: SocketAddr, reason: String },
}

impl Advice for Unseen {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. } => ErrorKind::Retry,
            Self::Config(_) | Self::NoNode { .. } => ErrorKind::FixConfig,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "node.config",
            Self::Unreachable { .. } => "node.unreachable",
            Self::NoNode { .. } => "node.admin",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Config(_) => "--config names the node's configuration, --admin its interface",
            Self::Unreachable { .. } => "is the node running? `floe node run` starts it",
            Self::NoNode { .. } => "`admin.listen` of the node's configuration says where it is",
        };
        Some(hint.to_owned())
    }
}

/// A connection.
#[derive(Serialize)]
#[serde(transparent)]
struct Connected(Guest);

impl Record for Connected {
    const TYPE: &'static str = "node_peer";
}

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Guest {
            peer,
            class,
            from,
            dialed,
            connected_ms,
            requests,
            left,
            standing,
            banned_ms,
        } = &self.0;
        let way = if *dialed { "to" } else { "from" };
        write!(f, "{peer}  {class}")?;
        if let Some(from) = from {
            write!(f, " {way} {from}")?;
        }
        write!(f, ", {}, {requests} open", Ago(*connected_ms))?;
        write!(
            f,
            "\n  left: {} requests, {} symbols, {} in, {} out",
            left.requests,
            left.symbols,
            ByteSize(left.bytes_in),
            ByteSize(left.bytes_out)
        )?;
        if *standing < -0.5 {
            write!(f, "\n  standing {standing:.0}, banned below -50")?;
        }
        if let Some(banned) = banned_ms {
            write!(f, "\n  banned for {}", Ago(*banned))?;
        }
        Ok(())
    }
}

/// Somebody whom a limit turned away.
#[derive(Serialize)]
#[serde(transparent)]
struct TurnedAway(Turned);

impl Record for TurnedAway {
    const TYPE: &'static str = "node_refusal";
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Turned {
            plane,
            who,
            action,
            limit,
            times,
            last_ms,
        } = &self.0;
        let ago = Ago(wall_clock().as_ms().saturating_sub(*last_ms));
        write!(
            f,
            "{who}  {action} by the {plane} plane {times} times, last {ago} ago: "
        )?;
        match words(limit) {
            Some(words) => f.write_str(words),
            None => f.write_str(limit),
        }
    }
}

/// What a limit is, for people.
fn words(limit: &str) -> Option<&'static str> {
    Some(match limit {
        "handshakes" => "no place for another handshake, or somebody else needed its place",
        "handshakes_per_host" => "too many handshakes a second from one host",
        "handshakes_per_subnet" => "too many handshakes a second from one subnet",
        "failed_handshakes" => "too many handshakes that came to nothing",
        "connections" => "no place for another connection, or a member needed its place",
        "connections_per_host" => "too many connections from one host",
        "connections_per_subnet" => "too many connections from one subnet",
        "bad_requests" => {
            "requests that break the protocol, or bytes that are not the committed ones"
        }
        "dripping" => "streams kept open and hardly used",
        "hasty" => "asked again and again before the time it was told to wait for",
        "banned" => "came back while it was banned",
        "requests" => "more requests than its quota",
        "symbols" => "more symbols than its quota",
        "bytes_in" => "brought more bytes than its quota",
        "bytes_out" => "was sent more bytes than its quota",
        "open_requests" => "this node has too many requests open",
        "turns" => "this node had no time for it before its deadline",
        "memory_in" => "no memory was left for what it brings",
        "memory_out" => "no memory was left for its answer",
        _ => return None,
    })
}

/// A time in its two largest units.
struct Ago(u64);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Duration::from_millis(self.0).as_secs() {
            seconds @ 0..60 => write!(f, "{seconds} s"),
            seconds @ 60..3600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            seconds => write!(f, "{} h {} min", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

impl Args {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let at = match self.admin {
            Some(at) => at,
            None => {
                let config = NodeConfig::load(&self.config).map_err(Unseen::from)?;
                config.admin.listen
            }
        };
        let answer = guests::ask(at)
            .await
            .map_err(|source| match source.kind() {
                io::ErrorKind::InvalidData => no_node(at, &source),
                _ => Unseen::Unreachable { at, source },
            })?;
        let guests: Guests =
            serde_json::from_slice(&answer).map_err(|error| no_node(at, &error))?;
        let Guests {
            connected, lately, ..
        } = guests;
        if connected.is_empty() {
            context.output.say("nobody is connected");
        }
        for guest in connected {
            context.output.print(&Connected(guest))?;
        }
        if lately.is_empty() {
            context.output.say("nobody was refused, evicted or banned");
        }
        for turned in lately {
            context.output.print(&TurnedAway(turned))?;
        }
        Ok(Exit::Ok)
    }
}

fn no_node(at: SocketAddr, error: &dyn fmt::Display) -> Unseen {
    let reason = error.to_string();
    Unseen::NoNode { at, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use floe_p2p::guard::Limit;

    #[test]
    fn every_limit_has_words() {
        for limit in Limit::ALL {
            assert!(words(limit.word()).is_some(), "{limit:?}");
        }
        let turned = Turned {
            plane: "control".to_owned(),
            who: "192.0.2.1".to_owned(),
            action: "refused".to_owned(),
            limit: "handshakes_per_host".to_owned(),
            times: 3,
            last_ms: 0,
        };
        let text = TurnedAway(turned).to_string();
        assert!(
            text.ends_with("too many handshakes a second from one host"),
            "{text}"
        );
        assert_eq!(Ago(3_725_000).to_string(), "1 h 2 min");
    }
}
