//! The loop of a store: upload to one epoch's committee, collect its confirmations, certify; when
//! the epoch changes in between, begin again with the next committee and what the nodes hold.

use std::{sync::Arc, time::Duration};

use floe_chain::{
    certificate::{Certificate, Collector},
    committee::MemberIndex,
    quorum::{Tally, Threshold},
    rpc::{self, ChainError, Operation, abort::Refusal},
    statement::Available,
};
use floe_codec::Weight;
use floe_p2p::wire::{TrafficClass, message::GetBlobStatus};
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Run, StoreError,
    error::QuorumLost,
    shipment::Lack,
    tail::Tail,
    upload::{Cargo, NodeEnd, Pass, Report, options},
};
use crate::{
    Client,
    chain::is_stale,
    disk::journal::Journal,
    network::Network,
    plan::upload_bytes,
    progress::{Event, Phase},
};

/// Most passes in one epoch; each one sends what nodes said they lack.
const PASSES: u32 = 4;
/// Segments of each shard that a node says it lacks at once. A blob of so many more takes a pass more.
const LISTED: u32 = 1024;
/// How long a node may take to say what it lacks before everything is sent to it.
const STATUS_TIME: Duration = Duration::from_secs(10);
/// How long certifying is tried while no chain endpoint answers.
const CERTIFY_TIME: Duration = Duration::from_secs(20);
/// Between two looks at the chain.
const PAUSE: Duration = Duration::from_millis(500);

/// How one epoch of a store ended.
enum Outcome {
    Certified(Box<Tail>),
    /// The chain is in a later epoch, or soon will be.
    NextEpoch,
}

/// What was learned about each node in one epoch.
struct Standing<'c> {
    collector: Collector<'c, Available>,
    failed: Tally,
    failures: Vec<(MemberIndex, String)>,
    reached: Vec<MemberIndex>,
    /// The first confirmation has come.
    confirming: bool,
    /// Nodes that a further pass has to serve, with what they lack if they said so.
    again: Vec<(MemberIndex, Option<Lack>)>,
    /// Nodes that say they are in a later epoch. One alone may lie.
    ahead: Tally,
}

impl Run {
    /// Goes on until the blob is certified.
    pub(super) async fn until_certified(
        mut self,
        client: &Client,
    ) -> Result<(Journal, Tail), StoreError> {
        loop {
            let network = Arc::clone(&self.network);
            match self.one_epoch(client, &network).await? {
                Outcome::Certified(tail) => return Ok((self.journal, *tail)),
                Outcome::NextEpoch => {
                    self.network = client.network_after(network.epoch()).await?;
                    let epoch = self.network.epoch().get();
                    self.listener.on(Event::EpochChanged { epoch });
                    self.resumed = true;
                }
            }
        }
    }

    fn cargo(&self, client: &Client) -> Cargo {
        Cargo {
            peers: client.peers.clone(),
            network: Arc::clone(&self.network),
            encoder: self.encoder.clone(),
            object: self.registration.object,
            patience: client.patience.node,
            uplink: Arc::clone(&client.uplink),
        }
    }

    async fn one_epoch(
        &mut self,
        client: &Client,
        network: &Network,
    ) -> Result<Outcome, StoreError> {
        let cargo = self.cargo(client);
        let body = self.registration.available();
        let mut standing = Standing {
            collector: Collector::new(network.id, &network.committee, body),
            failed: Tally::new(&network.committee),
            failures: Vec::new(),
            reached: Vec::new(),
            confirming: false,
            again: Vec::new(),
            ahead: Tally::new(&network.committee),
        };
        for kept in &self.journal.confirmations {
            // Confirmations of other epochs are refused here, which is right.
            let _ = standing.collector.add(kept);
        }
        let all = network.committee.iter().map(|(member, _)| member);
        let silent: Vec<MemberIndex> = all
            .filter(|member| !standing.collector.tally().contains(*member))
            .collect();
        let mut lacks = if self.resumed {
            let lacks = ask_lacks(&cargo, &silent).await;
            self.tell_resumed(network, &lacks);
            lacks
        } else {
            silent
                .into_iter()
                .map(|member| (member, Lack::Everything))
                .collect()
        };

        self.listener.on(Event::Phase {
            phase: Phase::Upload,
        });
        let segments = self.encoder.commitment().layout().segment_count();
        for _ in 0..PASSES + segments / LISTED {
            let mut pass = Pass::start(&cargo, lacks, true);
            match self.watch(network, &mut pass, &mut standing).await? {
                Watched::Quorum(certificate) => {
                    return self.certify(&certificate, cargo, pass, standing).await;
                }
                Watched::NextEpoch => return Ok(Outcome::NextEpoch),
                Watched::Over if standing.again.is_empty() => {
                    return Err(self.quorum_lost(network, &standing));
                }
                Watched::Over => {}
            }
            if standing.ahead.weight() > Weight(0) {
                // Who says so may be the first to know. If the chain does not answer, others will.
                let now = client.refresh().await;
                if now.is_ok_and(|now| now.epoch() > network.epoch()) {
                    return Ok(Outcome::NextEpoch);
                }
                sleep(PAUSE).await;
            }
            let again = std::mem::take(&mut standing.again);
            let (known, unknown): (Vec<_>, Vec<_>) =
                again.into_iter().partition(|(_, lack)| lack.is_some());
            let unknown: Vec<_> = unknown.into_iter().map(|(member, _)| member).collect();
            lacks = ask_lacks(&cargo, &unknown).await;
            lacks.extend(
                known
                    .into_iter()
                    .filter_map(|(member, lack)| Some((member, lack?))),
            );
        }
        for (member, _) in lacks {
            let reason = if standing.ahead.contains(member) {
                LATER_EPOCH
            } else {
                STILL_LACKING
            };
            self.lose(network, &mut standing, member, reason.to_owned());
        }
        Err(self.quorum_lost(network, &standing))
    }

    /// Follows a pass until a quorum has confirmed, it is over, or it can lead nowhere.
    async fn watch(
        &mut self,
        network: &Network,
        pass: &mut Pass,
        standing: &mut Standing<'_>,
    ) -> Result<Watched, StoreError> {
        let nodes = u16::try_from(network.committee.members().len()).unwrap_or(u16::MAX);
        let total = upload_bytes(self.encoder.commitment().layout(), nodes);
        let mut sent = 0;
        loop {
            if let Some(certificate) = standing.collector.certificate() {
                return Ok(Watched::Quorum(Box::new(certificate)));
            }
            let Some(report) = pass.reports.recv().await else {
                return Ok(Watched::Over);
            };
            match report {
                Report::Sent(bytes) => {
                    sent += bytes;
                    let (done, total) = (sent, Some(total));
                    self.listener.on(Event::Bytes {
                        phase: Phase::Upload,
                        done,
                        total,
                    });
                }
                Report::Reached(member) => standing.reached.push(member),
                Report::Broken(error) => return Err(error.into()),
                Report::Ended(member, NodeEnd::Epoch(epoch)) => {
                    let node = network.member(member).node();
                    tracing::debug!(%node, %epoch, "a node says it is in a later epoch");
                    standing.ahead.insert(member);
                    if standing.ahead.meets(Threshold::Validity) {
                        return Ok(Watched::NextEpoch);
                    }
                    standing.again.push((member, None));
                }
                Report::Ended(member, NodeEnd::Behind) => standing.again.push((member, None)),
                Report::Ended(member, NodeEnd::Lacking(missing)) => {
                    standing.again.push((member, Some(Lack::Listed(missing))));
                }
                Report::Ended(member, NodeEnd::Failed(error)) => {
                    self.lose(network, standing, member, error.to_string());
                }
                Report::Ended(member, NodeEnd::Confirmed(confirmation)) => {
                    if confirmation.node != network.member(member).node() {
                        self.lose(network, standing, member, FOREIGN.to_owned());
                    } else if let Err(error) = standing.collector.add(&confirmation) {
                        self.lose(network, standing, member, error.to_string());
                    } else {
                        self.journal.confirmed(*confirmation)?;
                        self.tell_confirmed(network, standing);
                    }
                }
            }
            let lost = standing.failed.weight().0;
            let needed = Threshold::Quorum.required(network.committee.shards()).0;
            if lost > u32::from(network.committee.shards().get()) - needed {
                return Err(self.quorum_lost(network, standing));
            }
        }
    }

    fn lose(
        &self,
        network: &Network,
        standing: &mut Standing<'_>,
        member: MemberIndex,
        reason: String,
    ) {
        standing.failed.insert(member);
        let node = network.member(member).node().to_string();
        self.listener.on(Event::NodeFailed {
            node,
            reason: reason.clone(),
        });
        standing.failures.push((member, reason));
    }

    /// Writes the certificate on chain, while the pass goes on.
    async fn certify(
        &self,
        certificate: &Certificate<Available>,
        cargo: Cargo,
        pass: Pass,
        standing: Standing<'_>,
    ) -> Result<Outcome, StoreError> {
        self.listener.on(Event::Phase {
            phase: Phase::Certify,
        });
        let begun = Instant::now();
        loop {
            let certify = Operation::Certify {
                blob: self.registration.object,
                certificate: certificate.clone(),
            };
            match self.wallet.execute(vec![certify]).await {
                Ok(_) => break,
                Err(error) if is_stale(&error) => return Ok(Outcome::NextEpoch),
                // An earlier try did more than its answer told.
                Err(ChainError::Refused(Refusal::BlobAlreadyCertified)) => break,
                Err(error)
                    if error.kind() == rpc::ErrorKind::Retry && begun.elapsed() < CERTIFY_TIME =>
                {
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let confirmed = standing.collector.tally();
        let open = |member: &MemberIndex| {
            !confirmed.contains(*member) && !standing.failed.contains(*member)
        };
        let members = cargo.network.committee.iter().map(|(member, _)| member);
        let open = members.filter(open).collect();
        let tail = Tail::new(
            cargo,
            pass,
            open,
            standing.reached,
            Arc::clone(&self.listener),
        );
        Ok(Outcome::Certified(Box::new(tail)))
    }

    fn tell_confirmed(&self, network: &Network, standing: &mut Standing<'_>) {
        if !std::mem::replace(&mut standing.confirming, true) {
            let phase = Phase::Confirm;
            self.listener.on(Event::Phase { phase });
        }
        let shards = network.committee.shards();
        self.listener.on(Event::Confirmed {
            shards: standing.collector.tally().weight().0,
            quorum: Threshold::Quorum.required(shards).0,
            total: shards.get().into(),
        });
    }

    fn tell_resumed(&self, network: &Network, lacks: &[(MemberIndex, Lack)]) {
        let segments = u64::from(self.encoder.commitment().layout().segment_count());
        let held = lacks.iter().map(|(member, lack)| {
            let all = u64::from(network.member(*member).weight().0) * 2 * segments;
            match lack {
                Lack::Everything => 0,
                Lack::Listed(missing) if missing.truncated => 0,
                Lack::Listed(missing) => {
                    let lacking: u64 = missing
                        .slivers
                        .iter()
                        .map(|(_, _, range)| u64::from(range.count))
                        .sum();
                    all.saturating_sub(lacking)
                }
            }
        });
        let asked: u32 = lacks
            .iter()
            .map(|(member, _)| network.member(*member).weight().0)
            .sum();
        let confirmed = u32::from(network.committee.shards().get()).saturating_sub(asked);
        let slivers = held.sum::<u64>() + u64::from(confirmed) * 2 * segments;
        if slivers > 0 {
            self.listener.on(Event::Resumed { slivers });
        }
    }

    fn quorum_lost(&self, network: &Network, standing: &Standing<'_>) -> StoreError {
        let shards = network.committee.shards();
        let failures = standing.failures.iter().map(|(member, reason)| {
            let member = network.member(*member);
            (member.node(), member.weight().0, reason.clone())
        });
        StoreError::QuorumLost(Box::new(QuorumLost {
            blob: *self.encoder.commitment().id(),
            object: self.registration.object,
            confirmed: standing.collector.tally().weight().0,
            needed: Threshold::Quorum.required(shards).0,
            total: Weight(shards.get().into()).0,
            failures: failures.collect(),
        }))
    }
}

/// What following a pass came to.
enum Watched {
    Quorum(Box<Certificate<Available>>),
    NextEpoch,
    Over,
}

const FOREIGN: &str = "it answered with the confirmation of another node";
const LATER_EPOCH: &str = "it says it is in a later epoch, and the chain is not";
const STILL_LACKING: &str = "it still lacks what it was sent, or is too slow to take it";

/// Asks nodes what they lack. Whoever does not answer in time is sent everything.
pub(super) async fn ask_lacks(cargo: &Cargo, members: &[MemberIndex]) -> Vec<(MemberIndex, Lack)> {
    let request = GetBlobStatus {
        blob: *cargo.encoder.commitment().id(),
        object: Some(cargo.object),
    };
    let request = &request;
    let ask = |member: MemberIndex| async move {
        let options = options(&cargo.network, TrafficClass::Control, 0);
        let address = cargo.network.address(member);
        let status = cargo.peers.get_blob_status(address, request, &options);
        match timeout(STATUS_TIME, status).await {
            Ok(Ok(status)) => (member, Lack::Listed(status.missing)),
            _ => (member, Lack::Everything),
        }
    };
    join_all(members.iter().copied().map(ask)).await
}
