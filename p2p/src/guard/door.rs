//! Who may begin a handshake: decided for every first packet of a stranger, before any state is made
//! for it. Pure: the endpoint asks, and does what it is told.
//!
//! Nothing is held against an address that did not prove itself, since anybody can write any address
//! on a packet; it is only asked for the proof, once there is a crowd. Places are shared fairly: whoever
//! finds none takes that of the oldest handshake from where most of them come.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    bucket::{Bucket, Rate},
    site::{Site, Subnet},
    watch::Limit,
};

/// How many may shake hands at once, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorSettings {
    /// Handshakes under way above which a stranger must prove its address first (QUIC's Retry).
    pub retry_above: usize,
    /// Handshakes under way at once.
    pub handshakes: usize,
    /// Those of them kept for the addresses of committee members.
    pub for_members: usize,
    /// Handshakes under way at once from one host (IPv4 address, IPv6 /64); from a committee member's
    /// host four times as many.
    pub per_site: usize,
    /// The same from one subnet (IPv4 /24, IPv6 /48).
    pub per_subnet: usize,
    /// Handshakes a second from one host; four times as many from a committee member's.
    pub site_rate: Rate,
    /// The same from one subnet.
    pub subnet_rate: Rate,
    /// Handshakes that fail though the address is proven, before it is banned.
    pub junk_rate: Rate,
    /// For how long.
    pub ban: Duration,
}

impl Default for DoorSettings {
    fn default() -> Self {
        Self {
            retry_above: 64,
            handshakes: 256,
            for_members: 64,
            per_site: 32,
            per_subnet: 64,
            site_rate: Rate::new(64, 8),
            subnet_rate: Rate::new(256, 8),
            junk_rate: Rate {
                per_second: 1,
                burst: 64,
            },
            ban: Duration::from_secs(60),
        }
    }
}

/// A first packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) site: Site,
    /// Whether it proved that it receives what is sent to its address.
    pub(crate) proven: bool,
}

/// What to do with a first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knock {
    /// Begin the handshake, after the other was given up.
    Enter {
        ticket: Ticket,
        instead_of: Option<Ticket>,
    },
    /// Ask for the proof of its address.
    Prove,
    /// Answer nothing.
    Ignore(Limit),
}

/// A handshake under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(u64);

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The peer is proven, and so is its address.
    Done,
    /// It failed, was given up or took too long.
    Failed,
}

/// The state behind the decisions: handshakes under way, and hosts and subnets seen lately.
#[derive(Debug)]
pub(crate) struct Door {
    settings: DoorSettings,
    members: HashSet<Site>,
    /// By age.
    under_way: BTreeMap<Ticket, Caller>,
    next: u64,
    sites: HashMap<Site, Seen>,
    subnets: HashMap<Subnet, Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    rate: Bucket,
    junk: Bucket,
    banned_until: Option<Instant>,
}

impl Seen {
    const fn new(now: Instant) -> Self {
        Self {
            rate: Bucket::full(now),
            junk: Bucket::full(now),
            banned_until: None,
        }
    }

    fn is_banned(&self, now: Instant) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }

    fn is_forgettable(&self, now: Instant) -> bool {
        self.rate.is_full(now) && self.junk.is_full(now) && !self.is_banned(now)
    }
}

impl Door {
    /// Hosts, and subnets, remembered; another is not counted while all of them are busy.
    const MAX_SEEN: usize = 4096;
    /// How much more a committee member's host may.
    const MEMBER_FACTOR: usize = 4;

    pub(crate) fn new(settings: DoorSettings) -> Self {
        Self {
            settings,
            members: HashSet::new(),
            under_way: BTreeMap::new(),
            next: 0,
            sites: HashMap::new(),
            subnets: HashMap::new(),
        }
    }

    /// Where the members of the committee are.
    pub(crate) fn set_members(&mut self, members: HashSet<Site>) {
        self.members = members;
    }

    /// Handshakes under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Decides about a first packet.
    pub(crate) fn knock(&mut self, caller: Caller, now: Instant) -> Knock {
        let Caller { site, proven } = caller;
        let seen = self.sites.get(&site);
        if seen.is_some_and(|seen| seen.is_banned(now)) {
            return Knock::Ignore(Limit::Banned);
        }
        let often = seen.is_some_and(|seen| seen.rate.left(self.settings.site_rate, now) == 0);
        if !proven && (often || self.under_way.len() >= self.settings.retry_above) {
            return Knock::Prove;
        }
        if proven && let Err(limit) = self.count(site, now) {
            return Knock::Ignore(limit);
        }
        match self.place(caller) {
            Ok(instead_of) => {
                // Given up by this side: not held against anybody.
                if let Some(ticket) = instead_of {
                    self.under_way.remove(&ticket);
                }
                let ticket = Ticket(self.next);
                self.next += 1;
                self.under_way.insert(ticket, caller);
                Knock::Enter { ticket, instead_of }
            }
            Err(()) if proven => Knock::Ignore(Limit::Handshakes),
            Err(()) => Knock::Prove,
        }
    }

    /// Ends a handshake; `true` if its host is banned from now on.
    pub(crate) fn end(&mut self, ticket: Ticket, outcome: Outcome, now: Instant) -> bool {
        let Some(Caller { site, proven }) = self.under_way.remove(&ticket) else {
            return false;
        };
        match outcome {
            Outcome::Done => {
                if !proven {
                    // Counted afterwards, now that the address is proven too.
                    let _ = self.count(site, now);
                }
                false
            }
            Outcome::Failed => proven && self.junk(site, now),
        }
    }

    fn is_member(&self, site: Site) -> bool {
        self.members.contains(&site)
    }

    /// Takes from the rates of a proven address.
    fn count(&mut self, site: Site, now: Instant) -> Result<(), Limit> {
        let factor = if self.is_member(site) {
            Self::MEMBER_FACTOR as u64
        } else {
            1
        };
        let times = |rate: Rate| Rate {
            per_second: rate.per_second * factor,
            burst: rate.burst * factor,
        };
        let (of_site, of_subnet) = (
            times(self.settings.site_rate),
            times(self.settings.subnet_rate),
        );
        let take = |seen: Option<&mut Seen>, rate, limit| {
            let taken = seen.map_or(Ok(()), |seen| seen.rate.take(rate, 1, now));
            taken.map_err(|_| limit)
        };
        let seen = remembered(&mut self.sites, site, now);
        take(seen, of_site, Limit::HostRate)?;
        let seen = remembered(&mut self.subnets, site.subnet(), now);
        take(seen, of_subnet, Limit::SubnetRate)
    }

    /// A proven address began a handshake for nothing. The hosts of members are never banned: somebody
    /// else may live there too.
    fn junk(&mut self, site: Site, now: Instant) -> bool {
        if self.is_member(site) {
            return false;
        }
        let (rate, ban) = (self.settings.junk_rate, self.settings.ban);
        let Some(seen) = remembered(&mut self.sites, site, now) else {
            return false;
        };
        let too_often = seen.junk.take(rate, 1, now).is_err() && !seen.is_banned(now);
        if too_often {
            seen.banned_until = Some(now + ban);
        }
        too_often
    }

    /// Finds a place, or whose place to take; none if nobody may be sent away for this caller.
    fn place(&self, caller: Caller) -> Result<Option<Ticket>, ()> {
        let settings = &self.settings;
        let (site, subnet) = (caller.site, caller.site.subnet());
        let member = self.is_member(site);
        let factor = if member { Self::MEMBER_FACTOR } else { 1 };
        let of_site = |other: &Caller| other.site == site;
        let of_subnet = |other: &Caller| other.site.subnet() == subnet;
        if self.count_if(of_site) >= settings.per_site * factor {
            return self.oldest(caller, of_site);
        }
        if !member && self.count_if(of_subnet) >= settings.per_subnet {
            return self.oldest(caller, of_subnet);
        }
        let strangers = self.count_if(|other| !self.is_member(other.site));
        let full = if member {
            self.under_way.len() >= settings.handshakes
        } else {
            strangers >= settings.handshakes.saturating_sub(settings.for_members)
        };
        if !full {
            return Ok(None);
        }
        let mut crowds: BTreeMap<Subnet, usize> = BTreeMap::new();
        let others = self.under_way.values().map(|other| other.site);
        for other in others.filter(|site| !self.is_member(*site)) {
            *crowds.entry(other.subnet()).or_default() += 1;
        }
        let own = self.count_if(of_subnet);
        match crowds.into_iter().max_by_key(|(_, count)| *count) {
            Some((crowd, count)) if member || count > own => {
                self.oldest(caller, |other| other.site.subnet() == crowd)
            }
            _ => Err(()),
        }
    }

    fn count_if(&self, which: impl Fn(&Caller) -> bool) -> usize {
        self.under_way
            .values()
            .filter(|caller| which(caller))
            .count()
    }

    /// The oldest of some handshakes, one whose address is not proven first. An address that is not
    /// proven takes no place of one that is.
    fn oldest(
        &self,
        caller: Caller,
        which: impl Fn(&Caller) -> bool,
    ) -> Result<Option<Ticket>, ()> {
        let some = || self.under_way.iter().filter(|(_, other)| which(other));
        let unproven = some().find(|(_, other)| !other.proven);
        let any = || some().next().filter(|_| caller.proven);
        let found = unproven.or_else(any).map(|(ticket, _)| *ticket);
        found.map(Some).ok_or(())
    }
}

/// What is remembered of a host or subnet; none if there is no room for another.
fn remembered<K: Copy + Eq + Hash>(
    all: &mut HashMap<K, Seen>,
    key: K,
    now: Instant,
) -> Option<&mut Seen> {
    if all.len() >= Door::MAX_SEEN && !all.contains_key(&key) {
        all.retain(|_, seen| !seen.is_forgettable(now));
        if all.len() >= Door::MAX_SEEN {
            return None;
        }
    }
    Some(all.entry(key).or_insert_with(|| Seen::new(now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn caller(address: &str, proven: bool) -> Caller {
        let site = Site::from(address.parse::<IpAddr>().unwrap());
        Caller { site, proven }
    }

    fn entered(knock: Knock) -> (Ticket, Option<Ticket>) {
        match knock {
            Knock::Enter { ticket, instead_of } => (ticket, instead_of),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_crowd_of_strangers_is_asked_for_proof_and_holds_few_places() {
        let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
        let knocks: Vec<_> = (0..2000_u32)
            .map(|i| door.knock(caller(&format!("10.{}.{}.9", i / 256, i % 256), false), now))
            .collect();
        let retry_above = DoorSettings::default().retry_above;
        assert_eq!(door.under_way(), retry_above);
        assert!(
            knocks[retry_above..]
                .iter()
                .all(|knock| *knock == Knock::Prove)
        );
        // Proven, anybody enters.
        entered(door.knock(caller("192.0.2.1", true), now));
        assert!(door.sites.len() < 2, "who proved nothing is not remembered");
    }

    #[test]
    fn whoever_holds_most_places_gives_one_to_somebody_else() {
        let (mut door, start) = (Door::new(DoorSettings::default()), Instant::now());
        let mut now = start;
        // Half-open handshakes of proven addresses in few subnets, as fast as their rates allow.
        for i in 0..2000_u32 {
            let address = format!("10.0.{}.{}", i % 8, 1 + i / 8 % 250);
            door.knock(caller(&address, true), now);
            now += Duration::from_millis(2);
        }
        let settings = DoorSettings::default();
        assert_eq!(door.under_way(), settings.handshakes - settings.for_members);
        for i in 0..20 {
            let honest = caller(&format!("192.0.2.{i}"), true);
            let (ticket, instead_of) = entered(door.knock(honest, now));
            assert!(instead_of.is_some(), "the crowd gave a place");
            assert!(door.under_way.contains_key(&ticket));
        }
        let honest =
            |other: &Caller| other.site.subnet() == caller("192.0.2.1", true).site.subnet();
        assert_eq!(door.count_if(honest), 20, "and took none back");
        for i in 0..settings.for_members {
            let member = caller(&format!("198.51.{i}.1"), true);
            door.set_members([member.site].into());
            assert_eq!(
                entered(door.knock(member, now)).1,
                None,
                "places are kept for members"
            );
        }
    }

    #[test]
    fn one_host_has_its_share_and_the_newest_of_it_counts() {
        let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
        let settings = DoorSettings::default();
        for i in 0..100 {
            let (_, instead_of) = entered(door.knock(caller("192.0.2.1", true), now));
            assert_eq!(instead_of.is_some(), i >= settings.per_site);
        }
        assert_eq!(door.under_way(), settings.per_site);
    }

    #[test]
    fn junk_from_a_proven_address_is_banned_for_a_while_and_a_members_host_never() {
        let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
        let bad = caller("192.0.2.1", true);
        let fail = |door: &mut Door, caller, times| {
            let failed = (0..times).map(|_| {
                let (ticket, _) = entered(door.knock(caller, now));
                door.end(ticket, Outcome::Failed, now)
            });
            failed.filter(|banned| *banned).count()
        };
        let junk = usize::try_from(DoorSettings::default().junk_rate.burst).unwrap();
        assert_eq!(fail(&mut door, caller("192.0.2.1", false), 2 * junk), 0);
        assert_eq!(fail(&mut door, bad, junk + 1), 1);
        for proven in [true, false] {
            let again = door.knock(caller("192.0.2.1", proven), now);
            assert_eq!(again, Knock::Ignore(Limit::Banned));
        }
        entered(door.knock(caller("192.0.2.2", true), now));
        entered(door.knock(bad, now + DoorSettings::default().ban));

        let member = caller("198.51.100.1", true);
        door.set_members([member.site].into());
        assert_eq!(fail(&mut door, member, 4 * junk), 0);
    }

    #[test]
    fn rates_hold_for_hosts_and_subnets_whether_or_not_proof_was_asked_for() {
        let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
        let mut enter = |address: &str, proven| match door.knock(caller(address, proven), now) {
            Knock::Enter { ticket, .. } => {
                door.end(ticket, Outcome::Done, now);
                Ok(())
            }
            other => Err(other),
        };
        let settings = DoorSettings::default();
        for i in 0..settings.site_rate.burst {
            assert_eq!(enter("192.0.2.1", i % 2 == 0), Ok(()), "{i}");
        }
        assert_eq!(enter("192.0.2.1", false), Err(Knock::Prove));
        assert_eq!(
            enter("192.0.2.1", true),
            Err(Knock::Ignore(Limit::HostRate))
        );
        let others = (2..200).flat_map(|host| vec![format!("192.0.2.{host}"); 500]);
        let refused = others
            .map(|address| enter(&address, true))
            .find(Result::is_err);
        assert_eq!(refused, Some(Err(Knock::Ignore(Limit::SubnetRate))));
        assert_eq!(enter("198.51.100.1", true), Ok(()));
    }

    #[test]
    fn memory_is_bounded_however_many_addresses_come() {
        let (mut door, now) = (Door::new(DoorSettings::default()), Instant::now());
        for i in 0..20_000_u32 {
            let site = Site::from(IpAddr::from((0x0a00_0000 | (i * 256)).to_be_bytes()));
            let knock = door.knock(Caller { site, proven: true }, now);
            if let Knock::Enter { ticket, .. } = knock {
                door.end(ticket, Outcome::Failed, now);
            }
        }
        assert!(door.sites.len() <= Door::MAX_SEEN && door.subnets.len() <= Door::MAX_SEEN);
        entered(door.knock(caller("192.0.2.1", true), now));
    }
}
