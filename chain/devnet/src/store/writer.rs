//! The one thread that extends the log. Batches whatever is queued into one write and one sync; after a failed sync it never acknowledges again.

use std::{
    fs::File,
    io::Write,
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use tokio::sync::watch;

use super::{Frames, LogError, Record, log};

/// Count of records since the process started; a record is durable when [`Writer::durable`] has reached its position.
pub(crate) type Position = u64;

/// Records that may wait for the disk before callers are held back.
const QUEUE: usize = 4_096;

/// How far the disk is, or why it will get no further.
#[derive(Clone, Debug)]
enum Progress {
    Durable(Position),
    Failed(String),
}

/// Handle to the writing thread. Dropping it writes out the queue and joins the thread.
pub(crate) struct Writer {
    queue: Option<SyncSender<Record>>,
    queued: Position,
    progress: watch::Receiver<Progress>,
    thread: Option<JoinHandle<()>>,
}

/// Resolves when a position is durable.
#[derive(Clone)]
pub(crate) struct Durable(watch::Receiver<Progress>);

/// The log can no longer be extended; the process must be restarted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the log cannot be written any more: {0}")]
pub struct WriteFailed(String);

impl WriteFailed {
    /// The process is stopping.
    pub fn stopped(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

impl Writer {
    /// Starts the thread at the end of `frames`, whose records have been replayed.
    pub(crate) fn start(frames: Frames, path: PathBuf) -> Result<Self, LogError> {
        let (queue, records) = sync_channel(QUEUE);
        let (report, progress) = watch::channel(Progress::Durable(0));
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || {
                let outcome = write(&records, frames.file, frames.end, &report);
                if let Err(error) = outcome {
                    tracing::error!(path = %path.display(), %error, "the log cannot be written any more; nothing is acknowledged from now on");
                    report.send_replace(Progress::Failed(error.to_string()));
                }
            })
            .map_err(|source| LogError::Io { path: PathBuf::from("log-writer"), source })?;
        Ok(Self {
            queue: Some(queue),
            queued: 0,
            progress,
            thread: Some(thread),
        })
    }

    /// Queues a record; blocks while [`QUEUE`] records wait. Returns the position to wait for.
    pub(crate) fn append(&mut self, record: Record) -> Position {
        // A send fails only after the thread reported its failure, which every waiter sees.
        if let Some(queue) = &self.queue {
            drop(queue.send(record));
        }
        self.queued += 1;
        self.queued
    }

    /// Position of the last queued record.
    pub(crate) fn tail(&self) -> Position {
        self.queued
    }

    /// A waiter that does not borrow the writer.
    pub(crate) fn durable(&self) -> Durable {
        Durable(self.progress.clone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Durable {
    /// Waits until `position` is on disk.
    pub(crate) async fn reach(&mut self, position: Position) -> Result<(), WriteFailed> {
        let reached = |progress: &Progress| match progress {
            Progress::Durable(durable) => *durable >= position,
            Progress::Failed(_) => true,
        };
        match self.0.wait_for(reached).await.as_deref() {
            Ok(Progress::Durable(_)) => Ok(()),
            Ok(Progress::Failed(reason)) => Err(WriteFailed(reason.clone())),
            Err(_) => Err(WriteFailed("the writer has stopped".into())),
        }
    }
}

fn write(
    records: &Receiver<Record>,
    mut file: File,
    mut end: u64,
    report: &watch::Sender<Progress>,
) -> Result<(), LogError> {
    let io = |source| LogError::Io {
        path: PathBuf::from("chain.log"),
        source,
    };
    let mut written = 0;
    let mut durable = end;
    let mut batch = Vec::new();
    while let Ok(first) = records.recv() {
        batch.clear();
        for record in std::iter::once(first).chain(records.try_iter()) {
            let offset = end + u64::try_from(batch.len()).expect("a batch fits in memory");
            log::frame(&record, offset, durable, &mut batch)?;
            written += 1;
        }
        file.write_all(&batch).map_err(io)?;
        file.sync_data().map_err(io)?;
        end += u64::try_from(batch.len()).expect("a batch fits in memory");
        durable = end;
        report.send_replace(Progress::Durable(written));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn appended_records_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chain.log");
        let mut writer = Writer::start(Frames::open(&path).unwrap(), path.clone()).unwrap();
        for timestamp_ms in 0..100 {
            writer.append(Record::Window { timestamp_ms });
        }
        writer.durable().reach(writer.tail()).await.unwrap();
        let frames = Frames::open(&path).unwrap();
        let expected: Vec<_> = (0..100)
            .map(|timestamp_ms| Record::Window { timestamp_ms })
            .collect();
        assert_eq!(frames.records, expected);
    }

    #[tokio::test]
    async fn a_failed_write_is_never_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chain.log");
        let mut frames = Frames::open(&path).unwrap();
        frames.file = File::open(&path).unwrap(); // read-only: every write fails
        let mut writer = Writer::start(frames, path).unwrap();
        for timestamp_ms in 0..3 {
            let position = writer.append(Record::Window { timestamp_ms });
            writer.durable().reach(position).await.unwrap_err();
        }
    }
}
