//! Owns the lifetime of the node's tasks: every task has a name, belongs to one tracker, sees one
//! cancellation token and reports why it ended. Decides nothing about what the tasks do.
//!
//! # Shutdown
//!
//! [`Supervisor::drain`] cancels the token and waits for all tasks up to a deadline. A task that
//! ends with an error, or panics, cancels everybody else: a node with a dead part does not go on
//! pretending to serve.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Why the node stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exit {
    /// Somebody asked for it (a signal, the admin interface, a test).
    #[error("asked to stop")]
    Requested,
    /// A task failed; the node cannot go on without it.
    #[error("task `{task}` failed: {reason}")]
    TaskFailed {
        /// The task's name.
        task: &'static str,
        /// What it reported, with its causes.
        reason: String,
    },
}

/// Tasks that were still running when the drain deadline passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("still running after {waited:?}: {}", tasks.join(", "))]
pub struct DrainTimeout {
    /// How long was waited.
    pub waited: Duration,
    /// Names of the tasks that did not end.
    pub tasks: Vec<&'static str>,
}

/// Starts tasks and ends them together. Cheap to clone; all clones are one supervisor.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    tracker: TaskTracker,
    token: CancellationToken,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<&'static str, usize>,
    exit: Option<Exit>,
}

impl Supervisor {
    /// A supervisor with no tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that every task watches.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Starts a task. When it returns an error or panics, the whole node is asked to stop.
    ///
    /// The task must return soon after [`Self::token`] is cancelled.
    pub fn start<E>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: std::error::Error + Send + 'static,
    {
        self.count(name, true);
        let supervisor = self.clone();
        let handle = self.tracker.spawn(task);
        self.tracker.spawn(async move {
            let failure = match handle.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(with_causes(&error)),
                Err(join) => Some(join.to_string()),
            };
            supervisor.count(name, false);
            if let Some(reason) = failure {
                tracing::error!(task = name, reason, "task failed, stopping the node");
                supervisor.stop(Exit::TaskFailed { task: name, reason });
            }
        });
    }

    /// Asks everything to stop. The first reason given is the one that is kept.
    pub fn stop(&self, exit: Exit) {
        self.state().exit.get_or_insert(exit);
        self.token.cancel();
    }

    /// Waits until somebody calls [`Self::stop`] or a task fails.
    pub async fn stopped(&self) -> Exit {
        self.token.cancelled().await;
        self.state().exit.clone().unwrap_or(Exit::Requested)
    }

    /// Stops everything and waits for the tasks, at most `deadline`.
    ///
    /// # Errors
    ///
    /// [`DrainTimeout`] names the tasks that did not end in time.
    pub async fn drain(&self, deadline: Duration) -> Result<(), DrainTimeout> {
        self.stop(Exit::Requested);
        self.tracker.close();
        match tokio::time::timeout(deadline, self.tracker.wait()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(DrainTimeout {
                waited: deadline,
                tasks: self.running(),
            }),
        }
    }

    /// Names of the tasks that run now.
    pub fn running(&self) -> Vec<&'static str> {
        self.state().running.keys().copied().collect()
    }

    fn count(&self, name: &'static str, started: bool) {
        let mut state = self.state();
        let count = state.running.entry(name).or_default();
        *count = if started {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
        if *count == 0 {
            state.running.remove(name);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_failing_task_stops_the_others_and_names_itself() {
        let supervisor = Supervisor::new();
        let token = supervisor.token();
        supervisor.start("patient", async move {
            token.cancelled().await;
            Ok::<_, std::io::Error>(())
        });
        supervisor.start("broken", async { Err(std::io::Error::other("no disk")) });
        let exit = supervisor.stopped().await;
        assert_eq!(
            exit,
            Exit::TaskFailed {
                task: "broken",
                reason: "no disk".into()
            }
        );
        supervisor
            .drain(SOON)
            .await
            .expect("the patient task sees the token");
        assert!(supervisor.running().is_empty());
    }

    #[tokio::test]
    async fn a_panicking_task_stops_the_node() {
        let supervisor = Supervisor::new();
        supervisor.start("panics", async {
            assert!(std::env::args().count() == usize::MAX, "on purpose");
            Ok::<_, std::io::Error>(())
        });
        assert!(matches!(
            supervisor.stopped().await,
            Exit::TaskFailed { task: "panics", .. }
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_that_times_out_names_who_hangs() {
        let supervisor = Supervisor::new();
        supervisor.start(
            "stubborn",
            std::future::pending::<Result<(), std::io::Error>>(),
        );
        let error = supervisor.drain(SOON).await.expect_err("it never ends");
        assert_eq!(error.tasks, ["stubborn"]);
        assert_eq!(supervisor.stopped().await, Exit::Requested);
    }
}
