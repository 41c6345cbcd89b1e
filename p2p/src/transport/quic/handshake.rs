//! Turns first packets of strangers into connections of proven peers: does what [`Door`] decides.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use quinn::{Endpoint, Incoming, VarInt};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, timeout_at},
};
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::{connection::QuicConnection, tls};
use crate::{
    guard::{
        Action, DoorSettings, Limit, Site, Watch, Who,
        door::{Caller, Door, Knock, Outcome, Ticket},
    },
    transport::Connection,
    wire::CloseCode,
};

/// How long a handshake from outside may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Takes connections whose handshake is done.
type Ready = mpsc::Sender<Arc<dyn Connection>>;

/// The door of an endpoint, and the handshakes behind it.
pub(super) struct Handshakes {
    door: Mutex<Door>,
    /// By which handshakes are given up.
    under_way: Mutex<HashMap<Ticket, (Site, AbortHandle)>>,
    tasks: TaskTracker,
    watch: OnceLock<Arc<Watch>>,
}

impl Handshakes {
    pub(super) fn new(settings: DoorSettings, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            door: Mutex::new(Door::new(settings)),
            under_way: Mutex::default(),
            tasks,
            watch: OnceLock::new(),
        })
    }

    pub(super) fn set_members(&self, members: HashSet<Site>) {
        lock(&self.door).set_members(members);
    }

    /// From now on somebody looks on.
    pub(super) fn report_to(&self, watch: Arc<Watch>) {
        // Whoever came first stays.
        let _ = self.watch.set(watch);
    }

    /// Answers every first packet until the endpoint is closed; then nothing is `ready` any more.
    pub(super) async fn run(self: Arc<Self>, endpoint: Endpoint, ready: Ready) {
        while let Some(incoming) = endpoint.accept().await {
            self.meet(incoming, &ready);
        }
    }

    fn meet(self: &Arc<Self>, incoming: Incoming, ready: &Ready) {
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
                self.begin(incoming, caller.site, ticket, ready.clone());
            }
            Knock::Prove => {
                if let Some(watch) = self.watch.get() {
                    watch.metrics().asked_for_proof();
                }
                // Fails only for an address that is proven.
                let _ = incoming.retry();
            }
            Knock::Ignore(why) => {
                incoming.ignore();
                self.note(caller.site, Action::Refused, why);
            }
        }
        self.count();
    }

    fn begin(self: &Arc<Self>, incoming: Incoming, site: Site, ticket: Ticket, ready: Ready) {
        // Locked until the handle is there: the task takes it out again.
        let mut under_way = lock(&self.under_way);
        let this = Arc::clone(self);
        let task = self.tasks.spawn(async move {
            let established = timeout_at(Instant::now() + TIMEOUT, establish(incoming)).await;
            let connection = established.ok().flatten();
            this.end(ticket, site, connection.is_some());
            if let Some(connection) = connection {
                // The receiver is gone only while closing.
                let _ = ready.send(connection).await;
            }
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
            watch.note(Who::At(site), action, limit);
        }
    }

    fn count(&self) {
        if let Some(watch) = self.watch.get() {
            watch.metrics().handshakes(lock(&self.door).under_way());
        }
    }
}

async fn establish(incoming: Incoming) -> Option<Arc<dyn Connection>> {
    let remote = incoming.remote_address();
    let connection = match incoming.accept() {
        Ok(connecting) => connecting.await,
        Err(error) => Err(error),
    };
    let inner = match connection {
        Ok(connection) => connection,
        Err(error) => {
            debug!(%remote, %error, "a handshake failed");
            return None;
        }
    };
    let Some(peer) = tls::proven_peer(&inner) else {
        debug!(%remote, "a peer proved no Ed25519 identity");
        inner.close(VarInt::from_u32(CloseCode::WrongPeer.code()), b"");
        return None;
    };
    Some(Arc::new(QuicConnection { inner, peer }))
}

/// No code under these locks panics, so a poisoned one still guards whole data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
