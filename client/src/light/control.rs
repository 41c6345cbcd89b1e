//! The directory over the control plane: peers found through Kademlia, committees by request, where
//! members are by their signed records.

use std::{collections::HashSet, sync::Arc, time::Duration};

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
use futures::stream::{self, BoxStream};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Answer, Directory};
use crate::network::Network;

/// How long connections with those known to begin with may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Peers asked that are neither members nor bootstraps.
const STRANGERS: usize = 16;
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

/// Who was named so far.
struct Naming<'a> {
    plane: &'a ControlPlane,
    connected: watch::Receiver<Vec<PeerId>>,
    settled: watch::Receiver<bool>,
    until: Instant,
    named: HashSet<PeerId>,
    strangers: usize,
}

impl Naming<'_> {
    /// The best peer that was not named yet, once there is one.
    async fn next(mut self) -> Option<(PeerId, Self)> {
        loop {
            // Looked at first: whoever connects later than this is not waited for.
            let settled = *self.settled.borrow_and_update();
            if let Some(peer) = self.best() {
                self.named.insert(peer);
                return Some((peer, self));
            }
            if settled {
                return None;
            }
            let running = tokio::select! {
                changed = self.connected.changed() => changed.is_ok(),
                changed = self.settled.changed() => changed.is_ok(),
                () = sleep_until(self.until) => false,
            };
            if !running {
                return None;
            }
        }
    }

    /// Members have most to lose, and bootstraps were chosen; anybody can be a stranger, or many.
    fn best(&mut self) -> Option<PeerId> {
        let mut new = self.connected.borrow_and_update().clone();
        new.retain(|peer| !self.named.contains(peer));
        let book = self.plane.book();
        if let Some(member) = new.iter().find(|peer| book.is_member(peer)) {
            return Some(*member);
        }
        let bootstraps = book.bootstraps();
        if let Some(bootstrap) = new.iter().find(|peer| bootstraps.contains(peer)) {
            return Some(*bootstrap);
        }
        let stranger = new.first().filter(|_| self.strangers < STRANGERS)?;
        self.strangers += 1;
        Some(*stranger)
    }
}

#[async_trait]
impl Directory for ControlDirectory {
    fn peers(&self) -> BoxStream<'_, PeerId> {
        let naming = Naming {
            plane: &self.plane,
            connected: self.plane.connected(),
            settled: self.plane.settled(),
            until: Instant::now() + CONNECT,
            named: HashSet::new(),
            strangers: 0,
        };
        Box::pin(stream::unfold(naming, Naming::next))
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
