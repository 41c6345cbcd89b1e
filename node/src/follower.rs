//! Follows the chain: applies every event to the ledger exactly once, in order, and keeps the view of
//! the epoch and its committee up to date.
//!
//! The cursor is saved with the effects of the events before it, so a restart goes on where it
//! stopped. A checkpoint without events costs no disk write: the cursor moves with the next event, or
//! after some hundred of them.

use std::{sync::Arc, time::Duration};

use floe_chain::{
    epoch::Epoch,
    event::{ChainEvent, EventCursor},
    rpc::{ChainError, ChainEvents, ChainRead, CheckpointEvents, ErrorKind},
};
use floe_storage::{ApplyError, EventBatch, IndexError, ShardError};
use futures::{FutureExt, StreamExt, stream::BoxStream};
use tokio_util::sync::CancellationToken;

use crate::{node::Node, retry::Backoff};

/// Checkpoints without events after which the cursor is saved all the same.
const EMPTY_CHECKPOINTS: u32 = 256;
/// A chain without a checkpoint for so long is out of reach.
const SILENCE: Duration = Duration::from_secs(30);

/// Why the chain cannot be followed. The node goes on serving reads, and signs nothing.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The chain itself is at fault, or its client.
    #[error("the chain cannot be followed")]
    Chain(#[from] ChainError),
    /// The stream of checkpoints ended.
    #[error("the stream of checkpoints ended")]
    Ended,
    /// The events contradict the ledger, or the disk failed.
    #[error("events cannot be applied")]
    Apply(#[from] ApplyError),
    /// The index does not answer.
    #[error("the index cannot be read")]
    Index(#[from] IndexError),
    /// A shard's state cannot be recorded.
    #[error("a shard cannot be kept")]
    Shard(#[from] ShardError),
}

/// Follows until the token is cancelled. An error that a person must look at raises the alarm: the
/// node stays up for reads and signs nothing more.
///
/// # Errors
///
/// None: the type says that this task never stops the node.
pub(crate) async fn follow(
    node: Arc<Node>,
    read: Arc<dyn ChainRead>,
    events: Arc<dyn ChainEvents>,
    token: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let mut follower = Follower { node, read, events };
    let failure = tokio::select! {
        biased;
        () = token.cancelled() => return Ok(()),
        failure = follower.run() => failure,
    };
    let Err(error) = failure;
    follower.node.raise_alarm(&error);
    token.cancelled().await;
    Ok(())
}

struct Follower {
    node: Arc<Node>,
    read: Arc<dyn ChainRead>,
    events: Arc<dyn ChainEvents>,
}

impl Follower {
    async fn run(&mut self) -> Result<std::convert::Infallible, FollowError> {
        let position = self.node.storage().position()?;
        let mut saved = position.cursor;
        if saved == EventCursor::default() {
            let start = self.retry("the deployment", || self.events.start()).await?;
            saved = self.apply(saved, Vec::new(), start).await?;
        }
        if position.epoch > Epoch::ZERO {
            self.enter(position.epoch).await?;
        }

        let mut stream = self.events.follow(saved);
        let mut empty = 0;
        loop {
            let next = match stream.next().now_or_never() {
                Some(next) => next,
                None => {
                    self.node.update_view(|view| view.caught_up = true);
                    self.next(&mut stream).await
                }
            };
            let CheckpointEvents { at, events, to, .. } = next.ok_or(FollowError::Ended)??;
            empty = if events.is_empty() { empty + 1 } else { 0 };
            let started = events.iter().rev().find_map(|(_, event)| match event {
                ChainEvent::EpochStarted(event) => Some(event.epoch),
                _ => None,
            });
            let selected = events.iter().rev().find_map(|(_, event)| match event {
                ChainEvent::CommitteeSelected(event) => Some(event.next),
                _ => None,
            });
            if empty == 0 || empty >= EMPTY_CHECKPOINTS {
                saved = self.apply(saved, events, to).await?;
                empty = 0;
            }
            if let Some(epoch) = started {
                self.enter(epoch).await?;
            }
            self.node.update_view(|view| {
                view.in_reach = true;
                view.time = at;
                view.selected = selected.or(view.selected);
                view.cursor = to;
            });
        }
    }

    /// The next checkpoint. While none comes for long, the view says that the chain is out of reach.
    async fn next(
        &self,
        stream: &mut BoxStream<'static, Result<CheckpointEvents, ChainError>>,
    ) -> Option<Result<CheckpointEvents, ChainError>> {
        match tokio::time::timeout(SILENCE, stream.next()).await {
            Ok(next) => next,
            Err(_) => {
                self.node.update_view(|view| view.in_reach = false);
                stream.next().await
            }
        }
    }

    /// Applies events and waits until they are durable. A full queue is waited out.
    async fn apply(
        &self,
        after: EventCursor,
        events: Vec<(EventCursor, ChainEvent)>,
        up_to: EventCursor,
    ) -> Result<EventCursor, FollowError> {
        let mut backoff = Backoff::default();
        let pending = loop {
            let batch = EventBatch {
                after,
                events: events.clone(),
                up_to,
            };
            match self.node.storage().apply(batch) {
                Ok(pending) => break pending,
                Err(floe_storage::Busy) => backoff.wait().await,
            }
        };
        pending.await?;
        Ok(up_to)
    }

    /// Takes the place this node has in the committee of `epoch`.
    async fn enter(&self, epoch: Epoch) -> Result<(), FollowError> {
        let committee = self
            .retry("the committee", || self.read.committee(epoch))
            .await?
            .ok_or_else(|| ChainError::NotFound {
                what: "committee of epoch",
                id: epoch.to_string(),
            })?;
        let membership = self.node.membership_of(committee);
        let known = self.node.storage().shards()?;
        for &shard in membership.shards() {
            use floe_storage::ShardState;
            if !matches!(known.get(&shard), Some(ShardState::Kept { .. })) {
                self.change_shard(|storage| storage.keep_shard(shard, epoch))
                    .await?;
            }
        }
        for (&shard, state) in &known {
            let kept = matches!(state, floe_storage::ShardState::Kept { .. });
            if kept && membership.shards().binary_search(&shard).is_err() {
                self.change_shard(|storage| storage.leave_shard(shard, epoch))
                    .await?;
            }
        }
        tracing::info!(%epoch, shards = membership.shards().len(), "entered an epoch");
        self.node.update_view(|view| {
            view.epoch = epoch;
            view.membership = Some(membership);
        });
        Ok(())
    }

    async fn change_shard(
        &self,
        change: impl Fn(
            &floe_storage::Storage,
        ) -> Result<floe_storage::Pending<(), ShardError>, floe_storage::Busy>,
    ) -> Result<(), FollowError> {
        let mut backoff = Backoff::default();
        loop {
            match change(self.node.storage()) {
                Ok(pending) => return Ok(pending.await?),
                Err(floe_storage::Busy) => backoff.wait().await,
            }
        }
    }

    /// Asks the chain until it answers; only errors that waiting cannot mend are returned.
    async fn retry<T, F>(&self, what: &str, ask: impl Fn() -> F) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        loop {
            match ask().await {
                Err(error) if error.kind() == ErrorKind::Retry => {
                    tracing::debug!(what, %error, "the chain does not answer yet");
                    backoff.wait().await;
                }
                answered => return answered,
            }
        }
    }
}
