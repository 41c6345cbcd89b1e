//! From slivers that arrived to verified bytes of a segment, and to who sent wrong ones. Asks nobody.

use std::{
    num::NonZero,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use floe_chain::id::NodeId;
use floe_codec::{Axis, Codec, DecodeError, SegmentMetadata, SliverIndex, VerifiedSliver};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    AHEAD_SEGMENTS, ReadError, proof,
    segment::{Memory, Raw, SegmentReader},
};
use crate::{network::Network, progress::Event};

/// Where segments are assembled, as many at once as there are processors for it: each takes working memory
/// of some times a segment, which is kept for the next ones.
pub(crate) struct Workbench {
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Memory>>,
}

impl Default for Workbench {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            places: Arc::new(Semaphore::new(processors.clamp(2, AHEAD_SEGMENTS))),
            idle: Mutex::default(),
        }
    }
}

impl Workbench {
    /// Runs coding work where it blocks nobody.
    async fn run<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Memory) -> R + Send + 'static,
    ) -> Result<R, ReadError> {
        let bench = Arc::clone(self);
        let place = Arc::clone(&self.places).acquire_owned().await;
        let job = move || {
            // Kept even if nobody waits for the result any more.
            let _place = place;
            let mut memory = bench.idle().pop().unwrap_or_default();
            let result = work(&mut memory);
            bench.idle().push(memory);
            result
        };
        let done = tokio::task::spawn_blocking(job).await;
        done.map_err(|panicked| ReadError::Task(panicked.to_string()))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Memory>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        let codec = self.tools.codec.clone();
        let bench = &self.tools.bench;
        bench.run(move |memory| work(&codec, memory)).await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        thread::sleep,
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn no_more_segments_are_assembled_at_once_than_there_are_places() {
        let bench = Arc::new(Workbench::default());
        let places = bench.places.available_permits();
        let counts = Arc::new([const { AtomicUsize::new(0) }; 2]);
        let jobs = [(); 24].map(|()| {
            let counts = Arc::clone(&counts);
            bench.run(move |_| {
                let [now, most] = &*counts;
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                sleep(Duration::from_millis(5));
                now.fetch_sub(1, SeqCst);
            })
        });
        for done in futures::future::join_all(jobs).await {
            done.unwrap();
        }
        assert!(counts[1].load(SeqCst) <= places);
        assert!(bench.idle().len() <= places);
        assert_eq!(bench.places.available_permits(), places);
    }
}
