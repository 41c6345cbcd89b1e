//! Gas coins, lent to one transaction at a time.
//!
//! Two transactions with the same coin would make validators lock it until the end of the epoch.
//! A coin whose transaction has an unknown outcome stays out until the chain shows that it moved
//! on, or until that transaction has expired.

use std::collections::BTreeMap;
use std::sync::Mutex;

use sui_sdk_types::{Address, ObjectReference};
use tokio::sync::Notify;

/// A coin and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GasCoin {
    pub(crate) reference: ObjectReference,
    pub(crate) units: u64,
}

#[derive(Debug)]
enum Place {
    Free(GasCoin),
    Lent,
    /// Lent to a transaction that may still be executed, until this Sui epoch is over.
    Limbo {
        version: u64,
        expires: u64,
    },
}

/// The coins of one account that can pay for gas.
#[derive(Debug, Default)]
pub(crate) struct GasPool {
    coins: Mutex<BTreeMap<Address, Place>>,
    returned: Notify,
}

/// A coin on loan. Dropping it without [`paid`](Self::paid), [`limbo`](Self::limbo) or
/// [`forget`](Self::forget) gives it back unchanged: its transaction was never sent.
#[derive(Debug)]
pub(crate) struct Lease<'p> {
    pool: &'p GasPool,
    coin: GasCoin,
    settled: bool,
}

/// No coin is enough.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoCoin {
    /// Units in the largest coin there is.
    pub(crate) largest: u64,
}

impl GasPool {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Address, Place>> {
        self.coins
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes in what the chain says the account owns in Sui epoch `epoch`. Coins on loan keep
    /// their place.
    pub(crate) fn refresh(&self, owned: Vec<GasCoin>, epoch: u64) {
        let mut coins = self.lock();
        let ids: Vec<_> = owned
            .iter()
            .map(|coin| *coin.reference.object_id())
            .collect();
        coins.retain(|id, place| !matches!(place, Place::Free(_)) || ids.contains(id));
        for coin in owned {
            let id = *coin.reference.object_id();
            let usable = match coins.get(&id) {
                None | Some(Place::Free(_)) => true,
                Some(Place::Lent) => false,
                Some(Place::Limbo { version, expires }) => {
                    coin.reference.version() > *version || epoch > *expires
                }
            };
            if usable {
                coins.insert(id, Place::Free(coin));
            }
        }
        drop(coins);
        self.returned.notify_waiters();
    }

    /// Lends the largest free coin, of at least `units`; `Ok(None)` when one that might do is on
    /// loan.
    pub(crate) fn lend(&self, units: u64) -> Result<Option<Lease<'_>>, NoCoin> {
        let mut coins = self.lock();
        let free = coins.values().filter_map(|place| match place {
            Place::Free(coin) => Some(coin),
            _ => None,
        });
        let best = free.max_by_key(|coin| coin.units).cloned();
        let largest = best.as_ref().map_or(0, |coin| coin.units);
        let lent = coins.values().any(|place| matches!(place, Place::Lent));
        match best {
            Some(coin) if coin.units >= units => {
                coins.insert(*coin.reference.object_id(), Place::Lent);
                Ok(Some(Lease {
                    pool: self,
                    coin,
                    settled: false,
                }))
            }
            _ if lent => Ok(None),
            _ => Err(NoCoin { largest }),
        }
    }

    /// Waits until a coin came back.
    pub(crate) fn returned(&self) -> impl Future<Output = ()> {
        self.returned.notified()
    }

    fn put(&self, id: Address, place: Option<Place>) {
        let mut coins = self.lock();
        match place {
            Some(place) => coins.insert(id, place),
            None => coins.remove(&id),
        };
        drop(coins);
        self.returned.notify_waiters();
    }
}

impl Lease<'_> {
    /// The coin.
    pub(crate) fn coin(&self) -> &GasCoin {
        &self.coin
    }

    /// The transaction was executed; this is the coin now, if it is still there.
    pub(crate) fn paid(mut self, now: Option<GasCoin>) {
        self.settled = true;
        let id = *self.coin.reference.object_id();
        self.pool.put(id, now.map(Place::Free));
    }

    /// Nothing happened, perhaps because somebody else with the account's key used the coin: what
    /// the chain says of it next time counts.
    pub(crate) fn forget(mut self) {
        self.settled = true;
        self.pool.put(*self.coin.reference.object_id(), None);
    }

    /// The transaction may be executed until Sui epoch `expires` is over.
    pub(crate) fn limbo(mut self, expires: u64) {
        self.settled = true;
        let version = self.coin.reference.version();
        let id = *self.coin.reference.object_id();
        self.pool.put(id, Some(Place::Limbo { version, expires }));
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if !self.settled {
            let id = *self.coin.reference.object_id();
            self.pool.put(id, Some(Place::Free(self.coin.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use sui_sdk_types::Digest;

    use super::*;

    fn coin(id: u8, version: u64, units: u64) -> GasCoin {
        let reference = ObjectReference::new(Address::new([id; 32]), version, Digest::ZERO);
        GasCoin { reference, units }
    }

    #[test]
    fn a_coin_is_lent_once() {
        let pool = GasPool::default();
        assert_eq!(pool.lend(1).unwrap_err(), NoCoin { largest: 0 });
        pool.refresh(vec![coin(1, 1, 50), coin(2, 1, 100)], 0);
        let large = pool.lend(40).unwrap().unwrap();
        assert_eq!(large.coin().units, 100);
        let small = pool.lend(40).unwrap().unwrap();
        assert_eq!(small.coin().units, 50);
        assert!(pool.lend(40).unwrap().is_none());
        // What the chain says of a lent coin is old.
        pool.refresh(vec![coin(1, 1, 50), coin(2, 1, 100)], 0);
        assert!(pool.lend(40).unwrap().is_none());

        small.paid(Some(coin(1, 2, 45)));
        assert_eq!(pool.lend(40).unwrap().unwrap().coin(), &coin(1, 2, 45));
        assert!(pool.lend(60).unwrap().is_none());
        drop(large);
        assert_eq!(pool.lend(101).unwrap_err(), NoCoin { largest: 100 });
    }

    #[test]
    fn a_coin_that_was_refused_is_as_the_chain_says_next() {
        let pool = GasPool::default();
        pool.refresh(vec![coin(1, 1, 50)], 0);
        pool.lend(1).unwrap().unwrap().forget();
        assert_eq!(pool.lend(1).unwrap_err(), NoCoin { largest: 0 });
        pool.refresh(vec![coin(1, 2, 40)], 0);
        assert_eq!(pool.lend(1).unwrap().unwrap().coin(), &coin(1, 2, 40));
    }

    #[test]
    fn a_coin_of_unknown_fate_stays_out_until_it_moved_or_the_transaction_expired() {
        let pool = GasPool::default();
        for (version, epoch, usable) in [(1, 0, false), (1, 7, false), (1, 8, true), (2, 0, true)] {
            pool.refresh(vec![coin(1, 1, 50)], 9);
            pool.lend(1).unwrap().unwrap().limbo(7);
            pool.refresh(vec![coin(1, version, 50)], epoch);
            assert_eq!(pool.lend(1).is_ok(), usable, "{version} {epoch}");
            pool.refresh(vec![coin(1, 3, 50)], 0);
            pool.lend(1).unwrap().unwrap().paid(None);
        }
    }
}
