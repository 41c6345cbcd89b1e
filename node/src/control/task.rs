//! The task behind [`Control`]: follows the epochs of the chain, gossips, listens, and asks for what
//! gossip did not bring.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use floe_chain::{
    certificate::UnverifiedCertificate, committee::Committee, epoch::Epoch, statement::Handover,
};
use floe_codec::ByAxis;
use floe_p2p::{
    address::PeerAddress,
    client::{CallOptions, DataClient},
    control::{
        inventory::{Held, InventorySummary, ShardSummary, VerifiedInventory},
        news::{InconsistencyNotice, News},
        plane::{ControlPlane, wall_clock},
        record::{NodeRecord, VerifiedRecord},
        score::Fault,
        topic::Topic,
    },
    identity::{Identity, PeerId, peer_id_of},
    wire::{Status, TrafficClass, message::GetInconsistency},
};
use floe_storage::IndexError;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Archive, Control, ControlError, ControlParts, Directory, HandoverSignatures, lock,
    respond::Answers,
};
use crate::{node::Node, service::keep_proof};

/// Between two looks at what is missing.
const TICK: Duration = Duration::from_secs(2);
/// Time for the chain to answer.
const CHAIN_PATIENCE: Duration = Duration::from_secs(5);
/// An unchanged inventory is told again this often.
const INVENTORY_EVERY: Duration = Duration::from_secs(60);
/// A changed one not sooner than this after the last.
const INVENTORY_PAUSE: Duration = Duration::from_secs(11);
/// Proofs of inconsistency fetched at once.
const FETCHES: usize = 4;
/// Time for one of them.
const PROOF_PATIENCE: Duration = Duration::from_secs(10);
/// Starts the control plane of a node. The future is its task.
///
/// # Errors
/// It cannot listen.
pub(crate) fn start(
    node: Arc<Node>,
    parts: ControlParts,
    directory: Directory,
    data: DataClient,
    proofs: mpsc::Receiver<InconsistencyNotice>,
    token: CancellationToken,
) -> Result<
    (
        Arc<Control>,
        impl Future<Output = Result<(), std::convert::Infallible>>,
    ),
    ControlError,
> {
    for bootstrap in &parts.bootstraps {
        directory.book.add_bootstrap(bootstrap.clone());
    }
    let signatures = Arc::new(Mutex::new(None));
    let answers = Answers {
        archive: directory.archive.clone(),
        signatures: Arc::clone(&signatures),
    };
    let (plane, news) = ControlPlane::start(
        &parts.identity,
        &parts.settings,
        Arc::clone(&directory.book),
        Arc::new(answers),
        Some(data.clone()),
    )?;
    let control = Arc::new(Control {
        plane,
        directory,
        signatures,
        inventories: Mutex::default(),
    });
    let task = Task {
        node,
        data,
        fetching: JoinSet::new(),
        control: Arc::clone(&control),
        parts,
        current: None,
        previous: None,
        next: None,
        certified: false,
        gap: None,
        announced: None,
        counted: None,
        told: None,
        saved: 0,
        round: 0,
    };
    Ok((control, task.run(news, proofs, token)))
}

pub(super) struct Task {
    pub(super) node: Arc<Node>,
    data: DataClient,
    /// Proofs being fetched, at most [`FETCHES`].
    fetching: JoinSet<()>,
    pub(super) control: Arc<Control>,
    parts: ControlParts,
    previous: Option<Arc<Committee>>,
    pub(super) current: Option<Arc<Committee>>,
    pub(super) next: Option<Arc<Committee>>,
    /// Whether the certificate of `next` is in the archive.
    pub(super) certified: bool,
    /// The newest past epoch whose certificate may be missing.
    pub(super) gap: Option<Epoch>,
    announced: Option<Instant>,
    /// When the inventory was last looked at.
    counted: Option<Instant>,
    /// The last inventory told, and when.
    told: Option<(Vec<ShardSummary>, Instant)>,
    /// Changes of the book when it was saved.
    saved: u64,
    pub(super) round: usize,
}

impl Task {
    async fn run(
        mut self,
        mut news: mpsc::Receiver<News>,
        mut proofs: mpsc::Receiver<InconsistencyNotice>,
        token: CancellationToken,
    ) -> Result<(), std::convert::Infallible> {
        let (archive, book) = (self.archive(), Arc::clone(&self.control.directory.book));
        let _ = tokio::task::spawn_blocking(move || archive.load_peers(&book)).await;
        // What it does waits for the chain and for peers, which may take longer than a node to stop.
        token
            .run_until_cancelled(self.work(&mut news, &mut proofs))
            .await;
        self.save_peers().await;
        self.control.plane.shutdown().await;
        Ok(())
    }

    async fn work(
        &mut self,
        news: &mut mpsc::Receiver<News>,
        proofs: &mut mpsc::Receiver<InconsistencyNotice>,
    ) {
        let mut view = self.node.watch();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stood = None;
        loop {
            tokio::select! {
                Ok(()) = view.changed() => {
                    let stands = {
                        let view = view.borrow_and_update();
                        (view.epoch, view.selected, view.membership.is_some())
                    };
                    if stood != Some(stands) {
                        stood = Some(stands);
                        self.follow().await;
                    }
                }
                Some(news) = news.recv() => self.hear(news).await,
                Some(notice) = proofs.recv() => self.gossip(Topic::Inconsistency, &notice).await,
                Some(_) = self.fetching.join_next() => {}
                _ = tick.tick() => self.look().await,
            }
        }
    }

    pub(super) fn plane(&self) -> &ControlPlane {
        &self.control.plane
    }

    fn archive(&self) -> Archive {
        self.control.directory.archive.clone()
    }

    /// Takes over what the chain says of this epoch and the next.
    async fn follow(&mut self) {
        let view = self.node.view();
        let committee = match view.membership {
            Some(membership) => membership.committee().clone(),
            // Without a chain the node goes by what it knew.
            None => match self.archived(view.epoch).await {
                Some(named) => named.committee,
                None => return,
            },
        };
        let committee = &committee;
        let known = self.current.as_ref().map(|current| current.epoch());
        let mut changed = known != Some(committee.epoch());
        if changed {
            self.enter(committee).await;
        }
        let Some(current) = self.current.clone() else {
            return;
        };
        // Without an event that says so the chain is asked now and then: it may have been before this
        // node followed it.
        let selected = changed || view.selected == current.epoch().next() || self.seldom();
        if self.next.is_none()
            && selected
            && let Some(epoch) = current.epoch().next()
            && let Some(next) = self.committee(epoch).await
        {
            let archived = self.archived(epoch).await;
            self.certified =
                archived.is_some_and(|named| named.handover.is_some() && named.committee == next);
            self.next = Some(Arc::new(next));
            changed = true;
        }
        if !changed {
            return;
        }
        let committees = [&self.previous, &self.current, &self.next];
        let committees: Vec<_> = committees.into_iter().flatten().cloned().collect();
        self.plane().set_committees(committees).await;
        let book = &self.control.directory.book;
        lock(&self.control.inventories).retain(|peer, _| book.is_member(peer));
        self.hint().await;
        if let Some(next) = self.next.clone() {
            self.sign(&next).await;
        }
    }

    /// A new epoch: what was next is current.
    async fn enter(&mut self, committee: &Committee) {
        let epoch = committee.epoch();
        let current = Arc::new(committee.clone());
        self.previous = match self
            .current
            .take()
            .filter(|old| old.epoch().next() == Some(epoch))
        {
            Some(old) => Some(old),
            None => match epoch.previous().filter(|epoch| *epoch > Epoch::ZERO) {
                Some(previous) => self.committee(previous).await.map(Arc::new),
                None => None,
            },
        };
        let signatures = HandoverSignatures::new(self.node.network(), Arc::clone(&current));
        *lock(&self.control.signatures) = Some(signatures);
        self.keep(Arc::clone(&current), None).await;
        self.current = Some(current);
        self.next = None;
        self.certified = false;
        self.gap = Some(epoch);
    }

    /// The committee of an epoch as the chain says; the archive's if the chain does not answer.
    pub(super) async fn committee(&self, epoch: Epoch) -> Option<Committee> {
        if let Some(chain) = self.parts.chain.get()
            && let Ok(Ok(committee)) = timeout(CHAIN_PATIENCE, chain.committee(epoch)).await
        {
            return committee;
        }
        self.archived(epoch).await.map(|named| named.committee)
    }

    pub(super) async fn archived(
        &self,
        epoch: Epoch,
    ) -> Option<floe_p2p::control::request::NamedCommittee> {
        let archive = self.archive();
        let read = tokio::task::spawn_blocking(move || archive.committee(epoch));
        read.await.ok().flatten()
    }

    pub(super) async fn keep(
        &self,
        committee: Arc<Committee>,
        handover: Option<UnverifiedCertificate<Handover>>,
    ) {
        let archive = self.archive();
        let write = move || archive.keep(&committee, handover);
        let _ = tokio::task::spawn_blocking(write).await;
    }

    /// Where the chain says members are: a first hint.
    async fn hint(&self) {
        let (Some(current), Some(chain)) = (&self.current, self.parts.chain.get()) else {
            return;
        };
        let ids: Vec<_> = current
            .members()
            .iter()
            .map(|member| member.node())
            .collect();
        let Ok(Ok(nodes)) = timeout(CHAIN_PATIENCE, chain.nodes(&ids)).await else {
            return;
        };
        for (member, node) in current.members().iter().zip(nodes) {
            if let (Ok(peer), Some(node)) = (peer_id_of(&member.identity().to_bytes()), node) {
                let addresses = node.addresses.iter().filter_map(|text| text.parse().ok());
                self.control
                    .directory
                    .book
                    .set_hint(peer, addresses.collect());
            }
        }
    }

    pub(super) async fn gossip(&self, topic: Topic, message: &impl serde::Serialize) {
        let data = bcs::to_bytes(message).expect("plain data encodes");
        self.plane().publish(topic, data).await;
    }

    async fn hear(&mut self, news: News) {
        match news {
            News::Record(record) => {
                tracing::debug!(peer = %record.peer(), "a member told where it is");
            }
            News::Signature(signature) => {
                if let Some(signatures) = lock(&self.control.signatures).as_mut() {
                    signatures.add(signature);
                }
                self.try_certify().await;
            }
            News::Handover(certificate) => self.adopt(certificate.into_unverified()).await,
            News::Inconsistency(peer, notice) => self.fetch_proof(peer, notice),
            News::Inventory(inventory) => {
                let mut inventories = lock(&self.control.inventories);
                inventories.insert(inventory.peer(), inventory);
            }
        }
    }

    /// Gets a proof a member claims to have; it is kept if it is one.
    fn fetch_proof(&mut self, peer: PeerId, notice: InconsistencyNotice) {
        let known = self.node.storage().has_inconsistency(&notice.blob);
        if known.unwrap_or(true) || self.fetching.len() >= FETCHES {
            return;
        }
        let (node, data) = (Arc::clone(&self.node), self.data.clone());
        let plane = self.plane().clone();
        let epoch = node.view().epoch;
        self.fetching.spawn(async move {
            let to = PeerAddress {
                peer,
                addresses: Vec::new(),
            };
            let options = CallOptions {
                deadline: PROOF_PATIENCE,
                class: TrafficClass::Control,
                epoch,
            };
            let request = GetInconsistency { blob: notice.blob };
            let Ok((segment, proof)) = data.get_inconsistency(&to, &request, &options).await else {
                return;
            };
            if let Err(refusal) = keep_proof(&node, notice.blob, segment, proof).await {
                let why = refusal.status.name();
                tracing::debug!(%peer, blob = %notice.blob, why, "the proof was not kept");
                if refusal.status == Status::BadRequest {
                    plane.report(peer, Fault::Forged).await;
                }
            }
        });
    }

    /// What is due from time to time.
    async fn look(&mut self) {
        self.round = self.round.wrapping_add(1);
        self.follow().await;
        self.announce().await;
        self.tell_inventory().await;
        self.try_certify().await;
        if self.next.is_some() && !self.certified {
            self.ask_for_certificate().await;
        }
        self.fill_gap().await;
        if self.control.directory.book.changes() != self.saved {
            self.save_peers().await;
        }
    }

    async fn announce(&mut self) {
        let refresh = Duration::from_millis(NodeRecord::REFRESH_MS);
        if self.current.is_none() || self.announced.is_some_and(|at| at.elapsed() < refresh) {
            return;
        }
        let identity: &Identity = &self.parts.identity;
        let record = NodeRecord {
            network: self.node.network(),
            node: self.node.id(),
            identity: identity.public_key(),
            written: wall_clock(),
            data: first(&self.parts.data),
            control: first(&self.parts.control),
        };
        let record = VerifiedRecord::sign(record, identity);
        self.plane().announce(record).await;
        self.announced = Some(Instant::now());
    }

    async fn tell_inventory(&mut self) {
        if self
            .counted
            .is_some_and(|at| at.elapsed() < INVENTORY_PAUSE)
        {
            return;
        }
        self.counted = Some(Instant::now());
        let view = self.node.view();
        let shards = self.node.shards();
        let held = self.node.blocking(move |node| held(node, shards)).await;
        let Ok(Ok(shards)) = held else { return };
        // How far it is complete grows with every blob; only what is missing is worth more words.
        let missing = |shards: &[ShardSummary]| -> Vec<_> {
            let of = |shard: &ShardSummary| {
                (
                    shard.shard,
                    shard.held.primary.missing,
                    shard.held.secondary.missing,
                )
            };
            shards.iter().map(of).collect()
        };
        let same = self
            .told
            .as_ref()
            .is_some_and(|(told, _)| missing(told) == missing(&shards));
        let lately = |(_, at): &(_, Instant)| at.elapsed() < INVENTORY_EVERY;
        if shards.is_empty() || (same && self.told.as_ref().is_some_and(lately)) {
            return;
        }
        self.told = Some((shards.clone(), Instant::now()));
        let summary = InventorySummary {
            network: self.node.network(),
            identity: self.parts.identity.public_key(),
            written: wall_clock(),
            epoch: view.epoch,
            cursor: view.cursor,
            shards: shards.try_into().unwrap_or_default(),
        };
        let inventory = VerifiedInventory::sign(summary, &self.parts.identity);
        self.gossip(Topic::Inventory, inventory.signed()).await;
    }

    /// Every eighth look.
    pub(super) const fn seldom(&self) -> bool {
        self.round.is_multiple_of(8)
    }

    async fn save_peers(&mut self) {
        let (archive, book) = (self.archive(), Arc::clone(&self.control.directory.book));
        self.saved = book.changes();
        let _ = tokio::task::spawn_blocking(move || archive.save_peers(&book)).await;
    }
}

/// As many as fit.
fn first<T: Clone, const MAX: usize>(all: &[T]) -> floe_p2p::wire::Bounded<T, MAX> {
    let some: Vec<_> = all.iter().take(MAX).cloned().collect();
    some.try_into().unwrap_or_default()
}

fn held(node: &Node, shards: Vec<floe_codec::ShardIndex>) -> Result<Vec<ShardSummary>, IndexError> {
    let one = |shard, axis| {
        let summary = node.storage().inventory(shard, axis)?;
        Ok::<_, IndexError>(Held {
            complete_up_to: summary.complete_up_to.get(),
            missing: summary.missing,
        })
    };
    shards
        .into_iter()
        .map(|shard| {
            let held = ByAxis {
                primary: one(shard, floe_codec::Axis::Primary)?,
                secondary: one(shard, floe_codec::Axis::Secondary)?,
            };
            Ok(ShardSummary { shard, held })
        })
        .collect()
}
