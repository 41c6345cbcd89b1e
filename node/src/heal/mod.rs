//! Healing: the node recovers what it should hold and does not, from symbols of the other nodes.
//!
//! Symbols come without proofs; the sliver's hash is checked once. Only if it differs are proofs
//! asked for, and they name either who lied or the blob itself.

mod gather;
mod plan;
mod rebuild;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use floe_chain::committee::{Committee, Member};
use floe_codec::{Axis, SegmentIndex, ShardIndex, SymbolProof};
use floe_p2p::{
    Item, ItemSize,
    address::PeerAddress,
    client::{CallOptions, DataClient},
    control::news::InconsistencyNotice,
    identity::{PeerId, peer_id_of},
    wire::{
        TrafficClass,
        message::{GetMetadata, SymbolRange},
    },
};
use floe_storage::{BlobSeq, SliverKey};
use serde::Serialize;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    control::Archive,
    node::{Failed, Node},
    service::{accept_proof, largest_metadata, verify_metadata},
};
use gather::{Helper, gather};
use plan::{Batch, Lost, Settled, When, next_batch, ranges};
use rebuild::{Proven, Rebuilt, rebuild, rebuild_proven};

/// Between two looks at what is missing.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// After a look that failed, as on a full disk: what was fetched for it was fetched in vain.
const PAUSE: Duration = Duration::from_secs(60);
/// Blobs whose metadata are looked at in one look, at most.
const METADATA_BLOBS: u64 = 1024;
/// Segments whose metadata are fetched in one look, at most.
const METADATA_SEGMENTS: usize = 4096;
/// Time for metadata to come.
const METADATA_TIME: Duration = Duration::from_secs(10);

/// What was recovered since the node was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HealProgress {
    /// Slivers recovered.
    pub slivers: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of symbols that came for them.
    pub received: u64,
    /// Tries that failed and are repeated later.
    pub failed: u64,
    /// Times that a node sent a symbol which is not the committed one.
    pub lies: u64,
}

/// What healing is made of.
pub(crate) struct Healer {
    pub(crate) node: Arc<Node>,
    pub(crate) data: DataClient,
    pub(crate) local: PeerId,
    pub(crate) archive: Archive,
    /// Proofs of inconsistency that others should hear of.
    pub(crate) proofs: mpsc::Sender<InconsistencyNotice>,
}

/// Heals until the token is cancelled.
///
/// # Errors
///
/// None: what fails is logged and tried again.
pub(crate) async fn run(healer: Healer, token: CancellationToken) -> Result<(), Infallible> {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut settled = Settled::default();
    let mut looked = BlobSeq::default();
    let rounds = async {
        loop {
            ticks.tick().await;
            let view = healer.node.view();
            // The ledger says what to hold; while it is behind it does not know.
            if !view.caught_up || healer.node.storage().failure().is_some() {
                continue;
            }
            if let Err(error) = healer.round(&mut settled, &mut looked).await {
                tracing::warn!(%error, "healing cannot go on now");
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    tokio::select! {
        () = token.cancelled() => Ok(()),
        () = rounds => Ok(()),
    }
}

impl Healer {
    /// Recovers everything that is due.
    async fn round(&self, settled: &mut Settled, looked: &mut BlobSeq) -> Result<(), Failed> {
        let next = self.node.storage().position()?.next_seq;
        let settled = settled.look(Instant::now(), next);
        self.complete_metadata(looked, settled).await?;
        loop {
            let when = When {
                settled,
                now_ms: floe_p2p::control::plane::wall_clock().as_ms(),
            };
            let planned = move |node: &Node| next_batch(node, &when);
            let Some(batch) = self.node.blocking(planned).await?? else {
                return Ok(());
            };
            self.heal(batch, &when).await?;
        }
    }

    /// Recovers the slivers of a batch; what cannot be had now is put off.
    async fn heal(&self, batch: Batch, when: &When) -> Result<(), Failed> {
        self.fetch_metadata(&batch.lost).await?;
        let helpers = self.helpers(&batch);
        let shards = self.node.storage().stamp().shards;
        let need = usize::from(shards.source_symbols(batch.axis));
        let epoch = self.node.view().epoch;
        let symbols = gather::<Bytes>(&self.data, epoch, &batch, &helpers, need).await;
        let received = symbols.iter().flat_map(|of| of.values());
        let received: usize = received.map(|(_, symbol)| symbol.len()).sum();
        self.node
            .update_heal(|progress| progress.received += received as u64);
        let at = (batch.shard, batch.axis);
        let all = batch.lost.clone();
        let rebuilt = self.node.blocking(move |node| {
            let each = all.iter().zip(&symbols);
            each.map(|(lost, symbols)| rebuild(node, at, lost, symbols))
                .collect::<Result<Vec<_>, _>>()
        });
        let rebuilt = rebuilt.await??;

        let (mut recovered, mut failed) = (Vec::new(), Vec::new());
        for (lost, rebuilt) in batch.lost.iter().zip(rebuilt) {
            let sliver = match rebuilt {
                Rebuilt::Sliver(sliver) => Some(sliver),
                Rebuilt::Short => None,
                Rebuilt::Wrong => self.settle(&batch.only(lost), lost, &helpers).await?,
            };
            match sliver {
                Some(sliver) => recovered.push((batch.key(lost), sliver)),
                None => failed.push(batch.key(lost)),
            }
        }
        self.store(recovered).await?;
        self.put_off(failed, when).await
    }

    /// Finds out with proofs why a sliver came out wrong. Returns it if only somebody lied.
    async fn settle(
        &self,
        batch: &Batch,
        lost: &Lost,
        helpers: &[Helper],
    ) -> Result<Option<Bytes>, Failed> {
        let need = usize::from(lost.layout.shards().source_symbols(batch.axis));
        let epoch = self.node.view().epoch;
        let mut helpers = helpers.to_vec();
        loop {
            let gathered = gather::<SymbolProof>(&self.data, epoch, batch, &helpers, need).await;
            let Some(symbols) = gathered.into_iter().next() else {
                return Ok(None);
            };
            let (at, of) = ((batch.shard, batch.axis), lost.clone());
            let proven = move |node: &Node| rebuild_proven(node, at, &of, &symbols);
            match self.node.blocking(proven).await?? {
                Proven::Rebuilt(Rebuilt::Sliver(sliver)) => return Ok(Some(sliver)),
                Proven::Rebuilt(_) => return Ok(None),
                Proven::Liars(liars) => {
                    self.accuse(lost, &liars);
                    helpers.retain(|helper| !liars.contains(&helper.peer));
                }
                Proven::Inconsistent(proof) => {
                    let kept =
                        accept_proof(&self.node, &self.proofs, (lost.blob, lost.segment), proof);
                    kept.await.map_err(|refusal| Failed(refusal.to_string()))?;
                    return Ok(None);
                }
            }
        }
    }

    fn accuse(&self, lost: &Lost, liars: &BTreeSet<PeerId>) {
        for peer in liars {
            tracing::warn!(%peer, blob = %lost.blob, segment = %lost.segment, "sent a symbol that is not the committed one");
            self.data.peers().lied(peer, Instant::now());
        }
        self.node
            .update_heal(|progress| progress.lies += liars.len() as u64);
    }

    async fn store(&self, slivers: Vec<(SliverKey, Bytes)>) -> Result<(), Failed> {
        let (count, bytes) = (
            slivers.len(),
            slivers
                .iter()
                .map(|(_, sliver)| sliver.len())
                .sum::<usize>(),
        );
        if count == 0 {
            return Ok(());
        }
        let failed = |error: &dyn std::error::Error| Failed(error.to_string());
        let stored = self.node.storage().put_slivers(slivers);
        let stored = stored.map_err(|busy| failed(&busy))?.await;
        stored.map_err(|error| failed(&error))?;
        self.node.update_heal(|progress| {
            progress.slivers += count as u64;
            progress.bytes += bytes as u64;
        });
        tracing::info!(slivers = count, bytes, "recovered");
        Ok(())
    }

    async fn put_off(&self, keys: Vec<SliverKey>, when: &When) -> Result<(), Failed> {
        self.node
            .update_heal(|progress| progress.failed += keys.len() as u64);
        let when = *when;
        let parked = self.node.blocking(move |node| {
            // Asked for together, they share a commit.
            let mut parked = Vec::with_capacity(keys.len());
            for key in keys {
                let task = when.parked(node.storage().recovery_task(&key)?);
                let pending = node.storage().set_recovery_task(key, task);
                parked.push(pending.map_err(|busy| Failed(busy.to_string()))?);
            }
            Ok::<_, Failed>(parked)
        });
        for pending in parked.await?? {
            let done = pending.await;
            done.map_err(|error| Failed(error.to_string()))?;
        }
        Ok(())
    }

    /// Who may have symbols for a batch: the owners of the other shards, those that are well first,
    /// each shard beginning with somebody else; then those who owned them an epoch ago.
    fn helpers(&self, batch: &Batch) -> Vec<Helper> {
        let Some(membership) = self.node.view().membership else {
            return Vec::new();
        };
        let now = membership.committee();
        let mut helpers = owners(now, |_| true);
        let turn = usize::from(batch.shard.get()) % helpers.len().max(1);
        helpers.rotate_left(turn);
        let previous = now
            .epoch()
            .previous()
            .and_then(|epoch| self.archive.committee(epoch));
        if let Some(previous) = previous {
            let node = |committee: &Committee, shard| {
                let owner = committee.owner(shard)?;
                committee.member(owner).map(Member::node)
            };
            let before = &previous.committee;
            helpers.extend(owners(before, |shard| {
                node(now, shard) != node(before, shard)
            }));
        }
        helpers.retain(|helper| helper.peer != self.local && !helper.shards.is_empty());
        let is_ill = |peer: &PeerId| self.data.peers().get(peer).is_quarantined(Instant::now());
        helpers.sort_by_cached_key(|helper| is_ill(&helper.peer));
        helpers
    }

    /// Fetches the metadata of whichever of these segments it is missing.
    async fn fetch_metadata(&self, lost: &[Lost]) -> Result<(), Failed> {
        let wanted = lost.to_vec();
        let missing = self.node.blocking(move |node| {
            let mut missing = Vec::new();
            for lost in wanted {
                match node.storage().get_metadata(&lost.blob, lost.segment) {
                    Ok(Some(_)) => {}
                    Ok(None) => missing.push(lost),
                    // A damaged row is written anew.
                    Err(error) if error.is_damage() => missing.push(lost),
                    Err(error) => return Err(error.into()),
                }
            }
            Ok::<_, Failed>(missing)
        });
        let missing = missing.await??;
        let Some(Lost { layout, .. }) = missing.first() else {
            return Ok(());
        };
        let size = largest_metadata(layout);
        let anybody = Batch {
            shard: ShardIndex(0),
            axis: Axis::Primary,
            lost: Vec::new(),
        };
        let helpers = self.helpers(&anybody);
        for range in ranges(&missing) {
            for helper in &helpers {
                match self.metadata_from(helper.peer, &range, size).await {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::debug!(peer = %helper.peer, error = error.0, "gave no metadata");
                    }
                }
            }
        }
        Ok(())
    }

    async fn metadata_from(
        &self,
        peer: PeerId,
        range: &SymbolRange,
        size: u32,
    ) -> Result<(), Failed> {
        let failed = |error: &dyn std::error::Error| Failed(error.to_string());
        let SymbolRange { blob, segments } = *range;
        let to = PeerAddress {
            peer,
            addresses: Vec::new(),
        };
        let options = CallOptions {
            deadline: METADATA_TIME,
            class: TrafficClass::LiveRecovery,
            epoch: self.node.view().epoch,
        };
        let request = GetMetadata { blob, segments };
        let items = self.data.get_metadata(&to, &request, &options).await;
        let mut items = items.map_err(|error| failed(&error))?;
        let mut kept = Vec::new();
        for segment in segments.iter() {
            let item = items.next(|_| ItemSize::AtMost(size)).await;
            let bytes = item
                .map_err(|error| failed(&error))?
                .and_then(Item::into_bytes);
            let bytes = bytes.ok_or_else(|| Failed("not held".into()))?;
            if let Err(error) = verify_metadata(&blob, segment, &bytes) {
                self.data.peers().lied(&peer, Instant::now());
                return Err(Failed(error.to_string()));
            }
            let pending = self.node.storage().put_metadata(blob, segment, bytes);
            kept.push(pending.map_err(|busy| failed(&busy))?);
        }
        for pending in kept {
            pending.await.map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Goes on through all settled blobs, around and around, and fetches metadata that are missing,
    /// as they are after the index was rebuilt.
    async fn complete_metadata(
        &self,
        looked: &mut BlobSeq,
        settled: BlobSeq,
    ) -> Result<(), Failed> {
        let from = if *looked < settled {
            *looked
        } else {
            BlobSeq::default()
        };
        let to = from.plus(METADATA_BLOBS).min(settled);
        let missing = self.node.blocking(move |node| {
            let mut missing = Vec::new();
            let mut next = from;
            while next < to && missing.len() < METADATA_SEGMENTS {
                let seq = next;
                next = seq.next();
                let Some(blob) = node.storage().blob_at(seq)? else {
                    continue;
                };
                let Some((_, layout)) = node.blob(&blob)? else {
                    continue;
                };
                let room = METADATA_SEGMENTS - missing.len();
                let segments = node
                    .storage()
                    .missing_metadata(&blob, SegmentIndex(0), room)?;
                missing.extend(segments.into_iter().map(|segment| Lost {
                    blob,
                    layout,
                    segment,
                }));
            }
            Ok::<_, Failed>((missing, next))
        });
        let (missing, next) = missing.await??;
        *looked = next;
        self.fetch_metadata(&missing).await
    }
}

/// The members of a committee and their shards, those that are wanted.
fn owners(committee: &Committee, wanted: impl Fn(ShardIndex) -> bool) -> Vec<Helper> {
    let helper = |(index, member): (_, &Member)| {
        let peer = peer_id_of(&member.identity().to_bytes()).ok()?;
        let shards = committee
            .shards_of(index)
            .filter(|shard| wanted(*shard))
            .collect();
        Some(Helper { peer, shards })
    };
    committee.iter().filter_map(helper).collect()
}
