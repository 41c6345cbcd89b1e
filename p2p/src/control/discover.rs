//! Looks for members who are unknown or not connected: asks whoever is, then the table, and members on the
//! data plane while none is connected. Gossip brings most records before this has to. A record is not
//! enough: whoever kept an old one can tell it again, and if the member has moved it leads nowhere.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    book::AddressBook,
    check::Checkable,
    plane::ControlPlane,
    record::SignedRecord,
    request::{ControlAnswer, ControlRequest, PeerKey},
};
use crate::{
    address::PeerAddress,
    client::{CallOptions, DataClient},
    identity::PeerId,
    wire::{Bounded, TrafficClass, message::GetNodeRecord},
};
use floe_chain::epoch::Epoch;

/// Between two rounds at first; each round that finds nothing doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Members and bootstraps asked at once: more of them than an attacker has answers to delay.
const TRUSTED: usize = 24;
/// Others asked in a round.
const STRANGERS: usize = 4;
/// Members asked on the data plane in a round.
const DIALLED: usize = 3;
/// Lookups in the table in a round.
const LOOKUPS: usize = 8;
/// Records asked for at once.
const WANTED: usize = 128;
/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Records, if there was an answer, and who gave it.
type Answer<'a> = BoxFuture<'a, (PeerId, Option<Vec<SignedRecord>>)>;

/// Looks until the plane is gone.
pub(super) async fn discover(
    plane: ControlPlane,
    book: Arc<AddressBook>,
    data: Option<DataClient>,
    check: mpsc::Sender<Checkable>,
    mut connected: watch::Receiver<Vec<PeerId>>,
) {
    let mut committees = plane.committees();
    let (mut pause, mut round) = (FIRST_PAUSE, 0_usize);
    let mut before = Vec::new();
    while !check.is_closed() {
        let peers = connected.borrow_and_update().clone();
        let unknown = book.without_record();
        let mut missing: Vec<_> = book.members().into_keys().collect();
        missing.retain(|peer| !peers.contains(peer) || unknown.contains(peer));
        missing.retain(|peer| *peer != plane.local_peer());
        missing.sort_unstable();
        if !missing.is_empty() {
            let keys = rotated(&missing, round * (WANTED / 2)).filter_map(PeerKey::of);
            let keys: Vec<_> = keys.take(WANTED).collect();
            let keys: Bounded<_, 256> = keys.try_into().unwrap_or_default();
            let mut answers = FuturesUnordered::new();
            answers.extend(by_control_plane(&plane, &book, &peers, &keys, round));
            if let Some(data) = &data
                && !peers.iter().any(|peer| book.is_member(peer))
            {
                answers.extend(by_data_plane(data, &book, &missing, &keys, round));
            }
            // All at once: those who are silent delay nobody.
            while let Some((from, answer)) = answers.next().await {
                if let Some(records) = answer {
                    let _ = check.send(Checkable::Records { from, records }).await;
                }
            }
            // Those of whom a record is there are likely to be met soon.
            let (unknown, stuck) = (book.without_record(), missing == before);
            let sought = |peer: &&PeerId| stuck || unknown.contains(*peer);
            if !peers.is_empty() {
                for peer in rotated(&missing, round).filter(sought).take(LOOKUPS) {
                    plane.find(*peer).await;
                }
            }
            round = round.wrapping_add(1);
        }
        // Only members count as found, and only they and bootstraps as met: strangers do not hurry this.
        // Every lookup connects to some.
        pause = if missing == before {
            (pause * 2).min(LONGEST_PAUSE)
        } else {
            FIRST_PAUSE
        };
        before = missing;
        let met = async {
            let is_new = |peer: &PeerId| !peers.contains(peer) && is_trusted(&book, peer);
            drop(connected.wait_for(|now| now.iter().any(is_new)).await);
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = met => tokio::time::sleep(FIRST_PAUSE).await,
            _ = committees.changed() => {}
        }
    }
}

/// Members have most to lose, and bootstraps were chosen.
fn is_trusted(book: &AddressBook, peer: &PeerId) -> bool {
    book.is_member(peer) || book.is_bootstrap(peer)
}

/// Asks members and bootstraps, and a few of the others.
fn by_control_plane<'a>(
    plane: &'a ControlPlane,
    book: &AddressBook,
    peers: &[PeerId],
    keys: &Bounded<PeerKey, 256>,
    round: usize,
) -> Vec<Answer<'a>> {
    let (trusted, others): (Vec<PeerId>, Vec<PeerId>) =
        peers.iter().partition(|peer| is_trusted(book, peer));
    let trusted = rotated(&trusted, round * TRUSTED).take(TRUSTED);
    let others = rotated(&others, round * STRANGERS).take(STRANGERS);
    trusted
        .chain(others)
        .map(|&peer| -> Answer<'a> {
            let asked = plane.ask(peer, ControlRequest::Records(keys.clone()));
            Box::pin(async move {
                match timeout(PATIENCE, asked).await {
                    Ok(Ok(ControlAnswer::Records(records))) => (peer, Some(records.into_inner())),
                    _ => (peer, None),
                }
            })
        })
        .collect()
}

/// Asks members, at the addresses the chain has for them.
fn by_data_plane<'a>(
    data: &'a DataClient,
    book: &AddressBook,
    missing: &[PeerId],
    keys: &Bounded<PeerKey, 256>,
    round: usize,
) -> Vec<Answer<'a>> {
    const OPTIONS: CallOptions = CallOptions {
        deadline: PATIENCE,
        class: TrafficClass::Control,
        epoch: Epoch::ZERO,
    };
    let reachable = rotated(missing, round).filter(|peer| !book.data(peer).1.is_empty());
    reachable
        .take(DIALLED)
        .map(|&peer| -> Answer<'a> {
            let addresses = Vec::new();
            let to = PeerAddress { peer, addresses };
            let peers = keys.clone();
            Box::pin(async move {
                let request = GetNodeRecord { peers };
                let reply = data.get_node_record(&to, &request, &OPTIONS).await;
                (peer, reply.ok().map(|reply| reply.records.into_inner()))
            })
        })
        .collect()
}

/// All of a list, from another place on in every round.
fn rotated<T>(all: &[T], round: usize) -> impl Iterator<Item = &T> {
    let skip = round.checked_rem(all.len()).unwrap_or(0);
    all.iter().cycle().skip(skip).take(all.len())
}
