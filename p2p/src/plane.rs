//! The data plane of a peer, put together: transport, connections, the answering and the asking
//! side.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::{
    class::{Classify, ConnectionClass},
    client::DataClient,
    guard::{Guard, Report, Watch},
    identity::PeerId,
    metrics::Metrics,
    pool::{Pool, Resolve},
    server::{NoService, Server, ServerSettings, Service},
    transport::{Connection, DataTransport},
    wire::CloseCode,
};

/// A running data plane. Dropping it leaves it running; end it with [`Self::shutdown`].
pub struct DataPlane<S = NoService> {
    pool: Arc<Pool>,
    server: Arc<Server<S>>,
    guard: Arc<Guard>,
    client: DataClient,
    metrics: Arc<Metrics>,
    transports: Arc<Mutex<Vec<Arc<dyn DataTransport>>>>,
    tasks: TaskTracker,
    connections: TaskTracker,
}

impl DataPlane<NoService> {
    /// A data plane that only asks.
    #[must_use]
    pub fn client_only(transport: Arc<dyn DataTransport>) -> Self {
        Self::client_resolving(transport, None)
    }

    /// The same; where peers are is looked up in `book` first.
    #[must_use]
    pub fn client_resolving(
        transport: Arc<dyn DataTransport>,
        book: Option<Arc<dyn Resolve>>,
    ) -> Self {
        let anonymous = |_: &PeerId| ConnectionClass::Anonymous;
        let settings = ServerSettings::default();
        Self::resolving(transport, NoService, Arc::new(anonymous), settings, book)
    }
}

impl<S: Service> DataPlane<S> {
    /// Starts to accept connections and to answer with `service`. Must be called within a tokio
    /// runtime.
    #[must_use]
    pub fn start(
        transport: Arc<dyn DataTransport>,
        service: S,
        classify: Arc<dyn Classify>,
        settings: ServerSettings,
    ) -> Self {
        Self::resolving(transport, service, classify, settings, None)
    }

    /// The same; where peers are is looked up in `book` first.
    #[must_use]
    pub fn resolving(
        transport: Arc<dyn DataTransport>,
        service: S,
        classify: Arc<dyn Classify>,
        settings: ServerSettings,
        book: Option<Arc<dyn Resolve>>,
    ) -> Self {
        let metrics = Arc::new(Metrics::default());
        let watch = Arc::new(Watch::new(Arc::clone(&metrics)));
        transport.report_to(Arc::clone(&watch));
        let guard = Guard::new(settings.guard, classify, watch);
        let server = Server::new(service, Arc::clone(&guard), settings, Arc::clone(&metrics));
        let transports = Arc::new(Mutex::new(vec![Arc::clone(&transport)]));
        let (pool, opened) = Pool::new(transport, book);
        let client = DataClient::new(Arc::clone(&pool));
        let (tasks, connections) = (TaskTracker::new(), TaskTracker::new());
        tasks.spawn(accept(Arc::clone(&pool)));
        tasks.spawn(serve(Arc::clone(&server), opened, connections.clone()));
        Self {
            pool,
            server,
            guard,
            client,
            metrics,
            transports,
            tasks,
            connections,
        }
    }

    /// Answers on another transport as well, with the same service within the same limits. Its peers
    /// keep the class they came with, and are not asked through it. Ends with the transport.
    pub fn serve_also(&self, transport: Arc<dyn DataTransport>) {
        transport.report_to(Arc::clone(self.guard.watch()));
        lock(&self.transports).push(Arc::clone(&transport));
        let (server, connections) = (Arc::clone(&self.server), self.connections.clone());
        self.tasks.spawn(async move {
            while let Some(connection) = transport.accept().await {
                connections.spawn(Arc::clone(&server).serve(connection));
            }
        });
    }

    /// The asking side; cheap to clone.
    #[must_use]
    pub const fn client(&self) -> &DataClient {
        &self.client
    }

    /// What this plane counts.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// How many connections are open, served and used.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// What limits this plane, for whoever tells it about the committee and asks what it did.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            guard: Arc::clone(&self.guard),
            transports: Arc::clone(&self.transports),
        }
    }

    /// Refuses new requests, gives those under way `patience` to end, then closes every connection.
    pub async fn shutdown(&self, patience: Duration) {
        self.server.drain(patience).await;
        self.pool.transport().close(CloseCode::ShuttingDown);
        self.tasks.close();
        self.pool.transport().closed().await;
    }
}

/// The limits of a running data plane; cheap to clone.
#[derive(Clone)]
pub struct Limits {
    guard: Arc<Guard>,
    transports: Arc<Mutex<Vec<Arc<dyn DataTransport>>>>,
}

impl Limits {
    /// The committee has changed, or its members have moved to `addresses`: every connection gets what
    /// its peer's class is entitled to now.
    pub fn committee_changed(&self, addresses: &[IpAddr]) {
        for transport in &*lock(&self.transports) {
            transport.members_at(addresses);
        }
        self.guard.reclassify();
    }

    /// Who is connected, and who was refused, evicted or banned lately.
    #[must_use]
    pub fn report(&self) -> Report {
        self.guard.report()
    }
}

/// No code under this lock panics, so a poisoned one still guards whole data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(pool: Arc<Pool>) {
    while let Some(connection) = pool.transport().accept().await {
        pool.add(connection);
    }
}

async fn serve<S: Service>(
    server: Arc<Server<S>>,
    mut opened: mpsc::UnboundedReceiver<Arc<dyn Connection>>,
    connections: TaskTracker,
) {
    while let Some(connection) = opened.recv().await {
        connections.spawn(Arc::clone(&server).serve(connection));
    }
}
