//! Answers that are good for a while: which blobs there are, which there are not. Bounded; those
//! least recently used go first. Asks nobody.

use std::{
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hashlink::LinkedHashMap;
use tokio::time::Instant;

/// Answers by question.
pub(crate) struct Answers<K, V> {
    known: Mutex<LinkedHashMap<K, (V, Instant)>>,
    most: usize,
}

/// An answer, and whether it is still good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer<V> {
    Fresh(V),
    /// To be asked again, but good enough if nobody answers.
    Stale(V),
}

impl<K: Eq + Hash, V: Clone> Answers<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            known: Mutex::default(),
            most,
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<Answer<V>> {
        let mut known = self.known();
        let (value, until) = known.to_back(key)?.clone();
        Some(if Instant::now() < until {
            Answer::Fresh(value)
        } else {
            Answer::Stale(value)
        })
    }

    pub(crate) fn put(&self, key: K, value: V, good_for: Duration) {
        let mut known = self.known();
        known.insert(key, (value, Instant::now() + good_for));
        if known.len() > self.most {
            known.pop_front();
        }
    }

    fn known(&self) -> MutexGuard<'_, LinkedHashMap<K, (V, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_grow_old_and_the_least_used_go() {
        let answers = Answers::new(2);
        answers.put(1, 'a', Duration::from_secs(1));
        answers.put(2, 'b', Duration::from_secs(9));
        assert_eq!(answers.get(&1), Some(Answer::Fresh('a')));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(answers.get(&1), Some(Answer::Stale('a')));
        answers.put(3, 'c', Duration::ZERO);
        assert_eq!(answers.get(&2), None);
        assert_eq!(answers.get(&3), Some(Answer::Stale('c')));
    }
}
