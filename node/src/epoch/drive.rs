//! Takes the steps of the epoch machine that are due. A lost race is no error.

use std::{sync::Arc, time::Duration};

use floe_chain::{
    epoch::{ChainTime, Epoch},
    rpc::{ChainError, ChainRead, ChainWrite, Operation},
};
use floe_codec::Axis;
use floe_storage::IndexError;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::plan::{EpochPlan, Standing, plan};
use crate::{node::Node, supervisor::with_causes};

/// The chain is looked at again at least this often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// After a step or a failure, before the next look.
const PAUSE: Duration = Duration::from_millis(300);

/// Drives until the token is cancelled.
///
/// # Errors
///
/// None: the chain being away is waited out.
pub(crate) async fn drive(
    node: Arc<Node>,
    read: Arc<dyn ChainRead>,
    write: Arc<dyn ChainWrite>,
    token: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let driver = Driver { node, read, write };
    let mut view = driver.node.watch();
    // A step waits for the chain, which may be away for longer than a node takes to stop.
    while let Some(pause) = token.run_until_cancelled(driver.step()).await {
        let started = driver.node.view().epoch;
        let until = Instant::now() + pause.min(LOOK_AGAIN);
        tokio::select! {
            () = token.cancelled() => {}
            () = tokio::time::sleep_until(until) => {}
            // A new epoch is looked at right away.
            _ = view.wait_for(|view| view.epoch != started) => {}
        }
    }
    Ok(())
}

struct Driver {
    node: Arc<Node>,
    read: Arc<dyn ChainRead>,
    write: Arc<dyn ChainWrite>,
}

type LookError = Box<dyn std::error::Error + Send + Sync>;

impl Driver {
    /// Looks, does what is to be done, and says when to look again.
    async fn step(&self) -> Duration {
        match self.look().await {
            Ok(EpochPlan::Take(operation)) => {
                self.take(*operation).await;
                PAUSE
            }
            Ok(EpochPlan::Attest) => {
                if let Err(error) = self.attest(self.node.view().epoch).await {
                    tracing::debug!(error = with_causes(&error), "cannot attest yet");
                }
                PAUSE
            }
            Ok(EpochPlan::Wait(due)) => {
                let now = self.node.view().time;
                Duration::from_millis(due.as_ms().saturating_sub(now.as_ms())).max(PAUSE)
            }
            Ok(EpochPlan::Idle) => LOOK_AGAIN,
            Err(error) => {
                let error = with_causes(&*error);
                tracing::debug!(error, "the epoch cannot be looked at");
                LOOK_AGAIN
            }
        }
    }

    async fn look(&self) -> Result<EpochPlan, LookError> {
        let view = self.node.view();
        if view.alarm.is_some() || view.time == ChainTime::default() {
            return Ok(EpochPlan::Idle);
        }
        let state = timeout(LOOK_AGAIN, self.read.epoch_state()).await??;
        let epoch = state.schedule.epoch;
        let member = view.epoch == epoch && view.membership.is_some_and(|m| m.is_member());
        let caps = if member {
            timeout(LOOK_AGAIN, self.read.owned_node_caps(self.write.address())).await??
        } else {
            Vec::new()
        };
        let owes = caps
            .iter()
            .any(|cap| cap.node == self.node.id() && cap.synced < epoch);
        let standing = Standing {
            node: self.node.id(),
            owes_attestation: owes,
            holds_its_shards: owes && self.holds_its_shards(epoch).await?,
        };
        Ok(plan(&state, &standing, view.time))
    }

    /// Whether every live blob of the start of the epoch is held, on both axes of every shard.
    async fn holds_its_shards(&self, epoch: Epoch) -> Result<bool, LookError> {
        let shards = self.node.shards();
        let held = self.node.blocking(move |node| {
            let Some(boundary) = node.storage().boundary(epoch)? else {
                return Ok(false);
            };
            for shard in shards {
                for axis in Axis::BOTH {
                    let inventory = node.storage().inventory(shard, axis)?;
                    if inventory.complete_up_to < boundary.next_seq {
                        return Ok(false);
                    }
                }
            }
            Ok::<_, IndexError>(true)
        });
        Ok(held.await??)
    }

    async fn take(&self, operation: Operation) {
        let name = format!("{operation:?}");
        match self.write.execute(vec![operation]).await {
            Ok(_) => tracing::info!(step = name, "took a step of the epoch"),
            Err(ChainError::Refused(refusal)) => {
                tracing::debug!(step = name, %refusal, "another node was first");
            }
            Err(error) => tracing::warn!(
                step = name,
                error = with_causes(&error),
                "could not take a step of the epoch; check the wallet's SUI and the chain"
            ),
        }
    }

    async fn attest(&self, epoch: Epoch) -> Result<(), ChainError> {
        let caps = self.read.owned_node_caps(self.write.address()).await?;
        if let Some(cap) = caps.into_iter().find(|cap| cap.node == self.node.id()) {
            self.take(Operation::SyncDone {
                cap: cap.object,
                epoch,
            })
            .await;
        }
        Ok(())
    }
}
