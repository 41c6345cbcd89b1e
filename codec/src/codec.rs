//! The context that all coding runs in: threads, prepared codes and pooled working memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    ShardCount,
    code::{self, Codes},
    pool::Pool,
    segment::Scratch,
};

/// Encodes, decodes, recovers and verifies.
///
/// Cheap to clone; clones share threads, prepared codes and working memory. It serves blobs of every
/// shard count. Calls block until they are done: asynchronous callers use a blocking task.
#[derive(Clone)]
pub struct Codec(Arc<Context>);

struct Context {
    threads: Arc<rayon::ThreadPool>,
    codes: Mutex<BTreeMap<ShardCount, Arc<Codes>>>,
    scratch: Pool<Scratch>,
}

/// The operating system refused to start the threads asked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {count} coding threads")]
pub struct ThreadsError {
    /// How many threads were asked for.
    pub count: usize,
    source: rayon::ThreadPoolBuildError,
}

impl Codec {
    /// A codec with `threads` threads of its own; 0 means one per processor.
    pub fn new(threads: usize) -> Result<Self, ThreadsError> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("floe-codec-{index}"))
            .build()
            .map(|pool| Self::with_threads(Arc::new(pool)))
            .map_err(|source| ThreadsError {
                count: threads,
                source,
            })
    }

    /// A codec on an existing pool; one thread makes it deterministic in time as well as in result.
    #[must_use]
    pub fn with_threads(threads: Arc<rayon::ThreadPool>) -> Self {
        Self(Arc::new(Context {
            threads,
            codes: Mutex::default(),
            scratch: Pool::default(),
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
            .or_insert_with(|| Arc::new(code::codes(shards)))
            .clone()
    }

    pub(crate) fn scratch(&self) -> &Pool<Scratch> {
        &self.0.scratch
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec")
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}
