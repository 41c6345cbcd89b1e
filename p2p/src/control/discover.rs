//! Looks for members whose record is missing: asks whoever is connected, then the table, and the
//! data plane when nobody is connected at all. Gossip brings most records before this has to.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, watch};

use super::{
    book::AddressBook,
    check::Checkable,
    plane::ControlPlane,
    request::{ControlAnswer, ControlRequest, PeerKey},
};
use crate::{
    address::PeerAddress,
    client::{CallOptions, DataClient},
    identity::PeerId,
    wire::{Bounded, TrafficClass, message::GetNodeRecord},
};
use floe_chain::epoch::Epoch;

/// Between two rounds at first; each round that changes nothing doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Peers asked in a round.
const ASKED: usize = 3;
/// Lookups in the table in a round.
const LOOKUPS: usize = 8;
/// Time for an answer on the data plane.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks until the plane is gone.
pub(super) async fn discover(
    plane: ControlPlane,
    book: Arc<AddressBook>,
    data: Option<DataClient>,
    check: mpsc::Sender<Checkable>,
    mut connected: watch::Receiver<Vec<PeerId>>,
) {
    let (mut pause, mut round) = (FIRST_PAUSE, 0_usize);
    while !check.is_closed() {
        let missing: Vec<_> = book
            .without_record()
            .into_iter()
            .filter(|peer| *peer != plane.local_peer())
            .collect();
        if !missing.is_empty() {
            let peers = connected.borrow().clone();
            let keys = missing
                .iter()
                .filter_map(PeerKey::of)
                .take(128)
                .collect::<Vec<_>>();
            let keys: Bounded<_, 256> = keys.try_into().unwrap_or_default();
            if peers.is_empty() {
                if let Some(data) = &data {
                    by_data_plane(&book, data, &check, &missing, &keys, round).await;
                }
            } else {
                for peer in rotated(&peers, round).take(ASKED) {
                    let request = ControlRequest::Records(keys.clone());
                    if let Ok(ControlAnswer::Records(records)) = plane.ask(*peer, request).await {
                        let (from, records) = (*peer, records.into_inner());
                        let _ = check.send(Checkable::Records { from, records }).await;
                    }
                }
                for peer in rotated(&missing, round).take(LOOKUPS) {
                    plane.find(*peer).await;
                }
            }
            round = round.wrapping_add(1);
        }
        let before = book.changes();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = connected.changed() => tokio::time::sleep(FIRST_PAUSE).await,
        }
        pause = if book.changes() == before {
            (pause * 2).min(LONGEST_PAUSE)
        } else {
            FIRST_PAUSE
        };
    }
}

/// Asks members, at the addresses the chain has for them.
async fn by_data_plane(
    book: &AddressBook,
    data: &DataClient,
    check: &mpsc::Sender<Checkable>,
    missing: &[PeerId],
    keys: &Bounded<PeerKey, 256>,
    round: usize,
) {
    let options = CallOptions {
        deadline: PATIENCE,
        class: TrafficClass::Control,
        epoch: Epoch::ZERO,
    };
    let reachable = rotated(missing, round).filter(|peer| !book.data(peer).1.is_empty());
    for peer in reachable.take(ASKED) {
        let to = PeerAddress {
            peer: *peer,
            addresses: Vec::new(),
        };
        let request = GetNodeRecord {
            peers: keys.clone(),
        };
        if let Ok(reply) = data.get_node_record(&to, &request, &options).await {
            let (from, records) = (*peer, reply.records.into_inner());
            let _ = check.send(Checkable::Records { from, records }).await;
        }
    }
}

/// All of a list, from another place on in every round.
fn rotated<T>(all: &[T], round: usize) -> impl Iterator<Item = &T> {
    let skip = round.checked_rem(all.len()).unwrap_or(0);
    all.iter().cycle().skip(skip).take(all.len())
}
