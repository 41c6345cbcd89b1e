//! The running chain: one ledger behind a lock, its log, and the task that seals checkpoints. The only place that reads the machine's clock.

use std::{
    sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sui_sdk_types::SignedTransaction;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    execute::{Authorized, Refusal},
    ledger::{Checkpoint, Executed, Ledger},
    store::{Durable, Position, WriteFailed, Writer},
};

/// How often checkpoints are made.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    /// Time between checkpoints while there are transactions.
    pub busy: Duration,
    /// Time between checkpoints that only tick the clock.
    pub idle: Duration,
    /// Length of an epoch by the chain's clock.
    pub epoch: Duration,
}

struct Inner {
    ledger: Ledger,
    writer: Writer,
}

impl Inner {
    /// Hands the ledger's new records to the log; the position is durable when everything so far is.
    fn flush(&mut self) -> Position {
        for record in self.ledger.take_records() {
            self.writer.append(record);
        }
        self.writer.tail()
    }
}

/// A running chain.
pub(crate) struct Node {
    inner: RwLock<Inner>,
    durable: Durable,
    work: Notify,
    cadence: Cadence,
    /// Number of checkpoints that are on disk and may be shown.
    height: watch::Sender<u64>,
}

/// Why a transaction has no effects.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was executed, but may be lost.
    #[error(transparent)]
    NotDurable(#[from] WriteFailed),
}

impl Node {
    /// A node over a ledger and the log it continues.
    pub(crate) fn new(ledger: Ledger, writer: Writer, cadence: Cadence) -> Self {
        let durable = writer.durable();
        let mut inner = Inner { ledger, writer };
        inner.flush();
        Self {
            inner: RwLock::new(inner),
            durable,
            work: Notify::new(),
            cadence,
            height: watch::channel(0).0,
        }
    }

    /// Executes a transaction; returns when it is on disk.
    pub(crate) async fn submit(
        self: &Arc<Self>,
        signed: SignedTransaction,
    ) -> Result<Arc<Executed>, SubmitError> {
        let authorized = blocking(|| Authorized::verify(signed)).await??;
        self.change(|ledger, now_ms| ledger.submit(authorized, now_ms))
            .await?
            .map_err(SubmitError::Refused)
    }

    /// Changes the ledger off the event loop; returns when the change is on disk.
    pub(crate) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Ledger, u64) -> T + Send + 'static,
    ) -> Result<T, WriteFailed> {
        let node = self.clone();
        let (result, position) = blocking(move || {
            let mut inner = node.write()?;
            let result = change(&mut inner.ledger, now_ms());
            Ok((result, inner.flush()))
        })
        .await??;
        self.work.notify_one();
        self.durable.clone().reach(position).await?;
        Ok(result)
    }

    /// Reads the ledger; returns when everything that was read is on disk.
    pub(crate) async fn read<T>(&self, read: impl FnOnce(&Ledger) -> T) -> Result<T, WriteFailed> {
        let (result, position) = {
            let inner = self.lock()?;
            (read(&inner.ledger), inner.writer.tail())
        };
        self.durable.clone().reach(position).await?;
        Ok(result)
    }

    /// Runs something long over the ledger off the event loop, without changing it.
    pub(crate) async fn study<T: Send + 'static>(
        self: &Arc<Self>,
        study: impl FnOnce(&Ledger, u64) -> T + Send + 'static,
    ) -> Result<T, WriteFailed> {
        let node = self.clone();
        let (result, position) = blocking(move || {
            let inner = node.lock()?;
            Ok((study(&inner.ledger, now_ms()), inner.writer.tail()))
        })
        .await??;
        self.durable.clone().reach(position).await?;
        Ok(result)
    }

    /// Seals a checkpoint now; returns when it is on disk.
    pub(crate) async fn seal(
        self: &Arc<Self>,
        end_of_epoch: bool,
    ) -> Result<Arc<Checkpoint>, WriteFailed> {
        let checkpoint = self
            .change(move |ledger, now_ms| ledger.seal(now_ms, end_of_epoch))
            .await?;
        self.publish().await?;
        Ok(checkpoint)
    }

    /// Follows the number of checkpoints that are on disk.
    pub(crate) fn height(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// Makes checkpoints until told to stop. Ends with an error if the log fails.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), WriteFailed> {
        self.publish().await?;
        let mut last = Instant::now();
        loop {
            let busy = self.lock()?.ledger.has_work();
            let due = last
                + if busy {
                    self.cadence.busy
                } else {
                    self.cadence.idle
                };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.work.notified(), if !busy => {}
                () = tokio::time::sleep_until(due) => {
                    let epoch_ends = self.lock()?.ledger.epoch_lasts(self.cadence.epoch, now_ms());
                    self.seal(epoch_ends).await?;
                    last = Instant::now();
                }
            }
        }
    }

    async fn publish(&self) -> Result<(), WriteFailed> {
        let height = self.read(|ledger| ledger.history().height()).await?;
        self.height.send_if_modified(|shown| {
            let grown = height > *shown;
            *shown = height.max(*shown);
            grown
        });
        Ok(())
    }

    fn lock(&self) -> Result<RwLockReadGuard<'_, Inner>, WriteFailed> {
        self.inner.read().map_err(|_| broken())
    }

    fn write(&self) -> Result<RwLockWriteGuard<'_, Inner>, WriteFailed> {
        self.inner.write().map_err(|_| broken())
    }
}

/// A change ended in a panic: what is in memory may be half of it. What is on disk is whole.
fn broken() -> WriteFailed {
    WriteFailed::stopped("an internal error; start the chain again")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WriteFailed> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| WriteFailed::stopped(&error.to_string()))
}

/// Milliseconds since the Unix epoch by the machine's clock.
pub(crate) fn now_ms() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
