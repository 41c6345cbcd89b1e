//! How much each peer may ask for, and take and bring in bytes: members of the committee too, only more,
//! since some of them may be hostile. Pure.

use std::{collections::HashMap, time::Duration};

use serde::Serialize;
use tokio::time::Instant;

use super::{
    bucket::{Bucket, Rate},
    watch::Limit,
};
use crate::{class::ConnectionClass, identity::PeerId};

/// What one peer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests.
    pub requests: Rate,
    /// Symbols computed for it: each costs reading a whole sliver and encoding one.
    pub symbols: Rate,
    /// Bytes it brings.
    pub bytes_in: Rate,
    /// Bytes it is sent.
    pub bytes_out: Rate,
}

/// What a peer of each class may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Anybody.
    pub anonymous: Quota,
    /// Clients this node has agreed to serve better.
    pub known: Quota,
    /// Members of the committee.
    pub committee: Quota,
}

impl Quotas {
    /// The quota of a class.
    #[must_use]
    pub const fn of(&self, class: ConnectionClass) -> &Quota {
        match class {
            ConnectionClass::Anonymous => &self.anonymous,
            ConnectionClass::Known => &self.known,
            ConnectionClass::Committee => &self.committee,
        }
    }
}

/// Chosen to stop floods, not use: bytes are those of a 10 Gbit/s link, and a reader or writer needs a
/// request for each segment, so that its bytes bound it first. Turns and memory are shared besides.
impl Default for Quotas {
    fn default() -> Self {
        let anonymous = Quota {
            requests: Rate::new(2_000, 5),
            symbols: Rate::new(2_000, 20),
            bytes_in: Rate::new(1 << 30, 16),
            bytes_out: Rate::new(1 << 30, 16),
        };
        let times = |factor: u64| {
            let times = |rate: Rate| Rate {
                per_second: rate.per_second * factor,
                burst: rate.burst * factor,
            };
            Quota {
                requests: times(anonymous.requests),
                symbols: times(anonymous.symbols),
                bytes_in: times(anonymous.bytes_in),
                bytes_out: times(anonymous.bytes_out),
            }
        };
        Self {
            anonymous,
            known: times(4),
            committee: times(8),
        }
    }
}

/// A request was over a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverQuota {
    /// Which.
    pub(crate) limit: Limit,
    /// When it will not be.
    pub(crate) retry_after: Duration,
    /// Whether the peer asked again, and again, before the time it was told.
    pub(crate) hasty: bool,
}

/// What a peer has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Requests.
    pub requests: u64,
    /// Symbols.
    pub symbols: u64,
    /// Bytes it may bring.
    pub bytes_in: u64,
    /// Bytes it may be sent.
    pub bytes_out: u64,
}

/// The accounts of all peers that were served lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    peers: HashMap<PeerId, Account>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    requests: Bucket,
    symbols: Bucket,
    bytes_in: Bucket,
    bytes_out: Bucket,
    /// When the peer was refused, and until when it was to wait.
    refused: Option<(Instant, Instant)>,
    /// Requests that came in between.
    early: u32,
}

impl Account {
    const fn full(now: Instant) -> Self {
        Self {
            requests: Bucket::full(now),
            symbols: Bucket::full(now),
            bytes_in: Bucket::full(now),
            bytes_out: Bucket::full(now),
            refused: None,
            early: 0,
        }
    }

    fn is_full(&self, now: Instant) -> bool {
        [self.requests, self.symbols, self.bytes_in, self.bytes_out]
            .iter()
            .all(|bucket| bucket.is_full(now))
    }

    /// Requests that were on their way when the first was refused are no offence.
    fn over(&mut self, limit: Limit, retry_after: Duration, now: Instant) -> OverQuota {
        let early = |(since, until)| since + Accounts::GRACE < now && now < until;
        self.early += u32::from(self.refused.is_some_and(early));
        let hasty = self.early >= Accounts::EARLY;
        if hasty {
            self.early = 0;
        }
        if self.refused.is_none_or(|(_, until)| until <= now) {
            self.refused = Some((now, now + retry_after));
        }
        OverQuota {
            limit,
            retry_after,
            hasty,
        }
    }
}

impl Accounts {
    /// Peers remembered. Those with full quotas are forgotten first, then anybody.
    pub(crate) const MAX_PEERS: usize = 8192;
    /// What was sent before a refusal arrived.
    const GRACE: Duration = Duration::from_secs(1);
    /// Requests before the time that are one offence: a client may ask on every stream it has.
    const EARLY: u32 = 32;

    /// A request that brings so many bytes. What it is sent is charged as it goes out: whoever is in debt
    /// waits until that is paid.
    pub(crate) fn admit(
        &mut self,
        peer: PeerId,
        quota: &Quota,
        payload: u32,
        now: Instant,
    ) -> Result<(), OverQuota> {
        let account = self.account(peer, now);
        if let Err(wait) = account.bytes_out.take(quota.bytes_out, 0, now) {
            return Err(account.over(Limit::BytesOut, wait, now));
        }
        if let Err(wait) = account.requests.take(quota.requests, 1, now) {
            return Err(account.over(Limit::Requests, wait, now));
        }
        if let Err(wait) = account.bytes_in.take(quota.bytes_in, payload.into(), now) {
            return Err(account.over(Limit::BytesIn, wait, now));
        }
        Ok(())
    }

    /// Symbols to be computed.
    pub(crate) fn symbols(
        &mut self,
        peer: PeerId,
        quota: &Quota,
        symbols: u64,
        now: Instant,
    ) -> Result<(), OverQuota> {
        let account = self.account(peer, now);
        let taken = account.symbols.take(quota.symbols, symbols, now);
        taken.map_err(|wait| account.over(Limit::Symbols, wait, now))?;
        // More than a full bucket is paid for afterwards.
        let rest = symbols.saturating_sub(quota.symbols.burst);
        account.symbols.charge(quota.symbols, rest, now);
        Ok(())
    }

    /// Bytes that were sent.
    pub(crate) fn sent(&mut self, peer: PeerId, quota: &Quota, bytes: u64, now: Instant) {
        self.account(peer, now)
            .bytes_out
            .charge(quota.bytes_out, bytes, now);
    }

    /// What a peer has left.
    pub(crate) fn left(&self, peer: &PeerId, quota: &Quota, now: Instant) -> Left {
        let account = self.peers.get(peer).copied();
        let account = account.unwrap_or(Account::full(now));
        Left {
            requests: account.requests.left(quota.requests, now),
            symbols: account.symbols.left(quota.symbols, now),
            bytes_in: account.bytes_in.left(quota.bytes_in, now),
            bytes_out: account.bytes_out.left(quota.bytes_out, now),
        }
    }

    fn account(&mut self, peer: PeerId, now: Instant) -> &mut Account {
        if self.peers.len() >= Self::MAX_PEERS && !self.peers.contains_key(&peer) {
            self.peers.retain(|_, account| !account.is_full(now));
            if self.peers.len() >= Self::MAX_PEERS
                && let Some(any) = self.peers.keys().next().copied()
            {
                self.peers.remove(&any);
            }
        }
        self.peers.entry(peer).or_insert_with(|| Account::full(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        requests: Rate::new(10, 2),
        symbols: Rate::new(100, 10),
        bytes_in: Rate::new(1000, 4),
        bytes_out: Rate::new(1000, 4),
    };

    #[test]
    fn each_quota_refuses_with_the_time_after_which_it_will_not() {
        let now = Instant::now();
        let (loud, quiet) = (PeerId::random(), PeerId::random());
        let check =
            |wanted: Limit, ask: &dyn Fn(&mut Accounts, Instant) -> Result<(), OverQuota>| {
                let mut accounts = Accounts::default();
                let refused = (0..1000)
                    .find_map(|_| ask(&mut accounts, now).err())
                    .unwrap();
                assert_eq!((refused.limit, refused.hasty), (wanted, false));
                let early = now + refused.retry_after - Duration::from_millis(1);
                assert!(ask(&mut accounts.clone(), early).is_err(), "{wanted:?}");
                assert!(
                    ask(&mut accounts, now + refused.retry_after).is_ok(),
                    "{wanted:?}"
                );
                assert!(accounts.admit(quiet, &QUOTA, 4000, now).is_ok());
            };
        check(Limit::Requests, &|accounts, now| {
            accounts.admit(loud, &QUOTA, 0, now)
        });
        check(Limit::BytesIn, &|accounts, now| {
            accounts.admit(loud, &QUOTA, 3000, now)
        });
        check(Limit::Symbols, &|accounts, now| {
            accounts.symbols(loud, &QUOTA, 300, now)
        });
        check(Limit::BytesOut, &|accounts, now| {
            accounts.admit(loud, &QUOTA, 0, now)?;
            accounts.sent(loud, &QUOTA, 3000, now);
            Ok(())
        });
    }

    #[test]
    fn only_whoever_does_not_wait_is_hasty() {
        let (mut accounts, start, peer) = (Accounts::default(), Instant::now(), PeerId::random());
        let quota = Quota {
            bytes_in: Rate::new(1, 100),
            ..QUOTA
        };
        accounts.admit(peer, &quota, 100, start).unwrap();
        let mut hasty = |after| {
            let refused = (0..1000).map(|_| accounts.admit(peer, &quota, 100, start + after));
            refused.filter(|refused| refused.unwrap_err().hasty).count()
        };
        assert_eq!(hasty(Duration::ZERO), 0);
        assert_eq!(
            hasty(Duration::from_millis(900)),
            0,
            "they were on their way"
        );
        assert_eq!(hasty(Duration::from_secs(2)), 31);
    }

    #[test]
    fn accounts_are_bounded() {
        let (mut accounts, now) = (Accounts::default(), Instant::now());
        for _ in 0..Accounts::MAX_PEERS + 100 {
            accounts.admit(PeerId::random(), &QUOTA, 10, now).unwrap();
        }
        assert_eq!(accounts.peers.len(), Accounts::MAX_PEERS);
    }
}
