//! A gateway from its settings to its end: binding, accepting, limits of connections, draining.
//!
//! Tasks: one accepts, one follows the committee, one for each connection. Cancelling stops the first
//! two, lets each connection finish the answer it is sending, and after [`DRAIN`] ends the rest.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use floe_client::advice::{Advice, ErrorKind};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    blobs::Blobs,
    cache::{Cache, CacheError},
    http::{self, Gate},
    metrics::Metrics,
    pace::Paced,
    settings::Settings,
    upstream::Upstream,
};

/// Time for a request's head, and between two requests on one connection.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes; also what is buffered of an answer.
const HEAD_SIZE: usize = 16 << 10;
/// Most header fields of a request.
const HEAD_FIELDS: usize = 64;
/// Connections at once; others wait to be accepted.
const CONNECTIONS: usize = 4096;
/// After a connection could not be accepted, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Between two looks at who serves.
const REFRESH: Duration = Duration::from_secs(30);
/// Between two looks while nobody is known.
const REFRESH_SOON: Duration = Duration::from_secs(1);
/// How long answers may take to end once the gateway was asked to.
const DRAIN: Duration = Duration::from_secs(30);

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nobody can connect.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The cache is unusable.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl Advice for StartError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::FixConfig
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "gateway.bind",
            Self::Cache(_) => "gateway.cache",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Bind { .. } => "another program may listen there: see `--listen`",
            Self::Cache(_) => "each gateway has a folder of its own (`--cache`)",
        };
        Some(hint.to_owned())
    }
}

/// A gateway that is bound, and does not answer yet.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    upstream: Upstream,
    router: Router,
    metrics: Metrics,
    not_ready: watch::Sender<String>,
}

impl Gateway {
    /// Binds the address and takes the cache over.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn bind(settings: &Settings, upstream: Upstream) -> Result<Self, StartError> {
        let metrics = Metrics::default();
        let bind = |source| StartError::Bind {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let cache = settings.cache.as_ref();
        let cache = cache.map(|settings| Cache::open(settings, metrics.clone()));
        let cache = cache.transpose()?.map(Arc::new);
        let (not_ready, watched) = watch::channel("it does not know yet who serves".to_owned());
        let blobs = Blobs::new(upstream.clone(), cache, settings.memory, metrics.clone());
        let router = http::router(Arc::new(Gate {
            blobs: Arc::new(blobs),
            places: Arc::new(Semaphore::new(settings.requests)),
            metrics: metrics.clone(),
            not_ready: watched,
        }));
        Ok(Self {
            listener,
            address,
            upstream,
            router,
            metrics,
            not_ready,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the token is cancelled and what was being sent is sent.
    pub async fn serve(self, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        let kill = CancellationToken::new();
        tokio::select! {
            () = self.accept(&tasks, &shutdown, &kill) => {}
            () = self.follow() => {}
            () = shutdown.cancelled() => {}
        }
        self.not_ready
            .send_replace("it is shutting down".to_owned());
        drop(self.listener);
        tasks.close();
        tracing::info!(connections = tasks.len(), "waiting for what is being sent");
        if timeout(DRAIN, tasks.wait()).await.is_err() {
            tracing::warn!(connections = tasks.len(), "cut off: they took too long");
            kill.cancel();
            tasks.wait().await;
        }
    }

    async fn accept(
        &self,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
        kill: &CancellationToken,
    ) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            self.metrics.connections.inc();
            let connection = Connection {
                router: self.router.clone(),
                metrics: self.metrics.clone(),
                shutdown: shutdown.clone(),
                _place: place,
            };
            let kill = kill.clone();
            tasks.spawn(async move {
                kill.run_until_cancelled(connection.run(stream)).await;
            });
        }
    }

    /// Follows the committee, so that no answer is of one that serves no more.
    async fn follow(&self) {
        loop {
            let pause = match self.upstream.refresh().await {
                Ok(_) => {
                    self.not_ready.send_replace(String::new());
                    REFRESH
                }
                Err(error) => {
                    tracing::info!(%error, "cannot learn who serves now");
                    let known = self.not_ready.borrow().is_empty();
                    if known { REFRESH } else { REFRESH_SOON }
                }
            };
            sleep(pause).await;
        }
    }
}

/// One reader's connection.
struct Connection {
    router: Router,
    metrics: Metrics,
    shutdown: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        // Without it answers are only slower.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Box::pin(Paced::new(stream)));
        let service = TowerToHyperService::new(self.router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_SIZE)
            .max_headers(HEAD_FIELDS)
            .serve_connection(io, service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}
