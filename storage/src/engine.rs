//! Group commit: many jobs, one commit of log and index, then the answers.
//!
//! Owns the order on which every promise rests: sliver bytes durable, directory durable, index
//! durable, and only then an acknowledgement. One thread runs it. After a failed write or sync it
//! answers nothing but refusals until the store was opened again.

use std::{io, sync::Arc};

use bytes::Bytes;

use crate::{
    backend::Backend,
    index::{Index, Snapshot, Writing},
    log::{AppendError, Appender, Location, record::RecordHeader, volume::VolumeId},
    table::IndexError,
};

/// Slivers to be appended.
pub(crate) type Records = Vec<(RecordHeader, Bytes)>;

/// Something to be done in the next commit. The methods are called in the order in which they
/// stand here, [`Job::run`] possibly more than once.
pub(crate) trait Job: Send {
    /// Payload bytes that wait in the queue with it.
    fn payload(&self) -> usize {
        0
    }

    /// A volume not to be appended to any more.
    fn seals(&self) -> Option<VolumeId> {
        None
    }

    /// Whether files were removed for it, which must be durable before it is committed.
    fn removed_files(&self) -> bool {
        false
    }

    /// The slivers to append: those not stored yet, or none if the job is refused.
    fn admit(&mut self, _index: &Snapshot) -> Result<Records, IndexError> {
        Ok(Records::new())
    }

    /// Whether it may use some of the space that is to stay free, because it will free more.
    fn frees_space(&self) -> bool {
        false
    }

    /// Where they were appended; `None` if the disk is full.
    fn place(&mut self, _locations: Option<Vec<Location>>) {}

    /// Whether [`Job::run`] has nothing to write.
    fn is_idle(&self) -> bool {
        false
    }

    /// Changes the index. `false` if the job is refused and what it changed must not be kept.
    fn run(&mut self, tables: &mut Writing<'_>) -> Result<bool, IndexError>;

    /// Answers whoever waits, once: the job is durable or refused, or the store has failed.
    fn finish(&mut self, outcome: Result<(), StoreFailed>);
}

/// The store has failed, and acknowledges nothing until it is opened again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store has failed and must be opened again: {reason}")]
pub struct StoreFailed {
    /// What went wrong first.
    pub reason: Arc<str>,
}

impl StoreFailed {
    pub(crate) fn new(reason: &dyn std::fmt::Display) -> Self {
        Self {
            reason: reason.to_string().into(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum CommitError {
    #[error("the sliver log: {0}")]
    Log(io::Error),
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The job with this number was refused; the others are to be run again.
    #[error("job {0} was refused")]
    Undo(usize),
}

/// Commits.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) index: Arc<Index>,
    pub(crate) appender: Appender,
    /// No slivers are accepted while less is free.
    pub(crate) reserve_bytes: u64,
    /// The volume number on disk.
    pub(crate) saved_number: u64,
    pub(crate) failed: Option<StoreFailed>,
}

impl Engine {
    /// Does all jobs and answers each. The jobs share one commit.
    pub(crate) fn commit(&mut self, mut jobs: Vec<Box<dyn Job>>) -> Result<(), StoreFailed> {
        let outcome = match &self.failed {
            Some(failed) => Err(failed.clone()),
            None => self.try_commit(&mut jobs).map_err(|error| {
                tracing::error!(%error, "the store has failed");
                StoreFailed::new(&error)
            }),
        };
        self.failed = outcome.as_ref().err().cloned();
        for job in &mut jobs {
            job.finish(outcome.clone());
        }
        outcome
    }

    fn try_commit(&mut self, jobs: &mut Vec<Box<dyn Job>>) -> Result<(), CommitError> {
        for job in &*jobs {
            if let Some(volume) = job.seals() {
                self.appender.seal(volume);
            }
        }
        self.append(jobs)?;
        if jobs.iter().any(|job| job.removed_files()) {
            self.appender.directory_changed();
        }
        self.appender.sync().map_err(CommitError::Log)?;
        if cfg!(sabotage = "ack_before_index") {
            jobs.iter_mut().for_each(|job| job.finish(Ok(())));
        }
        while jobs.iter().any(|job| !job.is_idle()) {
            let number = self.appender.next_number();
            let change = |tables: &mut Writing<'_>| {
                if number != self.saved_number {
                    tables.numbering.insert(&(), &number)?;
                }
                for (index, job) in jobs.iter_mut().enumerate() {
                    if !job.run(tables)? {
                        return Err(CommitError::Undo(index));
                    }
                }
                Ok(std::mem::take(&mut tables.retired))
            };
            match self.index.write(change) {
                Ok(retired) => {
                    retired
                        .into_iter()
                        .for_each(|volume| self.appender.seal(volume));
                    self.saved_number = number;
                    break;
                }
                Err(CommitError::Undo(index)) => jobs.remove(index).finish(Ok(())),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn append(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), CommitError> {
        if jobs.iter().all(|job| job.payload() == 0) {
            return Ok(());
        }
        let snapshot = self.index.snapshot()?;
        let mut free = self.backend.free_bytes().map_err(CommitError::Log)?;
        for job in jobs {
            let records = job.admit(&snapshot)?;
            if records.is_empty() {
                continue;
            }
            let size: u64 = records.iter().map(|(header, _)| header.record_size()).sum();
            let reserve = if job.frees_space() {
                self.reserve_bytes / 4
            } else {
                self.reserve_bytes
            };
            let appended = if size.saturating_add(reserve) <= free {
                self.appender.append(&records)
            } else {
                Err(AppendError::Full)
            };
            match appended {
                Ok(locations) => {
                    free -= size;
                    job.place(Some(locations));
                }
                Err(AppendError::Full) => job.place(None),
                Err(AppendError::Io(error)) => return Err(CommitError::Log(error)),
            }
        }
        Ok(())
    }
}
