//! The directory over the control plane: peers found through Kademlia, committees by request, where
//! members are by their signed records.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use floe_chain::{
    committee::Committee,
    epoch::Epoch,
    quorum::{Tally, Threshold},
};
use floe_p2p::{
    address::DataAddress,
    control::{
        plane::ControlPlane,
        request::{ControlAnswer, ControlRequest},
    },
    identity::PeerId,
};
use tokio::time::{Instant, sleep, timeout};

use super::{Answer, Directory};
use crate::network::Network;

/// How long the first connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a peer may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long members are looked for before a read begins with those that are known.
const SEARCH: Duration = Duration::from_secs(5);
/// How much longer, once those that are known suffice.
const REST: Duration = Duration::from_millis(250);
/// Between two looks at what is known.
const LOOK: Duration = Duration::from_millis(20);

/// Asks through a control plane.
pub struct ControlDirectory {
    plane: ControlPlane,
}

impl ControlDirectory {
    /// Asks through `plane`, whose bootstraps are known already.
    #[must_use]
    pub fn new(plane: ControlPlane) -> Self {
        Self { plane }
    }
}

#[async_trait]
impl Directory for ControlDirectory {
    async fn peers(&self) -> Vec<PeerId> {
        let mut connected = self.plane.connected();
        // Nobody within that time: an empty list says so.
        let _ = timeout(CONNECT, connected.wait_for(|peers| !peers.is_empty())).await;
        let mut peers = connected.borrow().clone();
        // Members have most to lose; among strangers those that came first were looked for.
        peers.sort_by_key(|peer| !self.plane.book().is_member(peer));
        peers
    }

    async fn committee(&self, peer: PeerId, epoch: Epoch) -> Option<Answer> {
        let asked = self.plane.ask(peer, ControlRequest::Committee(epoch));
        match timeout(ANSWER, asked).await {
            Ok(Ok(ControlAnswer::Committee(named))) => Some(Answer {
                committee: named.committee,
                handover: named.handover,
            }),
            _ => None,
        }
    }

    async fn addresses(&self, committee: &Committee) -> Vec<Vec<DataAddress>> {
        // From now on their records are looked for.
        self.plane
            .set_committees(vec![Arc::new(committee.clone())])
            .await;
        let book = self.plane.book();
        let peers = Network::peers_of(committee);
        let suffice = || {
            let mut known = Tally::new(committee);
            for (peer, (index, _)) in peers.iter().zip(committee.iter()) {
                if book.record(peer).is_some() {
                    known.insert(index);
                }
            }
            known.meets(Threshold::Quorum)
        };
        let mut until = Instant::now() + SEARCH;
        let mut enough = false;
        while !book.without_record().is_empty() && Instant::now() < until {
            if !enough && suffice() {
                enough = true;
                until = until.min(Instant::now() + REST);
            }
            sleep(LOOK).await;
        }
        peers.iter().map(|peer| book.data(peer).1).collect()
    }
}
