//! Finding a segment's metadata: any node may have it, and it verifies against the blob id alone.
//! Also where it is decided that a blob does not exist: only on the word of enough shards.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use floe_chain::{
    committee::MemberIndex,
    quorum::{Tally, Threshold},
};
use floe_codec::{BlobId, SegmentIndex, SegmentMetadata, Unverified};
use floe_p2p::{
    Item, ItemSize,
    client::{CallError, DataClient},
    wire::{
        ItemStatus, Kind, Status, TrafficClass,
        message::{GetMetadata, SegmentRange},
    },
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::error::ReadError;
use crate::{network::Network, store::options};

/// What one node said.
enum Word {
    Found(Box<SegmentMetadata>),
    /// It does not have it, or knows no such blob.
    Unknown,
    Expired,
    Inconsistent,
    /// It said nothing of use.
    Failed(String),
}

/// What all nodes together said.
struct Words {
    unknown: Tally,
    expired: Tally,
    inconsistent: Tally,
    failures: Vec<(String, String)>,
}

/// Nodes asked at first.
const FIRST: usize = 2;
/// When the next node is asked although the ones before may still answer, at the earliest: not before
/// one of those is late by what is known of it.
const HEDGE: Duration = Duration::from_millis(300);

/// Asks nodes in order of preference until one gives metadata that verify.
pub(super) async fn find(
    peers: &DataClient,
    network: &Arc<Network>,
    order: &[MemberIndex],
    blob: BlobId,
    segment: SegmentIndex,
) -> Result<SegmentMetadata, ReadError> {
    let mut words = Words {
        unknown: Tally::new(&network.committee),
        expired: Tally::new(&network.committee),
        inconsistent: Tally::new(&network.committee),
        failures: Vec::new(),
    };
    let mut asks = Asks {
        peers,
        network,
        blob,
        segment,
        tasks: JoinSet::new(),
        waiting: BTreeMap::new(),
    };
    let mut rest = order.iter().copied();
    rest.by_ref()
        .take(FIRST)
        .for_each(|member| asks.ask(member));
    loop {
        let answer = match timeout(asks.patience(), asks.tasks.join_next()).await {
            Ok(Some(Ok(answer))) => answer,
            Ok(Some(Err(panicked))) => return Err(ReadError::Task(panicked.to_string())),
            Ok(None) => return Err(words.conclude(network, blob, segment)),
            Err(_) => {
                rest.by_ref().take(1).for_each(|member| asks.ask(member));
                continue;
            }
        };
        let asked = asks.waiting.remove(&answer.0);
        match answer {
            (_, Word::Found(metadata)) => {
                asks.blame_late(asked.map(|asked| asked.elapsed()).unwrap_or_default());
                return Ok(*metadata);
            }
            (member, word) => {
                words.add(network, member, word);
                if let Some(end) = words.decided(network, blob, segment) {
                    return Err(end);
                }
                // Somebody had nothing: now everybody's word counts.
                rest.by_ref().for_each(|member| asks.ask(member));
            }
        }
    }
}

/// Questions on their way. Dropped, they are not waited for any more.
struct Asks<'a> {
    peers: &'a DataClient,
    network: &'a Arc<Network>,
    blob: BlobId,
    segment: SegmentIndex,
    tasks: JoinSet<(MemberIndex, Word)>,
    /// Who has not answered, asked when.
    waiting: BTreeMap<MemberIndex, Instant>,
}

impl Asks<'_> {
    fn ask(&mut self, member: MemberIndex) {
        let (peers, network) = (self.peers.clone(), Arc::clone(self.network));
        let (blob, segment) = (self.blob, self.segment);
        self.waiting.insert(member, Instant::now());
        self.tasks
            .spawn(async move { (member, one(&peers, &network, member, blob, segment).await) });
    }

    /// How long to wait before one more is asked.
    fn patience(&self) -> Duration {
        let waiting = self.waiting.keys().map(|member| self.late_after(*member));
        waiting.min().unwrap_or(HEDGE)
    }

    fn late_after(&self, member: MemberIndex) -> Duration {
        let stats = self.peers.peers().get(&self.network.address(member).peer);
        // Of those nobody knows the first may well be dead.
        let known = stats.response.map(|_| stats.late_after());
        known.unwrap_or_default().max(HEDGE)
    }

    /// Remembers who did not answer in time, so that others are asked first next time: in the time it
    /// takes that node as a rule, and not if the one that answered took nearly as long.
    fn blame_late(&self, took: Duration) {
        let now = Instant::now();
        for (member, since) in &self.waiting {
            if now.duration_since(*since) >= self.late_after(*member).max(2 * took) {
                let peer = &self.network.address(*member).peer;
                self.peers.peers().late(peer, now);
            }
        }
    }
}

impl Words {
    fn add(&mut self, network: &Network, member: MemberIndex, word: Word) {
        match word {
            Word::Found(_) => {}
            Word::Unknown => drop(self.unknown.insert(member)),
            Word::Expired => {
                self.expired.insert(member);
                self.unknown.insert(member);
            }
            Word::Inconsistent => drop(self.inconsistent.insert(member)),
            Word::Failed(reason) => {
                self.failures
                    .push((network.member(member).node().to_string(), reason));
            }
        }
    }

    /// The end of the read, if enough shards agree on one.
    fn decided(&self, network: &Network, blob: BlobId, segment: SegmentIndex) -> Option<ReadError> {
        if self.inconsistent.meets(Threshold::Validity) {
            return Some(ReadError::Inconsistent { blob, segment });
        }
        if self.expired.meets(Threshold::Validity) {
            return Some(ReadError::Expired {
                blob,
                epoch: network.epoch(),
            });
        }
        self.unknown
            .meets(Threshold::Quorum)
            .then(|| ReadError::NotFound {
                blob,
                shards: self.unknown.weight().0,
                total: network.committee.shards().get().into(),
            })
    }

    fn conclude(self, network: &Network, blob: BlobId, segment: SegmentIndex) -> ReadError {
        let decided = self.decided(network, blob, segment);
        decided.unwrap_or(ReadError::Unavailable {
            blob,
            segment,
            here: 0,
            need: 1,
            failures: self.failures,
        })
    }
}

async fn one(
    peers: &DataClient,
    network: &Network,
    member: MemberIndex,
    blob: BlobId,
    segment: SegmentIndex,
) -> Word {
    match get(peers, network, member, blob, segment).await {
        Ok(Item::Present(bytes)) => {
            let metadata: Result<SegmentMetadata<Unverified>, _> = bcs::from_bytes(&bytes);
            let lie = match metadata.map(|metadata| metadata.verify(&blob)) {
                Ok(Ok(metadata)) if metadata.segment() == segment => {
                    return Word::Found(metadata.into());
                }
                Ok(Ok(_)) => "it sent the metadata of another segment".to_owned(),
                Ok(Err(error)) => format!("it sent wrong metadata: {error}"),
                Err(error) => format!("it sent malformed metadata: {error}"),
            };
            let peer = &network.address(member).peer;
            peers.peers().lied(peer, Instant::now());
            Word::Failed(lie)
        }
        Ok(Item::Absent(ItemStatus::NotHeld)) => Word::Unknown,
        Ok(Item::Absent(ItemStatus::Inconsistent)) => Word::Inconsistent,
        Ok(Item::Absent(_)) => Word::Failed("it cannot read its own disk".to_owned()),
        Err(CallError::Refused(refusal)) => match refusal.status {
            Status::NotHeld | Status::NotRegistered { .. } => Word::Unknown,
            Status::Expired => Word::Expired,
            Status::Inconsistent => Word::Inconsistent,
            _ => Word::Failed(refusal.to_string()),
        },
        Err(error) => Word::Failed(error.to_string()),
    }
}

async fn get(
    peers: &DataClient,
    network: &Network,
    member: MemberIndex,
    blob: BlobId,
    segment: SegmentIndex,
) -> Result<Item, CallError> {
    let request = GetMetadata {
        blob,
        segments: SegmentRange::one(segment),
    };
    let max = Kind::GET_METADATA.limits().item;
    let options = options(network, TrafficClass::Read, max.into());
    let mut items = peers
        .get_metadata(network.address(member), &request, &options)
        .await?;
    let item = items.next(|_| ItemSize::AtMost(max)).await?;
    Ok(item.unwrap_or(Item::Absent(ItemStatus::NotHeld)))
}
