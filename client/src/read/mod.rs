//! Reading a blob: segment by segment, verified before a byte leaves, in the memory of a few
//! segments whatever the size.

mod assemble;
mod error;
mod fetch;
mod metadata;
mod proof;
mod pulse;
mod segment;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use floe_codec::{BlobId, BlobLayout, Codec, SegmentIndex, SegmentLayout};
use floe_p2p::{client::DataClient, fetch::HedgeBudget};
use futures::StreamExt;
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

pub use error::ReadError;

pub(crate) use self::assemble::Workbench;
use self::segment::SegmentReader;
use crate::{
    Client, Patience,
    link::Link,
    network::Network,
    plan::{ByteRange, Part, RangeError, ReadPlan, SegmentRead},
    progress::{Event, Listener, Phase},
};

/// A blob that is known to exist, to be read in a range or segment by segment. Cheap to clone; clones
/// share what they learn of the nodes.
#[derive(Clone)]
pub struct FoundBlob {
    reader: SegmentReader,
    layout: BlobLayout,
    /// On a slow downlink one segment at a time: all at once none would come in time.
    link: Arc<Link>,
}

/// The bytes of a read, as they are verified. Dropped, it stops.
pub struct Reader {
    plan: ReadPlan,
    chunks: mpsc::Receiver<Result<Bytes, ReadError>>,
    /// Bytes still to come.
    left: u64,
    task: JoinSet<()>,
}

/// Source bytes of segments read ahead, where more than two fit.
const AHEAD_BYTES: usize = 24 << 20;
/// Most segments read at once.
const AHEAD_SEGMENTS: usize = 6;

/// Where a read learns who serves.
#[async_trait]
pub(crate) trait NetworkSource: Send + Sync {
    /// The network as last learned; learns it first if need be.
    async fn network(&self) -> Result<Arc<Network>, ReadError>;

    /// The network as it is now.
    async fn refresh(&self) -> Result<Arc<Network>, ReadError>;
}

#[async_trait]
impl NetworkSource for Client {
    async fn network(&self) -> Result<Arc<Network>, ReadError> {
        Ok(Client::network(self).await?)
    }

    async fn refresh(&self) -> Result<Arc<Network>, ReadError> {
        Ok(Client::refresh(self).await?)
    }
}

/// What a read works with.
#[derive(Clone)]
pub(crate) struct Retrieval {
    pub(crate) source: Arc<dyn NetworkSource>,
    pub(crate) peers: DataClient,
    pub(crate) codec: Codec,
    pub(crate) patience: Patience,
    pub(crate) hedges: Arc<Mutex<HedgeBudget>>,
    pub(crate) bench: Arc<Workbench>,
}

impl Client {
    /// Finds a blob. Returns once it is known to exist.
    ///
    /// # Errors
    /// No such blob, or too few nodes answer.
    pub async fn find(&self, blob: BlobId, listener: Listener) -> Result<FoundBlob, ReadError> {
        let tools = Retrieval {
            source: Arc::new(self.clone()),
            peers: self.peers.clone(),
            codec: self.codec.clone(),
            patience: self.patience,
            hedges: Arc::clone(&self.hedges),
            bench: Arc::clone(&self.bench),
        };
        tools.find(blob, listener).await
    }

    /// Begins to read. Returns once the blob is known to exist and the range to lie within it.
    ///
    /// # Errors
    /// No such blob or range, or too few nodes answer.
    pub async fn read(
        &self,
        blob: BlobId,
        range: ByteRange,
        listener: Listener,
    ) -> Result<Reader, ReadError> {
        Ok(self.find(blob, listener).await?.read(range)?)
    }
}

impl Retrieval {
    pub(crate) async fn find(
        self,
        blob: BlobId,
        listener: Listener,
    ) -> Result<FoundBlob, ReadError> {
        listener.on(Event::Phase { phase: Phase::Read });
        let link = Arc::new(Link::of(&self.peers));
        let mut reader = SegmentReader {
            tools: self,
            blob,
            listener,
            liars: Arc::default(),
            first: None,
        };
        let first = reader.metadata(SegmentIndex(0)).await?;
        let layout = *first.blob_layout();
        reader.first = Some(first);
        Ok(FoundBlob {
            reader,
            layout,
            link,
        })
    }
}

impl FoundBlob {
    /// Its shape, as its id commits to it.
    #[must_use]
    pub fn layout(&self) -> &BlobLayout {
        &self.layout
    }

    /// Begins to read.
    ///
    /// # Errors
    /// The range begins past the end.
    pub fn read(self, range: ByteRange) -> Result<Reader, RangeError> {
        let plan = ReadPlan::new(self.reader.blob, self.layout, range)?;
        let (send, chunks) = mpsc::channel(1);
        let mut task = JoinSet::new();
        let job = Job {
            blob: self,
            plan: plan.clone(),
        };
        task.spawn(job.run(send));
        Ok(Reader::new(plan, chunks, task))
    }

    /// All bytes of a segment of this blob: decoded, encoded again, compared.
    ///
    /// # Errors
    /// Too few nodes answer, or the segment is that of no bytes.
    pub async fn segment(&self, layout: SegmentLayout) -> Result<Bytes, ReadError> {
        self.fetch(&SegmentRead {
            bytes: 0..layout.length(),
            part: Part::Whole,
            layout,
        })
        .await
    }

    async fn fetch(&self, read: &SegmentRead) -> Result<Bytes, ReadError> {
        let round_trip = self.reader.tools.peers.peers().nearest();
        let room = self.link.room(read.bytes.len() as u64, round_trip).await;
        let begun = Instant::now();
        let result = self.reader.read(read).await;
        room.took(begun.elapsed());
        result
    }
}

impl Reader {
    fn new(
        plan: ReadPlan,
        chunks: mpsc::Receiver<Result<Bytes, ReadError>>,
        task: JoinSet<()>,
    ) -> Self {
        Self {
            left: plan.length(),
            plan,
            chunks,
            task,
        }
    }

    /// What is being read.
    #[must_use]
    pub fn plan(&self) -> &ReadPlan {
        &self.plan
    }

    /// The next bytes, verified, in order; `None` after the last. After an error nothing follows.
    pub async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        match self.chunks.recv().await {
            Some(Ok(bytes)) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Some(Ok(bytes))
            }
            Some(Err(error)) => {
                self.left = 0;
                Some(Err(error))
            }
            None if self.left == 0 => None,
            None => {
                let ended = self.task.join_next().await;
                let why = match ended {
                    Some(Err(panicked)) => panicked.to_string(),
                    _ => format!("{} bytes are missing", self.left),
                };
                self.left = 0;
                Some(Err(ReadError::Task(why)))
            }
        }
    }
}

struct Job {
    blob: FoundBlob,
    plan: ReadPlan,
}

impl Job {
    async fn run(self, send: mpsc::Sender<Result<Bytes, ReadError>>) {
        let ahead = (AHEAD_BYTES / self.plan.layout.segment_capacity()).clamp(2, AHEAD_SEGMENTS);
        let blob = &self.blob;
        let reads = self.plan.segments();
        let reads = reads.map(|read| async move { blob.fetch(&read).await });
        let mut segments = futures::stream::iter(reads).buffered(ahead);
        let mut done = 0;
        while let Some(result) = segments.next().await {
            let failed = result.is_err();
            if let Ok(bytes) = &result {
                done += bytes.len() as u64;
            }
            if send.send(result).await.is_err() || failed {
                return;
            }
            let total = Some(self.plan.length());
            blob.reader.listener.on(Event::Bytes {
                phase: Phase::Read,
                done,
                total,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use floe_codec::{BlobLayout, ShardCount};

    use super::*;

    #[tokio::test]
    async fn a_task_that_dies_is_an_error_and_not_the_end() {
        let layout = BlobLayout::for_shards(ShardCount::new(10).unwrap(), 5).unwrap();
        let blob = BlobId::from_bytes([1; 32]);
        let plan = ReadPlan::new(blob, layout, ByteRange::All).unwrap();
        let (send, chunks) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn(async move {
            send.send(Ok(Bytes::from_static(b"four"))).await.unwrap();
            panic!("as a defect would");
        });
        let mut reader = Reader::new(plan, chunks, task);
        assert_eq!(reader.next().await.unwrap().unwrap(), "four");
        let error = reader.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("as a defect would"), "{error}");
        assert!(reader.next().await.is_none(), "nothing follows an error");
    }
}
