//! What the distributed hash table may hold on this machine: signed node records under their own
//! key, and nothing else. What is put in here was verified before.

use std::{borrow::Cow, collections::HashMap};

use libp2p::kad::{
    ProviderRecord, Record, RecordKey,
    store::{Error, RecordStore, Result},
};

use super::{record::NodeRecord, request::PeerKey, signed::Signable};
use crate::identity::PeerId;

/// In front of the key of every record.
const PREFIX: &[u8] = b"/floe/node/1/";

/// The key of a peer's record: `/floe/node/1/` and the 32 bytes of its Ed25519 key.
pub(super) fn key_of(peer: &PeerId) -> Option<RecordKey> {
    let key = crate::identity::public_key_of(peer)?;
    Some(RecordKey::new(&[PREFIX, &key].concat()))
}

/// Whether bytes may be a record under this key: cheap, before anybody verifies.
pub(super) fn is_plausible(key: &RecordKey, value: &[u8]) -> bool {
    let envelope = NodeRecord::MAX_SIZE + 2 + 64;
    key.as_ref()
        .strip_prefix(PREFIX)
        .is_some_and(|key| key.len() == size_of::<PeerKey>())
        && value.len() <= envelope
}

/// At most [`Self::MAX_RECORDS`] records in memory.
#[derive(Debug, Default)]
pub(super) struct NodeRecordStore {
    records: HashMap<RecordKey, Record>,
}

impl NodeRecordStore {
    /// Members of a committee and as many others.
    pub(super) const MAX_RECORDS: usize = 2_048;
}

impl RecordStore for NodeRecordStore {
    type RecordsIter<'a> = std::iter::Map<
        std::collections::hash_map::Values<'a, RecordKey, Record>,
        fn(&'a Record) -> Cow<'a, Record>,
    >;
    type ProvidedIter<'a> = std::iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        self.records.get(key).map(Cow::Borrowed)
    }

    fn put(&mut self, record: Record) -> Result<()> {
        if !is_plausible(&record.key, &record.value) {
            return Err(Error::ValueTooLarge);
        }
        let full = self.records.len() >= Self::MAX_RECORDS;
        if full && !self.records.contains_key(&record.key) {
            return Err(Error::MaxRecords);
        }
        self.records.insert(record.key.clone(), record);
        Ok(())
    }

    fn remove(&mut self, key: &RecordKey) {
        self.records.remove(key);
    }

    fn records(&self) -> Self::RecordsIter<'_> {
        self.records.values().map(Cow::Borrowed)
    }

    fn add_provider(&mut self, _: ProviderRecord) -> Result<()> {
        Err(Error::MaxProvidedKeys)
    }

    fn providers(&self, _: &RecordKey) -> Vec<ProviderRecord> {
        Vec::new()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        std::iter::empty()
    }

    fn remove_provider(&mut self, _: &RecordKey, _: &PeerId) {}
}

#[cfg(test)]
mod tests {
    use super::super::testing::identity;
    use super::*;

    fn record(key: RecordKey, length: usize) -> Record {
        Record::new(key, vec![0; length])
    }

    #[test]
    fn only_keys_of_nodes_and_small_values_have_room() {
        let mut store = NodeRecordStore::default();
        let key = key_of(&identity(1).peer_id()).unwrap();
        assert!(store.put(record(key.clone(), 100)).is_ok());
        assert!(store.put(record(key.clone(), 65_536)).is_err());
        assert!(store.put(record(RecordKey::new(b"/other/key"), 1)).is_err());
        assert!(store.get(&key).is_some());
        for n in 0..NodeRecordStore::MAX_RECORDS - 1 {
            let other = [PREFIX, blake3::hash(&n.to_le_bytes()).as_bytes()].concat();
            store.put(record(RecordKey::new(&other), 1)).unwrap();
        }
        let late = [PREFIX, blake3::hash(b"late").as_bytes()].concat();
        assert!(store.put(record(RecordKey::new(&late), 1)).is_err());
        assert!(store.put(record(key, 1)).is_ok());
    }

    #[test]
    fn provider_records_are_refused() {
        let mut store = NodeRecordStore::default();
        let key = key_of(&identity(1).peer_id()).unwrap();
        let provider = ProviderRecord::new(key, identity(1).peer_id(), vec![]);
        assert!(store.add_provider(provider).is_err());
    }
}
