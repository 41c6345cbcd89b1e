//! The context that all coding runs in: threads, prepared codes and pooled working memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    ShardCount, Tier, TierError,
    code::{self, Codes},
    pool::Pool,
    segment::Scratch,
    stream::StreamMemory,
};

/// Encodes, decodes, recovers and verifies.
///
/// Cheap to clone; clones share threads, prepared codes and working memory, which stays: as many buffers
/// as were in use at once, each as large as it ever had to be. It serves blobs of every shard count. Calls block until they are done: asynchronous callers
/// use a blocking task.
#[derive(Clone)]
pub struct Codec(Arc<Context>);

struct Context {
    threads: Arc<rayon::ThreadPool>,
    tier: Tier,
    codes: Mutex<BTreeMap<ShardCount, Arc<Codes>>>,
    scratch: Pool<Scratch>,
    streams: StreamMemory,
}

/// Why a codec cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The operating system refused to start the threads asked for.
    #[error("cannot start {count} coding threads")]
    Threads {
        /// How many threads were asked for.
        count: usize,
        /// What it said.
        source: rayon::ThreadPoolBuildError,
    },
    /// `FLOE_KERNEL` names a tier that cannot be used.
    #[error("{variable} is set to a kernel that cannot be used", variable = Tier::VARIABLE)]
    Kernel(#[from] TierError),
}

impl Codec {
    /// A codec with `threads` threads of its own; 0 means one per processor.
    pub fn new(threads: usize) -> Result<Self, CodecError> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("floe-codec-{index}"))
            .build()
            .map_err(|source| CodecError::Threads {
                count: threads,
                source,
            })
            .and_then(|pool| Ok(Self::with(Arc::new(pool), Tier::select()?)))
    }

    /// A codec on an existing pool, with the arithmetic of `tier`. One thread makes it deterministic
    /// in time as well as in result.
    #[must_use]
    pub fn with(threads: Arc<rayon::ThreadPool>, tier: Tier) -> Self {
        Self(Arc::new(Context {
            threads,
            tier,
            codes: Mutex::default(),
            scratch: Pool::default(),
            streams: StreamMemory::default(),
        }))
    }

    /// How many segments or slivers can be worked on at once.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.0.threads.current_num_threads()
    }

    /// Runs `work`, and the parallel iterators in it, on this codec's threads.
    pub(crate) fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.threads.install(work)
    }

    /// The codes of `shards`, prepared at first use.
    pub(crate) fn codes(&self, shards: ShardCount) -> Arc<Codes> {
        let mut prepared = self.0.codes.lock().unwrap_or_else(PoisonError::into_inner);
        prepared
            .entry(shards)
            .or_insert_with(|| Arc::new(code::codes(self.0.tier, shards)))
            .clone()
    }

    /// The arithmetic this codec runs on.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.0.tier
    }

    pub(crate) fn scratch(&self) -> &Pool<Scratch> {
        &self.0.scratch
    }

    pub(crate) fn streams(&self) -> &StreamMemory {
        &self.0.streams
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec")
            .field("threads", &self.threads())
            .field("tier", &self.tier())
            .finish_non_exhaustive()
    }
}
