//! Who may begin a handshake: decided for every first packet of a stranger, and for every connection over
//! TCP, before any state is made for it. Pure: the endpoint asks, and does what it is told.
//!
//! Nothing is held against an address that did not prove itself, since anybody can write any address
//! on a packet; it is only asked for the proof, once there is a crowd, and takes nobody's place. Places are
//! shared fairly among the others: whoever finds none takes that of the oldest handshake from where most
//! of them come. A handshake of QUIC that failed costs memory for a while longer, and counts as long.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
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
    /// Handshakes under way or failed just now above which a stranger must prove its address first
    /// (QUIC's Retry).
    pub retry_above: usize,
    /// Handshakes under way at once; as many may have failed just now.
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
            handshakes: 128,
            for_members: 32,
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

/// A first packet, or a connection over TCP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) site: Site,
    /// Whether it proved that it receives what is sent to its address.
    pub(crate) proven: bool,
    /// Whether a handshake given up is kept for a while, as QUIC's is.
    pub(crate) lingers: bool,
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
    under_way: BTreeMap<Ticket, Handshake>,
    /// When QUIC forgets each handshake that failed or was given up, and where it came from, if that is
    /// proven.
    leaving: VecDeque<(Instant, Option<Subnet>)>,
    next: u64,
    sites: HashMap<Site, Seen>,
    subnets: HashMap<Subnet, Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Handshake {
    caller: Caller,
    since: Instant,
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
    /// For how long a closed connection is kept: three probe timeouts of a path that was never measured
    /// (RFC 9000, section 10.2; RFC 9002, section 6.2).
    const LINGER: Duration = Duration::from_secs(3);
    /// How long a handshake has before a neighbour's may take its place: that of an honest peer is over,
    /// and whoever found none asks again.
    const PATIENCE: Duration = Duration::from_secs(1);

    pub(crate) fn new(settings: DoorSettings) -> Self {
        Self {
            settings,
            members: HashSet::new(),
            under_way: BTreeMap::new(),
            leaving: VecDeque::new(),
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
        let Caller { site, proven, .. } = caller;
        let seen = self.sites.get(&site);
        if seen.is_some_and(|seen| seen.is_banned(now)) {
            return Knock::Ignore(Limit::Banned);
        }
        let often = seen.is_some_and(|seen| seen.rate.left(self.settings.site_rate, now) == 0);
        while self.leaving.front().is_some_and(|(gone, _)| *gone <= now) {
            self.leaving.pop_front();
        }
        let kept = self.under_way.len() + self.leaving.len();
        if !proven && (often || kept >= self.settings.retry_above) {
            return Knock::Prove;
        }
        if proven && let Err(limit) = self.count(site, now) {
            return Knock::Ignore(limit);
        }
        match self.place(caller, now) {
            Ok(instead_of) => {
                // Given up by this side: not held against anybody.
                if let Some(ticket) = instead_of {
                    self.give_up(ticket, now);
                }
                let ticket = Ticket(self.next);
                self.next += 1;
                let since = now;
                self.under_way.insert(ticket, Handshake { caller, since });
                Knock::Enter { ticket, instead_of }
            }
            Err(()) if proven => Knock::Ignore(Limit::Handshakes),
            Err(()) => Knock::Prove,
        }
    }

    /// Ends a handshake; `true` if its host is banned from now on.
    pub(crate) fn end(&mut self, ticket: Ticket, outcome: Outcome, now: Instant) -> bool {
        match outcome {
            Outcome::Done => {
                if let Some(it) = self.under_way.remove(&ticket)
                    && !it.caller.proven
                {
                    // Counted afterwards, now that the address is proven too.
                    let _ = self.count(it.caller.site, now);
                }
                false
            }
            Outcome::Failed => {
                let caller = self.give_up(ticket, now);
                // Over TCP nothing is left of it, and who dials by QUIC as well gives one of both up.
                caller.is_some_and(|caller| {
                    caller.proven && caller.lingers && self.junk(caller.site, now)
                })
            }
        }
    }

    /// A handshake comes to nothing.
    fn give_up(&mut self, ticket: Ticket, now: Instant) -> Option<Caller> {
        let Handshake { caller, .. } = self.under_way.remove(&ticket)?;
        if caller.lingers {
            let subnet = caller.proven.then(|| caller.site.subnet());
            self.leaving.push_back((now + Self::LINGER, subnet));
        }
        Some(caller)
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
    fn place(&self, caller: Caller, now: Instant) -> Result<Option<Ticket>, ()> {
        let settings = &self.settings;
        let (site, subnet) = (caller.site, caller.site.subnet());
        let member = self.is_member(site);
        let (factor, places) = if member {
            (Self::MEMBER_FACTOR, settings.handshakes)
        } else {
            let others = settings.handshakes.saturating_sub(settings.for_members);
            (1, others)
        };
        if caller.lingers {
            let of_subnet = self
                .leaving
                .iter()
                .filter(|(_, from)| *from == Some(subnet));
            let full = self.leaving.len() >= places
                || !member && of_subnet.count() >= settings.per_subnet / 2;
            if full {
                return Err(());
            }
        }
        let of_site = |other: &Caller| other.site == site;
        let of_subnet = |other: &Caller| other.site.subnet() == subnet;
        // Neighbours who come at the same moment do not send each other away; they come again.
        let slow = |other: &Handshake| now.duration_since(other.since) >= Self::PATIENCE;
        if self.count_if(of_site) >= settings.per_site * factor {
            return self.oldest(caller, |other| of_site(&other.caller) && slow(other));
        }
        if !member && self.count_if(of_subnet) >= settings.per_subnet {
            return self.oldest(caller, |other| of_subnet(&other.caller) && slow(other));
        }
        let taken = if member {
            self.under_way.len()
        } else {
            self.count_if(|other| !self.is_member(other.site))
        };
        if taken < places {
            return Ok(None);
        }
        let mut crowds: BTreeMap<Subnet, usize> = BTreeMap::new();
        let others = self.under_way.values().map(|other| other.caller.site);
        for other in others.filter(|site| !self.is_member(*site)) {
            *crowds.entry(other.subnet()).or_default() += 1;
        }
        let own = self.count_if(of_subnet);
        match crowds.into_iter().max_by_key(|(_, count)| *count) {
            Some((crowd, count)) if member || count > own => {
                // Crowds of nearly one size would chase each other.
                let at_once = member || count > own + 1;
                self.oldest(caller, |other| {
                    other.caller.site.subnet() == crowd && (at_once || slow(other))
                })
            }
            _ => Err(()),
        }
    }

    fn count_if(&self, which: impl Fn(&Caller) -> bool) -> usize {
        self.under_way
            .values()
            .filter(|handshake| which(&handshake.caller))
            .count()
    }

    /// The oldest of some handshakes, one whose address is not proven first. Only a proven address takes
    /// somebody's place.
    fn oldest(
        &self,
        caller: Caller,
        which: impl Fn(&Handshake) -> bool,
    ) -> Result<Option<Ticket>, ()> {
        if !caller.proven {
            return Err(());
        }
        let some = || self.under_way.iter().filter(|(_, other)| which(other));
        let unproven = some().find(|(_, other)| !other.caller.proven);
        let found = unproven.or_else(|| some().next());
        found.map(|(ticket, _)| Some(*ticket)).ok_or(())
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
