//! Symbols from the other nodes: as many as are needed, from as few as have them.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use floe_chain::epoch::Epoch;
use floe_codec::{ShardIndex, SymbolProof};
use floe_p2p::{
    Item, ItemSize,
    address::PeerAddress,
    client::{CallError, CallOptions, DataClient},
    identity::PeerId,
    wire::{TrafficClass, WireError, message::GetSymbols},
};
use futures::{StreamExt, stream::FuturesUnordered};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::plan::{Batch, Lost, ranges};
use crate::service::largest_proof;

/// Time for a request besides its bytes.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Slowest helper that is waited for, in bytes a second.
const SLOWEST: u64 = 256 << 10;

/// Somebody who may keep slivers of these shards.
#[derive(Clone, Debug)]
pub(super) struct Helper {
    pub(super) peer: PeerId,
    pub(super) shards: Vec<ShardIndex>,
}

/// For each lost sliver the symbols that came, by the shard of the sliver each was taken from, and
/// from whom.
pub(super) type Gathered<T> = Vec<BTreeMap<ShardIndex, (PeerId, T)>>;

/// How symbols are asked for and read.
pub(super) trait Symbol: Sized + Send {
    const PROVEN: bool;
    /// The most bytes of one.
    fn size(lost: &Lost) -> usize;
    /// `count` of them, and nothing else.
    fn read(lost: &Lost, bytes: Bytes, count: usize) -> Option<Vec<Self>>;
}

impl Symbol for Bytes {
    const PROVEN: bool = false;

    fn size(lost: &Lost) -> usize {
        let segment = lost.layout.segment(lost.segment);
        segment.map_or(0, |segment| segment.symbol_size())
    }

    fn read(lost: &Lost, bytes: Bytes, count: usize) -> Option<Vec<Self>> {
        let size = Self::size(lost);
        let whole = bytes.len() == count * size;
        whole.then(|| {
            (0..count)
                .map(|at| bytes.slice(at * size..(at + 1) * size))
                .collect()
        })
    }
}

impl Symbol for SymbolProof {
    const PROVEN: bool = true;

    fn size(lost: &Lost) -> usize {
        Bytes::size(lost) + largest_proof()
    }

    fn read(_: &Lost, bytes: Bytes, count: usize) -> Option<Vec<Self>> {
        bcs::from_bytes_seed(Exactly(count), &bytes).ok()
    }
}

/// So many proofs, one after the other.
struct Exactly(usize);

impl<'de> DeserializeSeed<'de> for Exactly {
    type Value = Vec<SymbolProof>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_tuple(self.0, self)
    }
}

impl<'de> Visitor<'de> for Exactly {
    type Value = Vec<SymbolProof>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} symbol proofs", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut proofs = Vec::new();
        for at in 0..self.0 {
            let proof = items.next_element()?;
            proofs.push(proof.ok_or_else(|| A::Error::invalid_length(at, &self))?);
        }
        Ok(proofs)
    }
}

/// Asks helpers in their order until each lost sliver has `need` symbols or nobody is left.
pub(super) async fn gather<T: Symbol>(
    data: &DataClient,
    epoch: Epoch,
    batch: &Batch,
    helpers: &[Helper],
    need: usize,
) -> Gathered<T> {
    let mut gathered: Gathered<T> = batch.lost.iter().map(|_| BTreeMap::new()).collect();
    let mut waiting: VecDeque<Helper> = helpers.iter().cloned().collect();
    let mut asked = FuturesUnordered::new();
    let mut coming = 0;
    loop {
        let least = gathered.iter().map(BTreeMap::len).min().unwrap_or(need);
        while least + coming < need
            && let Some(mut helper) = waiting.pop_front()
        {
            let room = need - least - coming;
            if helper.shards.len() > room {
                let (peer, shards) = (helper.peer, helper.shards.split_off(room));
                waiting.push_front(Helper { peer, shards });
            }
            coming += helper.shards.len();
            asked.push(async move {
                let answer = ask::<T>(data, epoch, batch, &helper).await;
                (helper, answer)
            });
        }
        if least >= need {
            return gathered;
        }
        let Some((helper, answer)) = asked.next().await else {
            return gathered;
        };
        coming -= helper.shards.len();
        match answer {
            Ok(symbols) => {
                for (gathered, symbols) in gathered.iter_mut().zip(symbols) {
                    let from = symbols
                        .into_iter()
                        .map(|(shard, symbol)| (shard, (helper.peer, symbol)));
                    gathered.extend(from);
                }
            }
            Err(error) => tracing::debug!(peer = %helper.peer, %error, "gave no symbols"),
        }
    }
}

/// What one helper has for each lost sliver.
async fn ask<T: Symbol>(
    data: &DataClient,
    epoch: Epoch,
    batch: &Batch,
    helper: &Helper,
) -> Result<Vec<Vec<(ShardIndex, T)>>, CallError> {
    let request = GetSymbols {
        target: batch.shard,
        axis: batch.axis,
        sources: helper.shards.clone().try_into()?,
        blobs: ranges(&batch.lost).try_into()?,
        proven: T::PROVEN,
    };
    let bitmap = helper.shards.len().div_ceil(8);
    let most = |lost: &Lost| bitmap + helper.shards.len() * T::size(lost);
    let bytes: usize = batch.lost.iter().map(most).sum();
    let to = PeerAddress {
        peer: helper.peer,
        addresses: Vec::new(),
    };
    let options = CallOptions {
        deadline: REQUEST_TIME + Duration::from_secs(bytes as u64 / SLOWEST),
        class: TrafficClass::LiveRecovery,
        epoch,
    };
    let mut items = data.get_symbols(&to, &request, &options).await?;
    let mut found = Vec::with_capacity(batch.lost.len());
    for lost in &batch.lost {
        let most = u32::try_from(most(lost)).unwrap_or(u32::MAX);
        let item = items.next(|_| ItemSize::AtMost(most)).await?;
        found.push(match item.and_then(Item::into_bytes) {
            Some(bytes) => present(lost, &helper.shards, bytes).ok_or(WireError::Truncated)?,
            None => Vec::new(),
        });
    }
    items.next(|_| ItemSize::Exactly(0)).await?;
    Ok(found)
}

/// The symbols of an item, with the shards of the slivers that they were taken from.
fn present<T: Symbol>(
    lost: &Lost,
    sources: &[ShardIndex],
    mut item: Bytes,
) -> Option<Vec<(ShardIndex, T)>> {
    let length = sources.len().div_ceil(8);
    if item.len() < length {
        return None;
    }
    let bitmap = item.split_to(length);
    let is_set = |at: usize| bitmap[at / 8] >> (at % 8) & 1 == 1;
    let shards: Vec<_> = (0..sources.len())
        .filter(|&at| is_set(at))
        .map(|at| sources[at])
        .collect();
    let symbols = T::read(lost, item, shards.len())?;
    Some(shards.into_iter().zip(symbols).collect())
}
