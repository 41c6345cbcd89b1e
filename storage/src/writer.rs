//! The way to the engine: a bounded queue, a thread that drains it, and answers to wait for.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    thread::{self, JoinHandle},
};

use futures::{channel::oneshot, executor::block_on};

use crate::{
    engine::{Engine, Job, StoreFailed},
    index::Writing,
    settings::Settings,
    table::IndexError,
};

/// The writer's queue is full. Nothing was taken; try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many writes are waiting for the disk")]
pub struct Busy;

/// The answer to a write, to be waited for: with [`Pending::wait`] or `.await`.
///
/// Dropping it does not take the write back.
#[derive(Debug)]
#[must_use = "the write is durable only once this has said so"]
pub struct Pending<T, E>(oneshot::Receiver<Result<T, E>>);

impl<T, E> Pending<T, E> {
    /// An answer that is there already.
    pub(crate) fn ready(answer: Result<T, E>) -> Self {
        let (mut reply, pending) = Reply::new();
        reply.send(answer);
        pending
    }
}

impl<T, E: From<StoreFailed>> Pending<T, E> {
    /// Blocks until the write is durable or refused.
    pub fn wait(self) -> Result<T, E> {
        block_on(self)
    }
}

impl<T, E: From<StoreFailed>> Future for Pending<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|answer| answer.unwrap_or_else(|_| Err(StoreFailed::new(&"closed").into())))
    }
}

/// Where a job's answer goes, once.
#[derive(Debug)]
pub(crate) struct Reply<T, E>(Option<oneshot::Sender<Result<T, E>>>);

impl<T, E> Reply<T, E> {
    pub(crate) fn new() -> (Self, Pending<T, E>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), Pending(receiver))
    }

    pub(crate) fn send(&mut self, answer: Result<T, E>) {
        // Whoever asked may have stopped waiting.
        let _ = self.0.take().map(|sender| sender.send(answer));
    }
}

/// A job that only changes the index.
struct Change<F, T, E> {
    payload: usize,
    change: F,
    result: Option<Result<T, E>>,
    reply: Reply<T, E>,
}

impl<F, T, E> Job for Change<F, T, E>
where
    F: FnMut(&mut Writing<'_>) -> Result<Result<T, E>, IndexError> + Send,
    T: Send,
    E: From<StoreFailed> + Send,
{
    fn payload(&self) -> usize {
        self.payload
    }

    fn run(&mut self, tables: &mut Writing<'_>) -> Result<bool, IndexError> {
        let result = (self.change)(tables)?;
        let keep = result.is_ok();
        self.result = Some(result);
        Ok(keep)
    }

    fn finish(&mut self, outcome: Result<(), StoreFailed>) {
        match (outcome, self.result.take()) {
            (Ok(()), Some(result)) => self.reply.send(result),
            (Ok(()), None) => {}
            (Err(failed), _) => self.reply.send(Err(failed.into())),
        }
    }
}

/// Takes jobs.
#[derive(Debug)]
pub(crate) enum Writer {
    /// A thread commits whatever has come while it was busy.
    Thread {
        queue: Arc<Queue>,
        thread: Option<JoinHandle<()>>,
    },
    /// Every job is committed at once, by whoever brings it: deterministic, for simulations.
    Inline(Box<Mutex<Engine>>),
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    max_jobs: usize,
    max_bytes: usize,
    commit_bytes: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Box<dyn Job>>,
    bytes: usize,
    closed: bool,
    failed: Option<StoreFailed>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("jobs", &self.jobs.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn inline(engine: Engine) -> Self {
        Self::Inline(Box::new(Mutex::new(engine)))
    }

    pub(crate) fn thread(engine: Engine, settings: &Settings) -> std::io::Result<Self> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            changed: Condvar::new(),
            max_jobs: settings.queue_jobs,
            max_bytes: settings.queue_bytes,
            commit_bytes: settings.commit_bytes,
        });
        let thread = thread::Builder::new().name("floe-store".into()).spawn({
            let queue = Arc::clone(&queue);
            move || queue.drain(engine)
        })?;
        Ok(Self::Thread {
            queue,
            thread: Some(thread),
        })
    }

    pub(crate) fn submit(&self, job: Box<dyn Job>) -> Result<(), Busy> {
        match self {
            Self::Thread { queue, .. } => queue.push(job),
            Self::Inline(engine) => {
                // The engine remembers its failures itself, and each job was answered.
                let _ = locked(engine).commit(vec![job]);
                Ok(())
            }
        }
    }

    /// Submits a change of the index that carries `payload` bytes. It may be run more than once, on equal tables; if it
    /// returns an error, nothing it changed is kept.
    pub(crate) fn change<T, E, F>(&self, payload: usize, change: F) -> Result<Pending<T, E>, Busy>
    where
        F: FnMut(&mut Writing<'_>) -> Result<Result<T, E>, IndexError> + Send + 'static,
        T: Send + 'static,
        E: From<StoreFailed> + Send + 'static,
    {
        let (reply, pending) = Reply::new();
        self.submit(Box::new(Change {
            payload,
            change,
            result: None,
            reply,
        }))?;
        Ok(pending)
    }

    pub(crate) fn failure(&self) -> Option<StoreFailed> {
        match self {
            Self::Thread { queue, .. } => locked(&queue.state).failed.clone(),
            Self::Inline(engine) => locked(engine).failed.clone(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Self::Thread { queue, thread } = self {
            locked(&queue.state).closed = true;
            queue.changed.notify_all();
            // It finishes what was taken; if it panicked, its jobs' answers said so.
            let _ = thread.take().map(JoinHandle::join);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When the writer stops, and be it by a panic, nobody goes on waiting for it.
struct Stopped<'a>(&'a Queue);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let failed = StoreFailed::new(&"the writer has stopped");
        let mut state = locked(&self.0.state);
        state.closed = true;
        for job in &mut state.jobs {
            job.finish(Err(failed.clone()));
        }
        state.jobs.clear();
        state.failed.get_or_insert(failed);
    }
}

impl Queue {
    fn push(&self, mut job: Box<dyn Job>) -> Result<(), Busy> {
        let bytes = job.payload();
        let mut state = locked(&self.state);
        if state.closed {
            job.finish(Err(StoreFailed::new(&"the writer has stopped")));
            return Ok(());
        }
        let full = state.jobs.len() >= self.max_jobs
            // One job is always taken, however large it is.
            || (state.bytes > 0 && bytes > 0 && state.bytes + bytes > self.max_bytes);
        if full {
            return Err(Busy);
        }
        state.bytes += bytes;
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Runs until the queue is closed and empty.
    fn drain(&self, mut engine: Engine) {
        let _stopped = Stopped(self);
        while let Some(jobs) = self.take() {
            let bytes: usize = jobs.iter().map(|job| job.payload()).sum();
            let outcome = engine.commit(jobs);
            let mut state = locked(&self.state);
            state.bytes -= bytes;
            state.failed = outcome.err();
        }
    }

    /// Waits for jobs and takes as many as go into one commit.
    fn take(&self) -> Option<Vec<Box<dyn Job>>> {
        let mut state = locked(&self.state);
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let mut jobs = Vec::new();
        while let Some(job) = state.jobs.front() {
            bytes += job.payload();
            if bytes > self.commit_bytes && !jobs.is_empty() {
                break;
            }
            jobs.extend(state.jobs.pop_front());
        }
        Some(jobs)
    }
}
