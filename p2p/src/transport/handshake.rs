//! Handshakes with strangers, over whatever transport: does what [`Door`] decides. What becomes of a
//! connection is the business of the plane that it came to.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::{sync::mpsc, task::AbortHandle, time::Instant};
use tokio_util::task::TaskTracker;

use crate::guard::{
    Action, DoorSettings, Limit, Plane, Site, Watch, Who,
    door::{Caller, Door, Knock, Outcome, Ticket},
};

/// The door of a plane, and the handshakes behind it.
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

    /// Runs `work` beside the handshakes.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// What somebody is told who comes. Whoever has to make room for it is given up.
    pub(crate) fn ask(&self, caller: Caller) -> Knock {
        let knock = lock(&self.door).knock(caller, Instant::now());
        match knock {
            Knock::Enter { instead_of, .. } => {
                let old = instead_of.and_then(|old| lock(&self.under_way).remove(&old));
                if let Some((site, handshake)) = old {
                    handshake.abort();
                    self.note(site, Action::Evicted, Limit::Handshakes);
                }
            }
            Knock::Prove => {
                if let Some(watch) = self.watch.get() {
                    watch.metrics().asked_for_proof(self.plane);
                }
            }
            Knock::Ignore(why) => self.note(caller.site, Action::Refused, why),
        }
        knock
    }

    /// Shakes hands with somebody who may enter; whoever turns out to be there is `ready`.
    pub(crate) fn begin<C: Send + 'static>(
        self: &Arc<Self>,
        site: Site,
        ticket: Ticket,
        handshake: impl Future<Output = Option<C>> + Send + 'static,
        ready: mpsc::Sender<C>,
    ) {
        // Locked until the handle is there: the task takes it out again.
        let mut under_way = lock(&self.under_way);
        let this = Arc::clone(self);
        let task = self.tasks.spawn(async move {
            let connection = tokio::select! {
                connection = handshake => connection,
                // Nobody is there any more to take it.
                () = ready.closed() => None,
            };
            let proven = connection.is_some();
            if let Some(connection) = connection {
                // It has its place until somebody takes it.
                let _ = ready.send(connection).await;
            }
            this.end(ticket, site, proven);
        });
        under_way.insert(ticket, (site, task.abort_handle()));
        drop(under_way);
        self.count();
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

/// No code under these locks panics, so a poisoned one still guards whole data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
