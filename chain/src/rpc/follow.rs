//! Follows the chain checkpoint by checkpoint, each verified whole, and picks the contract's events.
//!
//! Owns the order and completeness of events; endpoints only supply bytes. What an endpoint serves
//! wrongly makes another be asked. The one thing that stops it is a chain that certified two
//! histories.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use sui_sdk_types::{Address, Digest};
use tokio::time::Instant;

use super::endpoints::{Endpoints, Fault, Source};
use super::error::ChainError;
use super::packages::Packages;
use super::trust::Trust;
use super::{CheckpointEvents, fetch};
use crate::event::{ChainEvent, EventCursor};
use crate::light::{Executed, VerifiedCheckpoint};

/// First wait for a checkpoint that does not exist yet; doubles up to [`MAX_WAIT`].
const WAIT: Duration = Duration::from_millis(10);
const MAX_WAIT: Duration = Duration::from_millis(250);
/// After so many waits in a row another endpoint is asked: the preferred one may have stopped.
const PATIENCE: u32 = 16;
/// First pause after all endpoints failed; doubles up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// The chain makes a checkpoint about so often: from afar several are made while one is asked for.
const INTERVAL: Duration = Duration::from_millis(250);
/// Most checkpoints fetched at a time while catching up.
const WINDOW: u64 = 16;
/// How often a checkpoint is compared with what another endpoint has, in checkpoints.
const COMPARE: u64 = 32;

/// Follows one deployment.
pub(crate) struct Follower {
    endpoints: Arc<Endpoints>,
    trust: Arc<Trust>,
    /// Their module `events` is listened to.
    packages: Arc<Packages>,
    /// Events up to here were delivered before.
    from: EventCursor,
    /// The next checkpoint.
    next: u64,
    /// Digest of the one before, once there is one.
    last: Option<Digest>,
    /// Verified and not delivered yet.
    ready: VecDeque<VerifiedCheckpoint>,
    /// Checkpoints to ask for at a time: grows while there are many, and falls to one when there are
    /// fewer.
    window: u64,
    /// How long the last question took: meanwhile the chain went on.
    took: Duration,
}

impl Follower {
    pub(crate) fn new(
        endpoints: Arc<Endpoints>,
        trust: Arc<Trust>,
        packages: Arc<Packages>,
        from: EventCursor,
    ) -> Self {
        // The checkpoint that `from` lies in may have events after it, unless it is at the end.
        let next = from.checkpoint + u64::from(from == EventCursor::end_of(from.checkpoint));
        Self {
            endpoints,
            trust,
            packages,
            from,
            next,
            last: None,
            ready: VecDeque::new(),
            window: WINDOW,
            took: Duration::ZERO,
        }
    }

    pub(crate) fn stream(self) -> BoxStream<'static, Result<CheckpointEvents, ChainError>> {
        stream::unfold(Some(self), |follower| async {
            let mut follower = follower?;
            match follower.step().await {
                Ok(events) => Some((Ok(events), Some(follower))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// The events of the next checkpoint.
    async fn step(&mut self) -> Result<CheckpointEvents, ChainError> {
        let checkpoint = self.upcoming().await?;
        self.continues(&checkpoint)?;
        self.compare(&checkpoint).await?;
        let events = self.events(&checkpoint).await?;
        self.last = Some(checkpoint.summary().digest());
        self.next = checkpoint.summary().sequence() + 1;
        Ok(events)
    }

    /// The next checkpoint; waits for it.
    async fn upcoming(&mut self) -> Result<VerifiedCheckpoint, ChainError> {
        let (mut wait, mut waits, mut pause) = (WAIT, 0, PAUSE);
        loop {
            if let Some(checkpoint) = self.ready.pop_front() {
                return Ok(checkpoint);
            }
            match self.fetch().await {
                Ok(true) => {}
                Ok(false) => {
                    waits += 1;
                    if u32::is_multiple_of(waits, PATIENCE) {
                        self.ask_another().await;
                    }
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(MAX_WAIT);
                }
                Err(error @ ChainError::Unreachable { .. }) => self.rest(&error, &mut pause).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// No endpoint is of use now.
    async fn rest(&self, error: &ChainError, pause: &mut Duration) {
        tracing::warn!(checkpoint = self.next, %error, "the chain cannot be followed");
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(MAX_PAUSE);
    }

    /// Fetches what comes next, a window of it when catching up; `false` when there is nothing yet.
    async fn fetch(&mut self) -> Result<bool, ChainError> {
        let asked = self.window.max(due(self.took)).min(WINDOW);
        let begun = Instant::now();
        let came = self.checkpoints(asked).await?;
        self.took = begun.elapsed();
        self.window = if came.len() as u64 == asked {
            (asked * 2).min(WINDOW)
        } else {
            1
        };
        self.ready.extend(came);
        Ok(!self.ready.is_empty())
    }

    /// The next ones there are of so many; why there is none, if the first cannot be had.
    async fn checkpoints(&self, count: u64) -> Result<Vec<VerifiedCheckpoint>, ChainError> {
        let mut answers = stream::iter(self.next..self.next + count)
            .map(|sequence| self.checkpoint(sequence))
            .buffered(usize::try_from(WINDOW).unwrap_or(1));
        let mut came = Vec::new();
        let mut answer = answers.next().await.transpose()?.flatten();
        while let Some(checkpoint) = answer {
            came.push(checkpoint);
            answer = answers.next().await.and_then(Result::ok).flatten();
        }
        Ok(came)
    }

    async fn checkpoint(&self, sequence: u64) -> Result<Option<VerifiedCheckpoint>, ChainError> {
        let ask = |source| verified(&self.trust, source, sequence);
        self.endpoints.ask("a checkpoint", ask).await
    }

    /// Takes the next checkpoint from another endpoint, if that one has it.
    async fn ask_another(&mut self) {
        let ask = |source| verified(&self.trust, source, self.next);
        if let Some(Some(checkpoint)) = self.endpoints.ask_another(ask).await {
            self.endpoints.prefer_another();
            self.ready.push_back(checkpoint);
        }
    }

    /// The checkpoint must name the one before as its predecessor.
    fn continues(&self, checkpoint: &VerifiedCheckpoint) -> Result<(), ChainError> {
        let summary = checkpoint.summary().summary();
        match (self.last, summary.previous_digest) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                let checkpoint = summary.sequence_number.saturating_sub(1);
                Err(ChainError::Fork {
                    checkpoint,
                    ours,
                    theirs,
                })
            }
            _ => Ok(()),
        }
    }

    /// Now and then another endpoint is asked for the same checkpoint. Only a certified difference
    /// counts: whoever cannot certify what it says is not listened to.
    async fn compare(&self, checkpoint: &VerifiedCheckpoint) -> Result<(), ChainError> {
        let sequence = checkpoint.summary().sequence();
        if self.endpoints.count() < 2 || !sequence.is_multiple_of(COMPARE) {
            return Ok(());
        }
        let trust = &self.trust;
        let ask = |source: Source| async move {
            match fetch::checkpoint_summary(&source, sequence).await? {
                Some(summary) => trust.certify(&source, summary).await.map(Some),
                None => Ok(None),
            }
        };
        let other = self.endpoints.ask_another(ask).await.flatten();
        let ours = checkpoint.summary().digest();
        match other {
            Some(other) if other.sequence() == sequence && other.digest() != ours => {
                Err(ChainError::Fork {
                    checkpoint: sequence,
                    ours,
                    theirs: other.digest(),
                })
            }
            _ => Ok(()),
        }
    }

    async fn events(
        &self,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<CheckpointEvents, ChainError> {
        let sequence = checkpoint.summary().sequence();
        let mut events = Vec::new();
        for executed in checkpoint.transactions() {
            if let Some(package) = self.packages.upgrade_in(executed) {
                self.learn(executed, package).await?;
            }
            for (event, emitted) in (0..).zip(executed.events()) {
                let of_ours = self.packages.contain(emitted.type_.address())
                    && emitted.type_.module() == "events";
                let transaction = executed.position();
                let cursor = EventCursor {
                    checkpoint: sequence,
                    transaction,
                    event,
                };
                if of_ours && cursor > self.from {
                    let name = emitted.type_.name().as_str();
                    let event = ChainEvent::decode(name, &emitted.contents)
                        .map_err(|error| ChainError::malformed(format!("event {cursor}"), error))?;
                    events.push((cursor, event));
                }
            }
        }
        let to = EventCursor::end_of(sequence);
        Ok(CheckpointEvents {
            checkpoint: sequence,
            at: checkpoint.summary().at(),
            events,
            to,
            behind: self.window == WINDOW,
        })
    }

    /// Reads a package that a transaction made, proved; the endpoints that served the transaction
    /// have it.
    async fn learn(&self, executed: &Executed, package: Address) -> Result<(), ChainError> {
        let mut pause = PAUSE;
        loop {
            let ask = |source: Source| async move {
                let object = fetch::object(&source, package, None).await?;
                let gone = || Fault::Unavailable(format!("package {package} is gone"));
                Ok(executed.wrote(object.ok_or_else(gone)?)?)
            };
            match self.endpoints.ask("a package", ask).await {
                Ok(proven) => {
                    self.packages.learn(proven.object());
                    return Ok(());
                }
                Err(error @ ChainError::Unreachable { .. }) => self.rest(&error, &mut pause).await,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Checkpoints to ask for if a question takes so long: those made meanwhile, and one.
fn due(took: Duration) -> u64 {
    let made = took.as_millis() / INTERVAL.as_millis();
    u64::try_from(made).map_or(WINDOW, |made| made.saturating_add(1))
}

/// A whole checkpoint, verified; `None` when the endpoint does not have it.
async fn verified(
    trust: &Trust,
    source: Source,
    sequence: u64,
) -> Result<Option<VerifiedCheckpoint>, Fault> {
    let Some(raw) = fetch::checkpoint(&source, sequence).await? else {
        return Ok(None);
    };
    let summary = trust.certify(&source, raw.summary).await?;
    Ok(Some(VerifiedCheckpoint::verify(
        summary,
        raw.contents,
        raw.executed,
    )?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_afar_as_many_are_asked_for_as_are_made_meanwhile() {
        let due_after = |millis| due(Duration::from_millis(millis));
        assert_eq!([0, 200, 1000].map(due_after), [1, 1, 5]);
        assert!(due(Duration::MAX) >= WINDOW);
    }
}
