//! Blobs as readers of HTTP want them: does it exist, how long is it, its bytes piece by piece.
//!
//! ```text
//! find(id)      remembered -> asked of the nodes once for all who wait
//! segment(i)    in the cache -> fetched once for all who wait, verified, put there
//! ```
//! Always whole segments are fetched, decoded, encoded again and compared, also for a range of a few bytes:
//! then no two readers of HTTP ever differ, and what one of them waited for is there for the next.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use floe_chain::id::ObjectId;
use floe_client::{
    advice::{Advice, ErrorKind},
    plan::SegmentRead,
    progress::Silent,
    read::FoundBlob,
};
use floe_codec::{BlobId, BlobLayout, SegmentIndex, SegmentLayout};
use futures::{Stream, stream};
use hashlink::LinkedHashMap;
use tokio::time::timeout;

use crate::{
    answers::{Answer, Answers},
    budget::Budget,
    cache::{BLOCK, Cache, Cached, Key},
    error::ServeError,
    flights::Flights,
    metrics::Metrics,
    upstream::{Named, Upstream},
};

/// How long a blob that exists is believed to, and what stays in the cache is given out unasked.
const EXISTS: Duration = Duration::from_secs(60);
/// How long one that does not exist is believed not to: it may be stored any moment.
pub(crate) const MISSING: Duration = Duration::from_secs(2);
/// How long an object stands for what it did: its owner may delete or extend it.
const NAMED: Duration = Duration::from_secs(10);
/// How long the word of the nodes is waited for about a blob that existed when they were last asked.
const RECHECK: Duration = Duration::from_secs(3);
/// Blobs and objects remembered, each some hundred bytes.
const REMEMBERED: usize = 1 << 16;
/// Blobs whose first metadata are at hand, each up to 128 KiB.
const AT_HAND: usize = 64;

/// Every blob there is.
pub(crate) struct Blobs {
    upstream: Upstream,
    cache: Option<Arc<Cache>>,
    budget: Budget,
    metrics: Metrics,
    layouts: Answers<BlobId, Result<BlobLayout, ServeError>>,
    names: Answers<ObjectId, Result<Named, ServeError>>,
    found: Mutex<LinkedHashMap<BlobId, FoundBlob>>,
    finding: Flights<BlobId, Result<BlobLayout, ServeError>>,
    naming: Flights<ObjectId, Result<Named, ServeError>>,
    fetching: Flights<Key, Result<Bytes, ServeError>>,
}

/// The bytes of a verified segment, wherever they are.
enum Held {
    Memory(Bytes),
    Disk(Cached),
}

/// A part of a segment on its way to a reader.
pub(crate) struct Portion {
    blobs: Arc<Blobs>,
    blob: BlobId,
    read: SegmentRead,
    held: Held,
}

impl Blobs {
    pub(crate) fn new(
        upstream: Upstream,
        cache: Option<Arc<Cache>>,
        memory: u64,
        metrics: Metrics,
    ) -> Self {
        Self {
            upstream,
            cache,
            budget: Budget::new(memory),
            metrics,
            layouts: Answers::new(REMEMBERED),
            names: Answers::new(REMEMBERED),
            found: Mutex::default(),
            finding: Flights::default(),
            naming: Flights::default(),
            fetching: Flights::default(),
        }
    }

    /// The shape of a blob that exists. One that did when it was last looked for, still does while
    /// nobody can be asked.
    pub(crate) async fn find(self: &Arc<Self>, blob: BlobId) -> Result<BlobLayout, ServeError> {
        let last = match self.layouts.get(&blob) {
            Some(Answer::Fresh(answer)) => return answer,
            Some(Answer::Stale(answer)) => answer.ok(),
            None => None,
        };
        let look = || {
            let this = Arc::clone(self);
            async move { this.look_for(blob, last).await }
        };
        let (flight, _) = self.finding.join(blob, look);
        let Some(last) = last else {
            return flight.await;
        };
        match timeout(RECHECK, flight).await {
            Ok(Ok(layout)) => Ok(layout),
            Ok(Err(error)) if error.kind() != ErrorKind::Retry => Err(error),
            Ok(Err(_)) | Err(_) => {
                self.layouts.put(blob, Ok(last), EXISTS);
                Ok(last)
            }
        }
    }

    /// The blob that an object stands for.
    pub(crate) async fn name(self: &Arc<Self>, object: ObjectId) -> Result<Named, ServeError> {
        if let Some(Answer::Fresh(answer)) = self.names.get(&object) {
            return answer;
        }
        let ask = || {
            let this = Arc::clone(self);
            async move {
                let answer = this.upstream.resolve(object).await;
                match &answer {
                    Ok(_) => this.names.put(object, answer.clone(), NAMED),
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        this.names.put(object, answer.clone(), MISSING);
                    }
                    Err(_) => {}
                }
                answer
            }
        };
        self.naming.join(object, ask).0.await
    }

    /// Asks the nodes for a blob, which had the shape `last` when they were asked before.
    async fn look_for(
        &self,
        blob: BlobId,
        last: Option<BlobLayout>,
    ) -> Result<BlobLayout, ServeError> {
        let answer = self.ask_for(blob).await.map(|found| *found.layout());
        let good_for = match &answer {
            Ok(_) => EXISTS,
            Err(error) => match error.kind() {
                ErrorKind::NotFound => MISSING,
                // Nothing makes an inconsistent blob consistent.
                ErrorKind::Corrupt { .. } => EXISTS,
                _ => return answer,
            },
        };
        self.layouts.put(blob, answer.clone(), good_for);
        if let (Err(_), Some(last)) = (&answer, last) {
            self.forget(blob, last).await;
        }
        answer
    }

    /// Finds a blob and keeps what is needed to read it at hand.
    async fn ask_for(&self, blob: BlobId) -> Result<FoundBlob, ServeError> {
        let found = self.upstream.find(blob, Arc::new(Silent)).await?;
        let mut at_hand = self.at_hand();
        at_hand.insert(blob, found.clone());
        if at_hand.len() > AT_HAND {
            at_hand.pop_front();
        }
        Ok(found)
    }

    fn at_hand(&self) -> MutexGuard<'_, LinkedHashMap<BlobId, FoundBlob>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what is cached of a blob that is gone.
    async fn forget(&self, blob: BlobId, layout: BlobLayout) {
        let segments = layout.segments().map(move |layout| layout.index());
        let all = move |cache: &Cache| {
            segments.for_each(|segment| cache.drop_segment(&Key { blob, segment }));
        };
        // A task that died has nothing to tell here.
        let _ = self.on_disk(all).await;
    }

    /// A part of a segment; its bytes are in the cache or in memory when this returns.
    pub(crate) async fn portion(
        self: &Arc<Self>,
        blob: BlobId,
        read: SegmentRead,
    ) -> Result<Portion, ServeError> {
        let segment = read.layout;
        let held = match self.cached(blob, segment).await? {
            Some(cached) => {
                self.metrics.hits.inc();
                Held::Disk(cached)
            }
            None => {
                self.metrics.misses.inc();
                let bytes = self.fetch(blob, segment).await?;
                // From the disk a slow reader takes a block at a time, and no memory.
                match self.cached(blob, segment).await? {
                    Some(cached) => Held::Disk(cached),
                    None => Held::Memory(bytes),
                }
            }
        };
        Ok(Portion {
            blobs: Arc::clone(self),
            blob,
            read,
            held,
        })
    }

    async fn cached(
        &self,
        blob: BlobId,
        segment: SegmentLayout,
    ) -> Result<Option<Cached>, ServeError> {
        let key = key(blob, segment.index());
        let found = self.on_disk(move |cache| cache.get(key, segment.length()));
        Ok(found.await?.flatten())
    }

    /// All bytes of a segment that is in the cache undamaged.
    async fn cached_bytes(
        &self,
        blob: BlobId,
        segment: SegmentLayout,
    ) -> Result<Option<Bytes>, ServeError> {
        let (key, length) = (key(blob, segment.index()), segment.length());
        let read = move |cache: &Cache| {
            let cached = cache.get(key, length)?;
            let mut bytes = BytesMut::with_capacity(length);
            for number in 0..length.div_ceil(BLOCK) {
                bytes.extend_from_slice(&cached.block(number).ok()?);
            }
            Some(bytes.freeze())
        };
        Ok(self.on_disk(read).await?.flatten())
    }

    /// A segment, from the network unless it is in the cache by now, once for everybody who wants it now.
    async fn fetch(
        self: &Arc<Self>,
        blob: BlobId,
        segment: SegmentLayout,
    ) -> Result<Bytes, ServeError> {
        let start = || {
            let this = Arc::clone(self);
            async move { this.fetch_one(blob, segment).await }
        };
        let (flight, joined) = self.fetching.join(key(blob, segment.index()), start);
        if joined {
            self.metrics.shared.inc();
        }
        flight.await
    }

    async fn fetch_one(&self, blob: BlobId, segment: SegmentLayout) -> Result<Bytes, ServeError> {
        let share = self.budget.to_fetch(segment.length()).await?;
        // Another flight may have landed since the cache was looked at.
        if let Some(bytes) = self.cached_bytes(blob, segment).await? {
            return Ok(share.keep(bytes));
        }
        let at_hand = self.at_hand().to_back(&blob).cloned();
        let found = match at_hand {
            Some(found) => found,
            None => self.ask_for(blob).await?,
        };
        let bytes = match found.segment(segment).await {
            Ok(bytes) => bytes,
            Err(error) => {
                // What it has learned of the nodes has not helped.
                self.at_hand().remove(&blob);
                return Err(error.into());
            }
        };
        self.metrics.fetched.inc();
        let bytes = share.keep(bytes);
        let (key, copy) = (key(blob, segment.index()), bytes.clone());
        let put = self.on_disk(move |cache| cache.put(key, &copy)).await?;
        if let Some(Err(error)) = put {
            self.metrics.unwritten.inc();
            tracing::warn!(%error, "the cache takes no more segments: is its disk full?");
        }
        Ok(bytes)
    }

    /// Works on the cache, if there is one, where it blocks nobody.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cache) -> T + Send + 'static,
    ) -> Result<Option<T>, ServeError> {
        let Some(cache) = self.cache.clone() else {
            return Ok(None);
        };
        blocking(move || work(&cache)).await.map(Some)
    }
}

impl Portion {
    /// The bytes of the part, in order, a block at a time. A cached block that is damaged is fetched
    /// again.
    pub(crate) fn into_pieces(self) -> impl Stream<Item = Result<Bytes, ServeError>> + Send {
        stream::try_unfold(self, |mut this| async move {
            let piece = this.next().await?;
            Ok(piece.map(|piece| (piece, this)))
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ServeError> {
        let left = self.read.bytes.clone();
        if left.is_empty() {
            return Ok(None);
        }
        let number = left.start / BLOCK;
        let start = number * BLOCK;
        let end = left.end.min(start + BLOCK);
        let piece = match self.block(number).await? {
            Some(block) => block.slice(left.start - start..end - start),
            None => self.bytes_again().await?.slice(left.start..end),
        };
        self.read.bytes.start = end;
        Ok(Some(piece))
    }

    /// A block of the segment; none if it is damaged.
    async fn block(&self, number: usize) -> Result<Option<Bytes>, ServeError> {
        match &self.held {
            Held::Memory(bytes) => {
                let start = number * BLOCK;
                Ok(Some(bytes.slice(start..bytes.len().min(start + BLOCK))))
            }
            Held::Disk(cached) => {
                let cached = cached.clone();
                blocking(move || cached.block(number).ok()).await
            }
        }
    }

    /// The segment from the network, in place of the damaged one.
    async fn bytes_again(&mut self) -> Result<Bytes, ServeError> {
        let key = key(self.blob, self.read.layout.index());
        let drop_it = self.blobs.on_disk(move |cache| cache.damaged(&key));
        drop_it.await?;
        let bytes = self.blobs.fetch(self.blob, self.read.layout).await?;
        self.held = Held::Memory(bytes.clone());
        Ok(bytes)
    }
}

fn key(blob: BlobId, segment: SegmentIndex) -> Key {
    Key { blob, segment }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panicked| ServeError::Task(panicked.to_string()))
}
