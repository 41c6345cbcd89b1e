//! Follows the chain: applies every event to the ledger exactly once, in order, and keeps the view of
//! the epoch and its committee up to date.
//!
//! The cursor is saved with the effects of the events before it, so a restart goes on where it
//! stopped. A checkpoint without events costs no disk write: the cursor moves with the next event, or
//! after some hundred of them.

use std::{sync::Arc, time::Duration};

use floe_chain::{
    committee::Committee,
    epoch::Epoch,
    event::{ChainEvent, EventCursor},
    rpc::{ChainError, ChainEvents, ChainRead, CheckpointEvents, ErrorKind},
};
use floe_codec::ShardIndex;
use floe_storage::{
    Applied, ApplyError, Busy, EventBatch, IndexError, Pending, ShardError, ShardState, Storage,
};
use futures::{StreamExt, future::try_join_all, stream::BoxStream};
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

/// Keeping or leaving a shard.
type ShardChange = fn(&Storage, ShardIndex, Epoch) -> Result<Pending<(), ShardError>, Busy>;

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
            saved = apply(&self.node, saved, Vec::new(), start).await?;
        }
        if position.epoch > Epoch::ZERO {
            self.enter(position.epoch).await?;
        }

        let mut stream = self.events.follow(saved);
        let mut empty = 0;
        loop {
            let next = self.next(&mut stream).await.ok_or(FollowError::Ended)??;
            let CheckpointEvents {
                at,
                events,
                to,
                behind,
                ..
            } = next;
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
                saved = apply(&self.node, saved, events, to).await?;
                empty = 0;
            }
            if let Some(epoch) = started {
                self.enter(epoch).await?;
            }
            self.node.update_view(|view| {
                view.in_reach = true;
                view.caught_up = !behind;
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
                self.node.update_view(|view| {
                    view.in_reach = false;
                    view.caught_up = false;
                });
                stream.next().await
            }
        }
    }

    /// Takes the place this node has in the committee of `epoch`.
    async fn enter(&self, epoch: Epoch) -> Result<(), FollowError> {
        let committee = self.committee(epoch).await?;
        let membership = self.node.membership_of(committee);
        let known = self.node.storage().shards()?;
        let is_kept = |state: &ShardState| matches!(state, ShardState::Kept { .. });
        let mine = |shard: &ShardIndex| membership.shards().binary_search(shard).is_ok();
        let taken = membership.shards().iter().copied();
        let taken = taken.filter(|shard| !known.get(shard).is_some_and(is_kept));
        let left = known
            .iter()
            .filter(|(shard, state)| is_kept(state) && !mine(shard));
        // Asked for together, they share a commit.
        let taken = taken.map(|shard| self.change_shard(shard, epoch, Storage::keep_shard));
        try_join_all(taken).await?;
        let left = left.map(|(&shard, _)| self.change_shard(shard, epoch, Storage::leave_shard));
        try_join_all(left).await?;
        tracing::info!(%epoch, shards = membership.shards().len(), "entered an epoch");
        self.node.update_view(|view| {
            view.epoch = epoch;
            view.membership = Some(membership);
        });
        Ok(())
    }

    /// The committee of an epoch that has started. An endpoint that does not have it lags or forgot:
    /// another one, or the same one later, has it.
    async fn committee(&self, epoch: Epoch) -> Result<Committee, ChainError> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        loop {
            let found = self.retry("the committee", || self.read.committee(epoch));
            if let Some(committee) = found.await? {
                return Ok(committee);
            }
            tracing::warn!(%epoch, "the chain's endpoints do not have the committee of this epoch");
            backoff.wait().await;
        }
    }

    async fn change_shard(
        &self,
        shard: ShardIndex,
        since: Epoch,
        change: ShardChange,
    ) -> Result<(), FollowError> {
        let mut backoff = Backoff::default();
        loop {
            match change(self.node.storage(), shard, since) {
                Ok(pending) => return Ok(pending.await?),
                Err(Busy) => backoff.wait().await,
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

/// Applies events and waits until all of their effects are durable. A full queue is waited out.
async fn apply(
    node: &Node,
    after: EventCursor,
    events: Vec<(EventCursor, ChainEvent)>,
    up_to: EventCursor,
) -> Result<EventCursor, FollowError> {
    let mut backoff = Backoff::default();
    loop {
        let batch = EventBatch {
            after,
            events: events.clone(),
            up_to,
        };
        match node.storage().apply(batch) {
            Ok(pending) => match pending.await? {
                // An epoch began and much expired: there is more of it.
                Applied::Partly => {}
                Applied::New | Applied::Before => return Ok(up_to),
            },
            Err(Busy) => backoff.wait().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use floe_chain::{
        amount::Wal,
        cost::Prices,
        epoch::ChainTime,
        event::{BlobRegistered, EpochStarted},
        id::{ChainId, NetworkId, NodeId, ObjectId, SystemId},
        keys::BlsSecretKey,
    };
    use floe_codec::{BlobId, Codec, Encoding, ShardCount};
    use floe_storage::{Settings, Stamp, backend::MemoryBackend};

    use super::*;

    #[tokio::test]
    async fn an_epoch_in_which_much_expires_is_applied_whole() {
        let network = NetworkId {
            chain: ChainId::from_bytes([2; 32]),
            system: SystemId::from_bytes([3; 32]),
        };
        let stamp = Stamp {
            node: NodeId::from_bytes([1; 32]),
            network,
            shards: ShardCount::new(4).unwrap(),
        };
        let backend = Arc::new(MemoryBackend::default());
        let (storage, _) = Storage::open_inline(backend, stamp, &Settings::default()).unwrap();
        let key = BlsSecretKey::from_seed(&[1; 32]);
        let node = Node::new(stamp.node, network, storage, Codec::new(1).unwrap(), key).unwrap();

        let at = |checkpoint| EventCursor::end_of(checkpoint);
        let registered = |number: u64| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_le_bytes());
            let event = ChainEvent::BlobRegistered(BlobRegistered {
                epoch: Epoch::ZERO,
                blob: BlobId::from_bytes(id),
                size: 1,
                encoding: Encoding::RedStuff8,
                end: Epoch::new(1),
                deletable: true,
                object: ObjectId::from_bytes(id),
            });
            (at(number + 1), event)
        };
        let count = 9000;
        let all = (0..count).map(registered).collect();
        let after = apply(&node, EventCursor::START, all, at(count))
            .await
            .unwrap();
        let started = ChainEvent::EpochStarted(EpochStarted {
            epoch: Epoch::new(1),
            at: ChainTime::default(),
            prices: Prices {
                storage: Wal::ZERO,
                write: Wal::ZERO,
            },
            capacity: 0,
            burned: Wal::ZERO,
        });
        let began = at(count + 1);
        apply(&node, after, vec![(began, started)], began)
            .await
            .unwrap();
        let position = node.storage().position().unwrap();
        assert_eq!((position.cursor, position.epoch), (began, Epoch::new(1)));
        // What follows continues from there.
        apply(&node, began, Vec::new(), at(count + 2))
            .await
            .unwrap();
    }
}
