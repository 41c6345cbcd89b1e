//! Turns first packets of strangers into connections of proven peers: does what [`Door`] decides. What
//! becomes of a connection is the business of the plane whose endpoint it is.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use quinn::{Endpoint, Incoming};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::guard::{
    Action, DoorSettings, Limit, Plane, Site, Watch, Who,
    door::{Caller, Door, Knock, Outcome, Ticket},
};

/// How long a handshake may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Makes of a connection whose handshake is done what its plane knows it by; nothing if its peer has
/// proven no identity.
pub(crate) type Prove<C> = fn(quinn::Connection) -> Option<C>;

/// The door of a plane's endpoints, and the handshakes behind it.
pub(crate) struct Handshakes {
    plane: Plane,
    door: Mutex<Door>,
    /// By which handshakes are given up.
    under_way: Mutex<HashMap<Ticket, (Site, AbortHandle)>>,
    tasks: TaskTracker,
    watch: OnceLock<Arc<Watch>>,
}

impl Handshakes {
    pub(crate) fn new(plane: Plane, settings: DoorSettings, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            plane,
            door: Mutex::new(Door::new(settings)),
            under_way: Mutex::default(),
            tasks,
            watch: OnceLock::new(),
        })
    }

    /// Where the members of the committee are.
    pub(crate) fn members_at(&self, addresses: &[IpAddr]) {
        let sites = addresses.iter().map(|address| (*address).into());
        lock(&self.door).set_members(sites.collect());
    }

    /// From now on somebody looks on.
    pub(crate) fn report_to(&self, watch: Arc<Watch>) {
        // Whoever came first stays.
        let _ = self.watch.set(watch);
    }

    /// Begins to answer every first packet, until the endpoint is closed; then nothing is `ready` any more.
    pub(crate) fn serve<C: Send + 'static>(
        self: &Arc<Self>,
        endpoint: Endpoint,
        prove: Prove<C>,
        ready: mpsc::Sender<C>,
    ) {
        let answers = Arc::clone(self).answer(endpoint, prove, ready);
        self.tasks.spawn(answers);
    }

    async fn answer<C: Send + 'static>(
        self: Arc<Self>,
        endpoint: Endpoint,
        prove: Prove<C>,
        ready: mpsc::Sender<C>,
    ) {
        while let Some(incoming) = endpoint.accept().await {
            if let Some((incoming, site, ticket)) = self.meet(incoming) {
                self.begin(incoming, site, ticket, prove, ready.clone());
            }
            self.count();
        }
    }

    /// Does what the door says, but for letting in.
    fn meet(&self, incoming: Incoming) -> Option<(Incoming, Site, Ticket)> {
        let caller = Caller {
            site: incoming.remote_address().ip().into(),
            proven: incoming.remote_address_validated(),
        };
        let knock = lock(&self.door).knock(caller, Instant::now());
        match knock {
            Knock::Enter { ticket, instead_of } => {
                let old = instead_of.and_then(|old| lock(&self.under_way).remove(&old));
                if let Some((site, handshake)) = old {
                    handshake.abort();
                    self.note(site, Action::Evicted, Limit::Handshakes);
                }
                return Some((incoming, caller.site, ticket));
            }
            Knock::Prove => {
                if let Some(watch) = self.watch.get() {
                    watch.metrics().asked_for_proof(self.plane);
                }
                // Fails only for an address that is proven.
                let _ = incoming.retry();
            }
            Knock::Ignore(why) => {
                incoming.ignore();
                self.note(caller.site, Action::Refused, why);
            }
        }
        None
    }

    fn begin<C: Send + 'static>(
        self: &Arc<Self>,
        incoming: Incoming,
        site: Site,
        ticket: Ticket,
        prove: Prove<C>,
        ready: mpsc::Sender<C>,
    ) {
        // Locked until the handle is there: the task takes it out again.
        let mut under_way = lock(&self.under_way);
        let this = Arc::clone(self);
        let task = self.tasks.spawn(async move {
            let established = timeout(TIMEOUT, establish(incoming, prove)).await;
            let connection = established.ok().flatten();
            let proven = connection.is_some();
            if let Some(connection) = connection {
                // It has its place until somebody takes it. The receiver is gone only while closing.
                let _ = ready.send(connection).await;
            }
            this.end(ticket, site, proven);
        });
        under_way.insert(ticket, (site, task.abort_handle()));
    }

    fn end(&self, ticket: Ticket, site: Site, established: bool) {
        lock(&self.under_way).remove(&ticket);
        let outcome = if established {
            Outcome::Done
        } else {
            Outcome::Failed
        };
        if lock(&self.door).end(ticket, outcome, Instant::now()) {
            self.note(site, Action::Banned, Limit::FailedHandshakes);
        }
        self.count();
    }

    fn note(&self, site: Site, action: Action, limit: Limit) {
        if let Some(watch) = self.watch.get() {
            watch.note(self.plane, Who::At(site), action, limit);
        }
    }

    fn count(&self) {
        if let Some(watch) = self.watch.get() {
            let under_way = lock(&self.door).under_way();
            watch.metrics().handshakes(self.plane, under_way);
        }
    }
}

async fn establish<C>(incoming: Incoming, prove: Prove<C>) -> Option<C> {
    let remote = incoming.remote_address();
    let connection = match incoming.accept() {
        Ok(connecting) => connecting.await,
        Err(error) => Err(error),
    };
    match connection {
        Ok(connection) => {
            let proven = prove(connection);
            if proven.is_none() {
                debug!(%remote, "a peer proved no identity");
            }
            proven
        }
        Err(error) => {
            debug!(%remote, %error, "a handshake failed");
            None
        }
    }
}

/// No code under these locks panics, so a poisoned one still guards whole data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
