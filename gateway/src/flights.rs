//! One fetch for everybody who wants the same thing at the same time. Remembers nothing: once a
//! flight has landed the next one starts anew, and one that nobody waits for any more is given up.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

/// What is on its way, by what it is.
pub(crate) struct Flights<K, V> {
    under_way: Arc<Mutex<UnderWay<K, V>>>,
}

/// A future that any number of tasks wait for.
pub(crate) type Flight<V> = Shared<BoxFuture<'static, V>>;

struct UnderWay<K, V> {
    flights: HashMap<K, (u64, WeakShared<BoxFuture<'static, V>>)>,
    next: u64,
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        let flights = HashMap::new();
        Self {
            under_way: Arc::new(Mutex::new(UnderWay { flights, next: 0 })),
        }
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The flight of `key`, and whether it was under way already.
    pub(crate) fn join<F>(&self, key: K, start: impl FnOnce() -> F) -> (Flight<V>, bool)
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut under_way = lock(&self.under_way);
        let known = under_way.flights.get(&key);
        if let Some(flight) = known.and_then(|(_, flight)| flight.upgrade()) {
            return (flight, true);
        }
        under_way.next += 1;
        let number = under_way.next;
        let landing = Landing {
            under_way: Arc::clone(&self.under_way),
            key: key.clone(),
            number,
        };
        let start = start();
        let flight = async move {
            let _landing = landing;
            start.await
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.flights.insert(key, (number, weak));
        }
        (flight, false)
    }
}

/// Takes a flight off the list when it is over, however it ends.
struct Landing<K: Eq + Hash, V> {
    under_way: Arc<Mutex<UnderWay<K, V>>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.under_way);
        // Another one may have started since everybody left this one.
        let own = |(number, _): &(u64, _)| *number == self.number;
        if under_way.flights.get(&self.key).is_some_and(own) {
            under_way.flights.remove(&self.key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_wait_for_one_and_what_nobody_waits_for_is_given_up() {
        let flights = Flights::<u8, u32>::default();
        let (open, gate) = tokio::sync::oneshot::channel::<u32>();
        let (first, joined) = flights.join(1, || gate.map(|number| number.unwrap_or(0)));
        assert!(!joined);
        let others = [(); 9].map(|()| {
            let (flight, joined) = flights.join(1, || std::future::ready(99));
            assert!(joined);
            flight
        });
        open.send(7).unwrap();
        assert_eq!(first.await, 7);
        assert_eq!(futures::future::join_all(others).await, [7; 9]);
        assert!(lock(&flights.under_way).flights.is_empty());

        let (flight, _) = flights.join(2, std::future::pending);
        drop(flight);
        assert!(lock(&flights.under_way).flights.is_empty());
        let (flight, joined) = flights.join(2, || std::future::ready(5));
        assert!(!joined);
        assert_eq!(flight.await, 5);
    }
}
