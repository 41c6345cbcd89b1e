//! Who is connected to the data plane and what its limits did, as operators see it; and the task that
//! tells the limits of both planes who the committee is. Decides about nobody.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use floe_p2p::{
    address::DataAddress,
    control::book::AddressBook,
    guard::{GuestReport, Incident, Report},
    identity::peer_id_of,
    plane::Limits,
    transport::Side,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    node::Node,
    view::{ChainView, Membership},
};

/// Between two looks at where the members are: they move without a word of the chain.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(5);
/// How long an operator waits for the node's answer, and the most of it.
const ANSWER: Duration = Duration::from_secs(10);
const LARGEST_ANSWER: u64 = 4 << 20;

/// Every connection, and what limits did lately.
///
/// # Layout
/// JSON, `version` 1. Fields are added, never renamed. Times are milliseconds, sizes bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Guests {
    /// Of the layout.
    pub version: u8,
    /// The oldest first.
    pub connected: Vec<Guest>,
    /// What was refused, evicted or banned; the latest last.
    pub lately: Vec<Turned>,
}

/// A connection.
#[derive(Debug, Serialize, Deserialize)]
pub struct Guest {
    /// Who.
    pub peer: String,
    /// As what: `committee`, `known` or `anonymous`.
    pub class: String,
    /// From where.
    pub from: Option<IpAddr>,
    /// Whether this node dialled.
    pub dialed: bool,
    /// For how long.
    pub connected_ms: u64,
    /// Requests under way.
    pub requests: usize,
    /// What is left of its quotas.
    pub left: Left,
    /// Zero, or below for faults that are not forgiven yet.
    pub standing: f64,
    /// For how much longer it is banned, if it is.
    pub banned_ms: Option<u64>,
}

/// What is left of a peer's quotas.
#[derive(Debug, Serialize, Deserialize)]
pub struct Left {
    /// Requests.
    pub requests: u64,
    /// Symbols.
    pub symbols: u64,
    /// Bytes it may bring.
    pub bytes_in: u64,
    /// Bytes it may be sent.
    pub bytes_out: u64,
}

/// Somebody who was refused, evicted or banned.
#[derive(Debug, Serialize, Deserialize)]
pub struct Turned {
    /// Where: `data` or `control`.
    pub plane: String,
    /// A peer, or the address of somebody who proved no identity.
    pub who: String,
    /// `refused`, `evicted` or `banned`.
    pub action: String,
    /// By which limit.
    pub limit: String,
    /// How often.
    pub times: u64,
    /// When last, since 1970.
    pub last_ms: u64,
}

impl From<Report> for Guests {
    fn from(report: Report) -> Self {
        Self {
            version: 1,
            connected: report.guests.into_iter().map(Guest::from).collect(),
            lately: report.incidents.iter().map(Turned::from).collect(),
        }
    }
}

impl From<GuestReport> for Guest {
    fn from(guest: GuestReport) -> Self {
        Self {
            peer: guest.peer.to_string(),
            class: guest.class.name().to_owned(),
            from: guest.remote,
            dialed: guest.side == Side::Dialer,
            connected_ms: millis(guest.connected),
            requests: guest.requests,
            left: Left {
                requests: guest.left.requests,
                symbols: guest.left.symbols,
                bytes_in: guest.left.bytes_in,
                bytes_out: guest.left.bytes_out,
            },
            standing: guest.standing,
            banned_ms: guest.banned.map(millis),
        }
    }
}

impl From<&Incident> for Turned {
    fn from(incident: &Incident) -> Self {
        Self {
            plane: incident.plane.word().to_owned(),
            who: incident.who.to_string(),
            action: incident.action.word().to_owned(),
            limit: incident.limit.word().to_owned(),
            times: incident.times,
            last_ms: incident.last_ms,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Asks the node whose operator's door is at `address`. Returns JSON, to be read as [`Guests`].
///
/// # Errors
///
/// Nobody answers there, or not as a node does.
pub async fn ask(address: SocketAddr) -> io::Result<Vec<u8>> {
    let asked = async {
        let mut door = TcpStream::connect(address).await?;
        // Of version 1.0, so that the answer ends with the connection.
        let request = format!("GET /connections HTTP/1.0\r\nHost: {address}\r\n\r\n");
        door.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        door.take(LARGEST_ANSWER).read_to_end(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let mut answer = timeout(ANSWER, asked).await??;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let ok = answer.starts_with(b"HTTP/1.0 200 ") || answer.starts_with(b"HTTP/1.1 200 ");
    match end.filter(|_| ok) {
        Some(end) => Ok(answer.split_off(end + 4)),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "no node answers there",
        )),
    }
}

/// Tells the limits of both planes where the members of the committee are, whenever that or the
/// committee changes, until the token is cancelled.
///
/// # Errors
///
/// None.
pub(crate) async fn follow(
    limits: Limits,
    node: Arc<Node>,
    book: Arc<AddressBook>,
    token: CancellationToken,
) -> Result<(), Infallible> {
    let mut views = node.watch();
    let changes = async {
        loop {
            let membership = views.borrow_and_update().membership.clone();
            if let Some(membership) = &membership {
                let addresses = addresses(membership, &book).await;
                limits.committee_changed(&addresses);
            }
            let another = |view: &ChainView| match (&view.membership, &membership) {
                (Some(now), Some(told)) => !Arc::ptr_eq(now, told),
                (now, told) => now.is_some() != told.is_some(),
            };
            if matches!(
                timeout(LOOK_EVERY, views.wait_for(another)).await,
                Ok(Err(_))
            ) {
                // The node is gone.
                return;
            }
        }
    };
    let _ = token.run_until_cancelled(changes).await;
    Ok(())
}

/// Where the members of a committee say they are.
async fn addresses(membership: &Membership, book: &AddressBook) -> Vec<IpAddr> {
    let members = membership.committee().members().iter();
    let peers = members.filter_map(|member| peer_id_of(&member.identity().to_bytes()).ok());
    let known: BTreeSet<DataAddress> = peers.flat_map(|peer| book.data(&peer).1).collect();
    let mut addresses = BTreeSet::new();
    for address in known {
        let found = lookup_host((address.host(), address.port()));
        if let Ok(Ok(found)) = timeout(RESOLVE, found).await {
            addresses.extend(found.map(|found| found.ip()));
        }
    }
    addresses.into_iter().collect()
}
