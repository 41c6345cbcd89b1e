//! The answering side: takes the streams of a connection, one request each, within limits.
//!
//! One task per connection accepts its streams, one task per stream answers it. Their number is
//! bounded by the stream credit of the connection's class and by [`ServerSettings::requests`].

mod admission;
mod items;
mod payload;
mod queue;
mod request;
mod service;
mod turns;

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

use crate::{
    framing::FrameError,
    guard::{Guard, GuardSettings},
    metrics::Metrics,
    transport::Connection,
    wire::{Refusal, ResetCode, Status},
};

use self::{admission::Budget, turns::Turns};
pub use self::{
    admission::Grant,
    items::Items,
    payload::Payload,
    service::{Answer, Call, NoService, Service},
};

/// How much a server gives at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Bytes of request payloads in memory.
    pub inbound_memory: usize,
    /// Bytes read for answers and not yet handed to the transport.
    pub outbound_memory: usize,
    /// Requests being answered, those included that wait for their turn or their peer.
    pub requests: usize,
    /// Requests being worked on; the others wait for their turn.
    pub working: usize,
    /// The longest deadline a request is given, whatever it asks for.
    pub longest_deadline: Duration,
    /// Who may come, and how much each may take.
    pub guard: GuardSettings,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            inbound_memory: 256 << 20,
            outbound_memory: 128 << 20,
            requests: 4096,
            working: 256,
            longest_deadline: Duration::from_secs(120),
            guard: GuardSettings::default(),
        }
    }
}

/// Answers the requests of every connection given to it.
pub(crate) struct Server<S> {
    service: S,
    guard: Arc<Guard>,
    settings: ServerSettings,
    inbound: Budget,
    outbound: Budget,
    turns: Turns,
    requests: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    /// New requests are answered `ShuttingDown`.
    draining: CancellationToken,
    /// Requests under way are dropped.
    stopped: CancellationToken,
}

impl<S: Service> Server<S> {
    pub(crate) fn new(
        service: S,
        guard: Arc<Guard>,
        settings: ServerSettings,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            service,
            guard,
            settings,
            inbound: Budget::new(settings.inbound_memory),
            outbound: Budget::new(settings.outbound_memory),
            turns: Turns::new(settings.working, Arc::clone(&metrics)),
            requests: Arc::new(Semaphore::new(settings.requests)),
            metrics,
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            stopped: CancellationToken::new(),
        })
    }

    /// Answers the streams of `connection` until it ends.
    pub(crate) async fn serve(self: Arc<Self>, connection: Arc<dyn Connection>) {
        let peer = connection.peer();
        let guest = match self.guard.enter(Arc::clone(&connection)) {
            Ok(guest) => Arc::new(guest),
            Err(code) => return connection.close(code),
        };
        let _open = self.metrics.connection(guest.class());
        let ended = self.stopped.child_token();
        let _end_requests = ended.clone().drop_guard();
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stopped.cancelled() => break,
                accepted = connection.accept() => accepted,
            };
            let (send, recv) = match accepted {
                Ok(streams) => streams,
                Err(reason) => {
                    debug!(%peer, %reason, "a connection ended");
                    break;
                }
            };
            let (server, guest) = (Arc::clone(&self), Arc::clone(&guest));
            let ended = ended.clone();
            self.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = ended.cancelled() => {}
                    () = server.answer(&guest, send, recv) => {}
                }
            });
        }
    }

    /// Refuses new requests, gives those under way `patience` to end, then drops them.
    pub(crate) async fn drain(&self, patience: Duration) {
        self.draining.cancel();
        self.tasks.close();
        if timeout(patience, self.tasks.wait()).await.is_err() {
            debug!(
                requests = self.tasks.len(),
                "requests are dropped at shutdown"
            );
        }
        self.stopped.cancel();
        self.tasks.wait().await;
    }
}

/// What to tell the peer about a broken stream, if it still listens.
fn refusal_of(error: &FrameError) -> Refusal {
    match error {
        FrameError::Wire(error) => Refusal::bad_request(error.to_string()),
        FrameError::Deadline => Status::Deadline.into(),
        FrameError::TooSlow => Refusal::new(Status::Deadline, error.to_string()),
        FrameError::Stream(error) => Refusal::internal(error.to_string()),
    }
}

fn reset_code_of(status: &Status) -> ResetCode {
    match status {
        Status::Deadline => ResetCode::Deadline,
        Status::BadRequest => ResetCode::BadRequest,
        Status::ShuttingDown => ResetCode::ShuttingDown,
        Status::Busy { .. } | Status::Full => ResetCode::Limit,
        _ => ResetCode::Internal,
    }
}
