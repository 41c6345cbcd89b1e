//! Which connections stay: a bounded number, a share of it for members of the committee, and of the rest
//! no more than a share for one host, subnet or peer. Pure.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{site::Site, watch::Limit};
use crate::{class::ConnectionClass, identity::PeerId, transport::Side};

/// How many connections from outside a node bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomSettings {
    /// All together.
    pub connections: usize,
    /// Those of them kept for members of the committee.
    pub for_members: usize,
    /// From one host, members not counted.
    pub per_site: usize,
    /// From one subnet, members not counted.
    pub per_subnet: usize,
    /// Of one peer; its oldest one makes room for another.
    pub per_peer: usize,
    /// A connection without requests for so long makes room for another peer's.
    pub idle: Duration,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            connections: 640,
            for_members: 512,
            per_site: 64,
            per_subnet: 96,
            per_peer: 2,
            idle: Duration::from_secs(5),
        }
    }
}

impl RoomSettings {
    /// Request memory that a node needs for each stranger.
    const MEMORY_EACH: u64 = 1 << 20;

    /// The defaults with as many strangers as so much memory for requests bears.
    #[must_use]
    pub fn with_memory(bytes: u64) -> Self {
        let defaults = Self::default();
        let strangers = usize::try_from(bytes / Self::MEMORY_EACH).unwrap_or(usize::MAX);
        Self {
            connections: defaults.for_members.saturating_add(strangers),
            ..defaults
        }
    }
}

/// A connection that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RoomKey(u64);

/// Who is in a room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occupant {
    pub(crate) peer: PeerId,
    pub(crate) class: ConnectionClass,
    /// None if the transport knows no places.
    pub(crate) site: Option<Site>,
    /// Whom this side dialled is not counted.
    pub(crate) side: Side,
}

#[derive(Clone, Copy, Debug)]
struct Room {
    occupant: Occupant,
    requests: usize,
    /// When the last request began or ended, or the connection itself.
    used: Instant,
}

/// Every connection from outside.
#[derive(Debug)]
pub(crate) struct Rooms {
    settings: RoomSettings,
    /// By age.
    rooms: BTreeMap<RoomKey, Room>,
    next: u64,
}

impl Rooms {
    pub(crate) const fn new(settings: RoomSettings) -> Self {
        Self {
            settings,
            rooms: BTreeMap::new(),
            next: 0,
        }
    }

    /// Lets a connection in; the other one returned has to go.
    pub(crate) fn enter(
        &mut self,
        occupant: Occupant,
        now: Instant,
    ) -> Result<(RoomKey, Option<RoomKey>), Limit> {
        let evicted = self.make_room(&occupant, now)?;
        if let Some(evicted) = evicted {
            self.rooms.remove(&evicted);
        }
        let key = RoomKey(self.next);
        self.next += 1;
        let room = Room {
            occupant,
            requests: 0,
            used: now,
        };
        self.rooms.insert(key, room);
        Ok((key, evicted))
    }

    pub(crate) fn leave(&mut self, key: RoomKey) {
        self.rooms.remove(&key);
    }

    /// A request begins.
    pub(crate) fn begin(&mut self, key: RoomKey, now: Instant) {
        if let Some(room) = self.rooms.get_mut(&key) {
            room.requests += 1;
            room.used = now;
        }
    }

    /// And ends.
    pub(crate) fn end(&mut self, key: RoomKey, now: Instant) {
        if let Some(room) = self.rooms.get_mut(&key) {
            room.requests = room.requests.saturating_sub(1);
            room.used = now;
        }
    }

    /// The class of a peer has changed.
    pub(crate) fn reclassify(&mut self, key: RoomKey, class: ConnectionClass) {
        if let Some(room) = self.rooms.get_mut(&key) {
            room.occupant.class = class;
        }
    }

    /// Requests under way on a connection.
    pub(crate) fn requests(&self, key: RoomKey) -> usize {
        self.rooms.get(&key).map_or(0, |room| room.requests)
    }

    /// Who has to go for somebody, if anybody.
    fn make_room(&self, occupant: &Occupant, now: Instant) -> Result<Option<RoomKey>, Limit> {
        let settings = &self.settings;
        if occupant.side == Side::Dialer {
            return Ok(None);
        }
        let of_peer = |room: &Room| is_guest(room) && room.occupant.peer == occupant.peer;
        if self.count(of_peer) >= settings.per_peer {
            let oldest = self.rooms.iter().find(|(_, room)| of_peer(room));
            return Ok(oldest.map(|(key, _)| *key));
        }
        let full = self.count(is_guest) >= settings.connections;
        if occupant.class == ConnectionClass::Committee {
            if !full {
                return Ok(None);
            }
            return self.idlest(is_stranger).map(Some).ok_or(Limit::Connections);
        }
        // A stranger takes the place of another only if that one does nothing with it.
        let idle = |room: &Room| {
            is_stranger(room)
                && room.requests == 0
                && now.duration_since(room.used) >= settings.idle
        };
        let site = occupant.site;
        let subnet = |site: Option<Site>| site.map(Site::subnet);
        let of_site = |room: &Room| is_stranger(room) && room.occupant.site == site;
        let of_subnet =
            |room: &Room| is_stranger(room) && subnet(room.occupant.site) == subnet(site);
        if site.is_some() {
            if self.count(of_site) >= settings.per_site {
                let found = self.idlest(|room| of_site(room) && idle(room));
                return found.map(Some).ok_or(Limit::ConnectionsPerHost);
            }
            if self.count(of_subnet) >= settings.per_subnet {
                let found = self.idlest(|room| of_subnet(room) && idle(room));
                return found.map(Some).ok_or(Limit::ConnectionsPerSubnet);
            }
        }
        let strangers = self.count(is_stranger);
        let rooms = settings.connections.saturating_sub(settings.for_members);
        if full || strangers >= rooms {
            return self.idlest(idle).map(Some).ok_or(Limit::Connections);
        }
        Ok(None)
    }

    fn count(&self, which: impl Fn(&Room) -> bool) -> usize {
        self.rooms.values().filter(|room| which(room)).count()
    }

    /// Who does nothing for longest; those with requests last.
    fn idlest(&self, which: impl Fn(&Room) -> bool) -> Option<RoomKey> {
        let some = self.rooms.iter().filter(|(_, room)| which(room));
        some.min_by_key(|(_, room)| (room.requests > 0, room.used))
            .map(|(key, _)| *key)
    }
}

fn is_guest(room: &Room) -> bool {
    room.occupant.side == Side::Listener
}

fn is_stranger(room: &Room) -> bool {
    is_guest(room) && room.occupant.class != ConnectionClass::Committee
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn occupant(class: ConnectionClass, address: [u8; 4]) -> Occupant {
        Occupant {
            peer: PeerId::random(),
            class,
            site: Some(Site::from(IpAddr::from(address))),
            side: Side::Listener,
        }
    }

    fn stranger(subnet: u8, host: u8) -> Occupant {
        occupant(ConnectionClass::Anonymous, [10, 0, subnet, host])
    }

    fn member() -> Occupant {
        occupant(ConnectionClass::Committee, [198, 51, 100, 1])
    }

    const SMALL: RoomSettings = RoomSettings {
        connections: 12,
        for_members: 4,
        per_site: 3,
        per_subnet: 5,
        per_peer: 2,
        idle: Duration::from_secs(10),
    };

    #[test]
    fn hosts_and_subnets_have_a_share_that_only_the_idle_give_up() {
        let (mut rooms, start) = (Rooms::new(SMALL), Instant::now());
        for host in [1, 1, 1, 2, 2] {
            rooms.enter(stranger(0, host), start).unwrap();
        }
        assert_eq!(
            rooms.enter(stranger(0, 1), start),
            Err(Limit::ConnectionsPerHost)
        );
        assert_eq!(
            rooms.enter(stranger(0, 3), start),
            Err(Limit::ConnectionsPerSubnet)
        );
        let (key, _) = rooms.enter(stranger(1, 1), start).unwrap();
        rooms.begin(key, start);
        for host in [1, 2] {
            rooms.enter(stranger(2, host), start).unwrap();
        }
        assert_eq!(rooms.enter(stranger(3, 1), start), Err(Limit::Connections));
        let later = start + SMALL.idle;
        for host in 0..6 {
            let (_, evicted) = rooms.enter(stranger(4 + host, 1), later).unwrap();
            assert!(
                evicted.is_some_and(|evicted| evicted != key),
                "the busy one stays"
            );
        }
    }

    #[test]
    fn members_take_the_place_of_the_idlest_stranger_and_never_of_each_other() {
        let (mut rooms, start) = (Rooms::new(SMALL), Instant::now());
        let strangers: Vec<_> = (0..8)
            .map(|i| rooms.enter(stranger(i, 1), start).unwrap().0)
            .collect();
        let now = start + Duration::from_secs(1);
        for key in &strangers[1..] {
            rooms.begin(*key, now);
        }
        for _ in 0..4 {
            assert_eq!(rooms.enter(member(), now).unwrap().1, None);
        }
        let (_, evicted) = rooms.enter(member(), now).unwrap();
        assert_eq!(evicted, Some(strangers[0]));
        for _ in 0..7 {
            assert!(rooms.enter(member(), now).unwrap().1.is_some());
        }
        assert_eq!(rooms.enter(member(), now), Err(Limit::Connections));
        assert_eq!(rooms.rooms.len(), SMALL.connections);
    }

    #[test]
    fn a_peer_that_comes_again_and_again_replaces_itself() {
        let (mut rooms, now) = (Rooms::new(SMALL), Instant::now());
        let peer = stranger(0, 1);
        let keys: Vec<_> = (0..5).map(|_| rooms.enter(peer, now).unwrap()).collect();
        assert_eq!(keys[2].1, Some(keys[0].0));
        assert_eq!(keys[4].1, Some(keys[2].0));
        assert_eq!(rooms.rooms.len(), SMALL.per_peer);
    }
}
