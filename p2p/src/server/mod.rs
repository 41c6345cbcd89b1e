//! The answering side: takes the streams of a connection, one request each, within limits.
//!
//! One task per connection accepts its streams, one task per stream answers it. Their number is
//! bounded by the stream credit of the connection's class and by [`ServerSettings::requests`].

mod admission;
mod items;
mod payload;
mod request;
mod service;

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

use crate::{
    class::Classify,
    framing::FrameError,
    metrics::Metrics,
    transport::Connection,
    wire::{Refusal, ResetCode, Status},
};

use self::admission::Budget;
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
    /// Requests being answered.
    pub requests: usize,
    /// The longest deadline a request is given, whatever it asks for.
    pub longest_deadline: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            inbound_memory: 256 << 20,
            outbound_memory: 128 << 20,
            requests: 4096,
            longest_deadline: Duration::from_secs(120),
        }
    }
}

/// Answers the requests of every connection given to it.
pub(crate) struct Server<S> {
    service: S,
    classify: Arc<dyn Classify>,
    settings: ServerSettings,
    inbound: Budget,
    outbound: Budget,
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
        classify: Arc<dyn Classify>,
        settings: ServerSettings,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            service,
            classify,
            settings,
            inbound: Budget::new(settings.inbound_memory),
            outbound: Budget::new(settings.outbound_memory),
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
        let class = self.classify.classify(&peer);
        connection.grant(class.credit());
        let _open = self.metrics.connection(class);
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
            let server = Arc::clone(&self);
            let connection = Arc::clone(&connection);
            let ended = ended.clone();
            self.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = ended.cancelled() => {}
                    () = server.answer(&*connection, send, recv) => {}
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

    /// The classes of peers may have changed, for example with the epoch.
    pub(crate) fn classify_again(&self, connection: &dyn Connection) {
        connection.grant(self.classify.classify(&connection.peer()).credit());
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
