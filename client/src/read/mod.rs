//! Reading a blob: segment by segment, verified before a byte leaves, in the memory of a few
//! segments whatever the size.

mod error;
mod fetch;
mod metadata;
mod proof;
mod segment;

use std::sync::Arc;

use bytes::Bytes;
use floe_codec::{BlobId, SegmentIndex};
use futures::StreamExt;
use tokio::{sync::mpsc, task::JoinSet};

pub use error::ReadError;

use self::segment::SegmentReader;
use crate::{
    Client,
    plan::{ByteRange, ReadPlan, SegmentRead},
    progress::{Event, Listener, Phase},
};

/// The bytes of a read, as they are verified. Dropped, it stops.
pub struct Reader {
    plan: ReadPlan,
    chunks: mpsc::Receiver<Result<Bytes, ReadError>>,
    _task: JoinSet<()>,
}

/// Source bytes of segments read ahead, where more than two fit.
const AHEAD_BYTES: usize = 24 << 20;
/// Most segments read at once.
const AHEAD_SEGMENTS: usize = 6;

impl Client {
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
        listener.on(Event::Phase { phase: Phase::Read });
        let reader = SegmentReader {
            client: self.clone(),
            blob,
            listener: Arc::clone(&listener),
            liars: Arc::default(),
            idle: Arc::default(),
        };
        let first = reader.metadata(SegmentIndex(0)).await?;
        let plan = ReadPlan::new(blob, *first.blob_layout(), range)?;
        let (send, chunks) = mpsc::channel(1);
        let mut task = JoinSet::new();
        let job = Job {
            reader,
            plan: plan.clone(),
            listener,
        };
        task.spawn(job.run(send));
        Ok(Reader {
            plan,
            chunks,
            _task: task,
        })
    }
}

impl Reader {
    /// What is being read.
    #[must_use]
    pub fn plan(&self) -> &ReadPlan {
        &self.plan
    }

    /// The next bytes, verified, in order; `None` after the last. After an error nothing follows.
    pub async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        self.chunks.recv().await
    }
}

struct Job {
    reader: SegmentReader,
    plan: ReadPlan,
    listener: Listener,
}

impl Job {
    async fn run(self, send: mpsc::Sender<Result<Bytes, ReadError>>) {
        let ahead = (AHEAD_BYTES / self.plan.layout.segment_capacity()).clamp(2, AHEAD_SEGMENTS);
        let reads = self.plan.segments().map(|read: SegmentRead| {
            let reader = self.reader.clone();
            async move { reader.read(&read).await }
        });
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
            self.listener.on(Event::Bytes {
                phase: Phase::Read,
                done,
                total,
            });
        }
    }
}
