//! From slivers that arrived to verified bytes of a segment, and to who sent wrong ones. Asks nobody.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use floe_chain::id::NodeId;
use floe_codec::{Axis, Codec, DecodeError, SegmentMetadata, SliverIndex, VerifiedSliver};
use tokio::time::Instant;

use super::{
    ReadError, proof,
    segment::{Memory, Raw, SegmentReader},
};
use crate::{network::Network, progress::Event};

/// Working memories kept for the next segments; each is some times a segment.
const IDLE: usize = 6;

/// What became of slivers once they were checked.
pub(super) struct Checked {
    pub(super) good: Vec<VerifiedSliver<Bytes>>,
    pub(super) bad: Vec<SliverIndex>,
}

impl SegmentReader {
    /// Bytes from enough slivers; none if some were not the committed ones. Those are dropped from
    /// `raw`, and their senders named.
    pub(super) async fn assemble(
        &self,
        network: &Network,
        metadata: &Arc<SegmentMetadata>,
        raw: &mut Raw,
    ) -> Result<Option<Bytes>, ReadError> {
        if let Some(bytes) = self.assemble_rows(metadata, raw).await? {
            return Ok(Some(bytes));
        }
        let Checked { good, bad } = self.check(network, metadata, raw).await?;
        raw.retain(|index, _| !bad.contains(index));
        let need = metadata.layout().shards().source_slivers().primary;
        if good.len() < usize::from(need) {
            return Ok(None);
        }
        let of = Arc::clone(metadata);
        let decode = move |codec: &Codec, memory: &mut Memory| {
            let bytes = codec.decode_segment(&of, &good, &mut memory.decode);
            bytes.map(Bytes::copy_from_slice)
        };
        match self.compute(decode).await? {
            Ok(bytes) => Ok(Some(bytes)),
            Err(DecodeError::Inconsistent { segment, proof }) => {
                proof::spread(&self.tools.peers, network, self.blob, &proof).await;
                Err(ReadError::Inconsistent {
                    blob: self.blob,
                    segment,
                })
            }
            Err(error) => Err(ReadError::Task(error.to_string())),
        }
    }

    /// The healthy case: the source rows are the bytes, and encoding them again gives the committed
    /// root. That verifies all of them at once; `None` says that some check failed.
    async fn assemble_rows(
        &self,
        metadata: &Arc<SegmentMetadata>,
        raw: &Raw,
    ) -> Result<Option<Bytes>, ReadError> {
        let need = metadata.layout().shards().source_slivers().primary;
        let rows: Option<Vec<Bytes>> = (0..need)
            .map(|row| raw.get(&SliverIndex(row)).map(|(_, b)| b.clone()))
            .collect();
        let Some(rows) = rows else { return Ok(None) };
        let of = Arc::clone(metadata);
        self.compute(move |codec, memory| {
            let mut bytes = Vec::with_capacity(of.layout().padded_length());
            rows.iter().for_each(|row| bytes.extend_from_slice(row));
            bytes.truncate(of.layout().length());
            let root = codec.commit_segment(of.layout(), &bytes, &mut memory.commit);
            (root.as_ref() == Ok(of.root())).then(|| bytes.into())
        })
        .await
    }

    /// Verifies slivers one by one, and names who sent wrong ones.
    pub(super) async fn check(
        &self,
        network: &Network,
        metadata: &Arc<SegmentMetadata>,
        raw: &Raw,
    ) -> Result<Checked, ReadError> {
        let slivers: Vec<_> = raw
            .iter()
            .map(|(index, (_, bytes))| (Axis::Primary, *index, bytes.clone()))
            .collect();
        let of = Arc::clone(metadata);
        let results = self
            .compute(move |codec, _| codec.verify_slivers(&of, slivers))
            .await?;
        let mut checked = Checked {
            good: Vec::new(),
            bad: Vec::new(),
        };
        for ((index, (node, _)), result) in raw.iter().zip(results) {
            match result {
                Ok(sliver) => checked.good.push(sliver),
                Err(error) => {
                    checked.bad.push(*index);
                    self.blame(network, *node, &error.to_string());
                }
            }
        }
        Ok(checked)
    }

    fn blame(&self, network: &Network, node: NodeId, what: &str) {
        if let Some(member) = network.committee.index_of(node) {
            let peer = &network.address(member).peer;
            self.tools.peers.peers().lied(peer, Instant::now());
        }
        let mut liars = self.liars.lock().unwrap_or_else(PoisonError::into_inner);
        if liars.insert(node) {
            let node = node.to_string();
            let reason = format!("it sent a sliver that is not the committed one: {what}");
            self.listener.on(Event::NodeFailed { node, reason });
        }
    }

    /// Runs coding work where it blocks nobody, with memory that is used again.
    pub(super) async fn compute<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Codec, &mut Memory) -> R + Send + 'static,
    ) -> Result<R, ReadError> {
        let (codec, idle) = (self.tools.codec.clone(), Arc::clone(&self.tools.idle));
        let job = move || {
            let pool = || idle.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = pool().pop();
            let mut memory = taken.unwrap_or_default();
            let result = work(&codec, &mut memory);
            let mut pool = pool();
            if pool.len() < IDLE {
                pool.push(memory);
            }
            result
        };
        let done = tokio::task::spawn_blocking(job).await;
        done.map_err(|panicked| ReadError::Task(panicked.to_string()))
    }
}
