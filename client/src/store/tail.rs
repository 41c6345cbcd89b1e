//! After the certificate: nodes that answer but were slower than the quorum get the rest, so that
//! the blob does not begin its life with the least redundancy. Best effort; what is left undone here
//! the nodes heal themselves.

use std::time::Duration;

use floe_chain::{committee::MemberIndex, id::NodeId};
use tokio::time::{Instant, timeout_at};

use super::{
    epoch::ask_lacks,
    shipment::Lack,
    upload::{Cargo, NodeEnd, Pass, Report},
};
use crate::progress::{Event, Listener, Phase};

/// What is still on its way when a blob is certified. Dropped, it is left to the nodes.
#[must_use = "dropping it leaves the slow nodes to heal themselves"]
pub struct Tail {
    cargo: Cargo,
    pass: Pass,
    /// Nodes that neither confirmed nor failed.
    open: Vec<MemberIndex>,
    reached: Vec<MemberIndex>,
    listener: Listener,
}

/// How the tail ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailReport {
    /// Nodes that confirmed after the certificate.
    pub complete: Vec<NodeId>,
    /// Nodes that will have to heal themselves.
    pub behind: Vec<NodeId>,
}

impl Tail {
    pub(super) fn new(
        cargo: Cargo,
        pass: Pass,
        open: Vec<MemberIndex>,
        reached: Vec<MemberIndex>,
        listener: Listener,
    ) -> Self {
        Self {
            cargo,
            pass,
            open,
            reached,
            listener,
        }
    }

    /// Serves the nodes that answer, for at most `limit`. Nodes that have not answered at all are
    /// waited for a moment only.
    pub async fn finish(mut self, limit: Duration) -> TailReport {
        self.listener.on(Event::Phase { phase: Phase::Tail });
        let deadline = Instant::now() + limit;
        let grace = deadline.min(Instant::now() + GRACE);
        let mut complete = Vec::new();
        for round in 0..ROUNDS {
            let mut cut = self.follow(grace, &mut complete).await;
            for member in self
                .open
                .iter()
                .filter(|member| !self.reached.contains(*member))
            {
                self.pass.stop(*member);
            }
            cut.extend(self.follow(deadline, &mut complete).await);
            cut.retain(|member| self.reached.contains(member));
            if cut.is_empty() || Instant::now() >= deadline || round + 1 == ROUNDS {
                break;
            }
            let lacks: Vec<(MemberIndex, Lack)> = ask_lacks(&self.cargo, &cut).await;
            self.pass = Pass::start(&self.cargo, lacks, false);
        }
        let name = |member: &MemberIndex| self.cargo.network.member(*member).node();
        let behind = self
            .open
            .iter()
            .filter(|member| !complete.contains(*member))
            .map(name);
        TailReport {
            complete: complete.iter().map(name).collect(),
            behind: behind.collect(),
        }
    }

    /// Follows the pass until it is over or the time is. Returns the nodes that need another one.
    async fn follow(
        &mut self,
        until: Instant,
        complete: &mut Vec<MemberIndex>,
    ) -> Vec<MemberIndex> {
        let mut cut = Vec::new();
        while let Ok(Some(report)) = timeout_at(until, self.pass.reports.recv()).await {
            match report {
                Report::Ended(member, NodeEnd::Confirmed(_)) => complete.push(member),
                Report::Ended(member, NodeEnd::Behind | NodeEnd::Lacking(_)) => cut.push(member),
                Report::Reached(member) => self.reached.push(member),
                Report::Ended(..) | Report::Sent(_) | Report::Broken(_) => {}
            }
        }
        cut
    }
}

/// How long a node that has not answered yet is waited for.
const GRACE: Duration = Duration::from_secs(1);
/// Passes after the certificate.
const ROUNDS: usize = 3;
