//! Who may come in and how much each may take, so that nobody can flood or starve a node.
//!
//! What decides is pure and takes the time as an argument: `bucket` how much a second, `door` who may
//! begin a handshake, `rooms` which connections stay, `quota` what each peer may have. `guest` asks
//! them for every connection and request; what they refused is counted and remembered in `watch`.
//!
//! A node with the least memory for requests, 128 MiB, must live in 256 MiB whatever strangers do. 112 MiB
//! are granted byte by byte; the other limits follow from what each stranger can make QUIC hold. 128
//! strangers have 256 KiB of unread bytes on the data plane (32 MiB), 256 have 64 KiB each way on the
//! control plane (32 MiB), and on each plane there are 256 handshakes of 60 KiB, half of them failed and
//! not yet forgotten (30 MiB). With first packets, members and the 20 MiB of a node at rest that is
//! 234 MiB for a small committee; `p2p/README.md` has the table.

mod bucket;
pub(crate) mod door;
pub(crate) mod guest;
mod quota;
mod rooms;
pub(crate) mod site;
mod watch;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

pub use self::{
    bucket::Rate,
    door::DoorSettings,
    quota::{Left, Quota, Quotas},
    rooms::RoomSettings,
    site::Site,
    watch::{Action, Incident, Limit, Plane, Watch, Who},
};
use self::{
    guest::Guest,
    quota::Accounts,
    rooms::{Occupant, RoomKey, Rooms},
};
use crate::{
    class::{Classify, ConnectionClass},
    control::score::{Fault, Scores},
    identity::PeerId,
    transport::{Connection, Side},
    wire::CloseCode,
};

/// What a node bears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardSettings {
    /// How many connections.
    pub rooms: RoomSettings,
    /// How much of each peer.
    pub quotas: Quotas,
}

/// The limits of a data plane, shared by all its connections.
pub(crate) struct Guard {
    settings: GuardSettings,
    classify: Arc<dyn Classify>,
    watch: Arc<Watch>,
    state: Mutex<State>,
}

struct State {
    rooms: Rooms,
    open: HashMap<RoomKey, Open>,
    accounts: Accounts,
    scores: Scores,
}

struct Open {
    connection: Arc<dyn Connection>,
    since: Instant,
}

/// A connection as operators see it.
#[derive(Clone, Debug)]
pub struct GuestReport {
    /// Who.
    pub peer: PeerId,
    /// As what.
    pub class: ConnectionClass,
    /// From where, if the transport knows.
    pub remote: Option<IpAddr>,
    /// Which side dialled.
    pub side: Side,
    /// For how long.
    pub connected: Duration,
    /// Requests under way.
    pub requests: usize,
    /// What is left of its quotas.
    pub left: Left,
    /// Zero, or below it for faults that are not forgiven yet; banned below
    /// [`Scores::BAN_BELOW`].
    pub standing: f64,
    /// For how much longer it is banned, if it is.
    pub banned: Option<Duration>,
}

/// Who is connected, and what the limits did lately.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every connection, the oldest first.
    pub guests: Vec<GuestReport>,
    /// The latest last.
    pub incidents: Vec<Incident>,
}

impl Guard {
    pub(crate) fn new(
        settings: GuardSettings,
        classify: Arc<dyn Classify>,
        watch: Arc<Watch>,
    ) -> Arc<Self> {
        let state = State {
            rooms: Rooms::new(settings.rooms),
            open: HashMap::new(),
            accounts: Accounts::default(),
            scores: Scores::default(),
        };
        Arc::new(Self {
            settings,
            classify,
            watch,
            state: Mutex::new(state),
        })
    }

    pub(crate) fn class(&self, peer: &PeerId) -> ConnectionClass {
        self.classify.classify(peer)
    }

    /// Lets a connection in, or says with which code to close it.
    pub(crate) fn enter(
        self: &Arc<Self>,
        connection: Arc<dyn Connection>,
    ) -> Result<Guest, CloseCode> {
        let (peer, side) = (connection.peer(), connection.side());
        let class = self.class(&peer);
        let occupant = Occupant {
            peer,
            class,
            site: connection.remote().map(Site::from),
            side,
        };
        let now = Instant::now();
        let mut state = self.lock();
        state.scores.release(now);
        if side == Side::Listener && state.scores.is_banned(&peer) {
            self.note(peer, Action::Refused, Limit::Banned);
            return Err(CloseCode::Misbehaved);
        }
        let (key, evicted) = state.rooms.enter(occupant, now).map_err(|why| {
            self.note(peer, Action::Refused, why);
            CloseCode::Limit
        })?;
        if let Some(evicted) = evicted.and_then(|evicted| state.open.remove(&evicted)) {
            let peer = evicted.connection.peer();
            self.note(peer, Action::Evicted, Limit::Connections);
            evicted.connection.close(CloseCode::Limit);
        }
        let open = Open {
            connection: Arc::clone(&connection),
            since: now,
        };
        state.open.insert(key, open);
        drop(state);
        connection.grant(class.credit());
        Ok(Guest::new(Arc::clone(self), connection, key))
    }

    pub(crate) const fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Gives every connection what its peer's present class is entitled to.
    pub(crate) fn reclassify(&self) {
        let mut state = self.lock();
        let State { rooms, open, .. } = &mut *state;
        for (key, open) in open {
            let class = self.class(&open.connection.peer());
            rooms.reclassify(*key, class);
            open.connection.grant(class.credit());
        }
    }

    /// Who is connected, and what happened lately.
    pub(crate) fn report(&self) -> Report {
        let now = Instant::now();
        let mut state = self.lock();
        state.scores.release(now);
        let mut open: Vec<_> = state.open.iter().collect();
        open.sort_unstable_by_key(|(key, _)| **key);
        let guest = |(key, open): (&RoomKey, &Open)| {
            let peer = open.connection.peer();
            let class = self.class(&peer);
            let banned_until = state.scores.banned_until(&peer);
            GuestReport {
                peer,
                class,
                remote: open.connection.remote(),
                side: open.connection.side(),
                connected: now.duration_since(open.since),
                requests: state.rooms.requests(*key),
                left: state
                    .accounts
                    .left(&peer, self.settings.quotas.of(class), now),
                standing: state.scores.get(&peer, now),
                banned: banned_until.map(|until| until.saturating_duration_since(now)),
            }
        };
        Report {
            guests: open.into_iter().map(guest).collect(),
            incidents: self.watch.incidents(),
        }
    }

    /// Counts a fault; one too many ends every connection the peer has dialled.
    fn fault(&self, peer: PeerId, fault: Fault) {
        let member = self.class(&peer) == ConnectionClass::Committee;
        let mut state = self.lock();
        let banned = state.scores.fault(peer, fault, member, Instant::now());
        if banned.is_none() {
            return;
        }
        self.note(peer, Action::Banned, fault.into());
        let theirs = |open: &&Open| {
            open.connection.peer() == peer && open.connection.side() == Side::Listener
        };
        for open in state.open.values().filter(theirs) {
            open.connection.close(CloseCode::Misbehaved);
        }
    }

    /// A limit did something to a peer.
    fn note(&self, peer: PeerId, action: Action, limit: Limit) {
        let who = Who::Peer(peer);
        self.watch.note(Plane::Data, who, action, limit);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under this lock panics, so a poisoned one still guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
