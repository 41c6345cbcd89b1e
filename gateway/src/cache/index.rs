//! What is in the cache, how large it is, and what goes first: the segment least recently used. Pure.

use hashlink::LinkedHashMap;

use super::Key;

/// Segments in the order of their last use, with their sizes on disk.
#[derive(Debug)]
pub(super) struct Index {
    segments: LinkedHashMap<Key, u64>,
    total: u64,
    limit: u64,
}

impl Index {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            segments: LinkedHashMap::new(),
            total: 0,
            limit,
        }
    }

    /// Most bytes together.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes of all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Whether a segment is there; it is now the one most recently used.
    pub(super) fn touch(&mut self, key: &Key) -> bool {
        self.segments.to_back(key).is_some()
    }

    /// Enters a segment, and returns those that have to go. One larger than everything goes itself.
    pub(super) fn insert(&mut self, key: Key, size: u64) -> Vec<Key> {
        let before = self.segments.insert(key, size).unwrap_or(0);
        self.total = self.total - before + size;
        let mut evicted = Vec::new();
        while self.total > self.limit
            && let Some((key, size)) = self.segments.pop_front()
        {
            self.total -= size;
            evicted.push(key);
        }
        evicted
    }

    /// Takes a segment out; whether it was there.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let size = self.segments.remove(key);
        self.total -= size.unwrap_or(0);
        size.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use floe_codec::{BlobId, SegmentIndex};
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Key {
        Key {
            blob: BlobId::from_bytes([number; 32]),
            segment: SegmentIndex(u32::from(number) % 3),
        }
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_its_limit_and_the_oldest_go_first(
            steps in prop::collection::vec((0_u8..3, 0_u8..12, 1_u64..60), 0..200),
        ) {
            let mut index = Index::new(100);
            // Key -> (size, time of last use)
            let mut model: BTreeMap<u8, (u64, usize)> = BTreeMap::new();
            for (now, (what, number, size)) in steps.into_iter().enumerate() {
                match what {
                    0 => {
                        prop_assert_eq!(index.remove(&key(number)), model.remove(&number).is_some());
                    }
                    1 => {
                        let known = model.get_mut(&number).map(|entry| entry.1 = now);
                        prop_assert_eq!(index.touch(&key(number)), known.is_some());
                    }
                    _ => {
                        model.insert(number, (size, now));
                        for gone in index.insert(key(number), size) {
                            let oldest = *model.iter().min_by_key(|(_, (_, used))| used).unwrap().0;
                            prop_assert_eq!(key(oldest), gone);
                            model.remove(&oldest);
                        }
                    }
                }
                let total: u64 = model.values().map(|(size, _)| size).sum();
                prop_assert_eq!(index.total(), total);
                prop_assert!(total <= 100);
            }
        }
    }
}
