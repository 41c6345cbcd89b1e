//! The peer book: the latest signed record of every node, and the chain's first hints. Answers where
//! a peer can be reached, on both planes, and from where that is known.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use floe_chain::{
    epoch::ChainTime,
    id::{NetworkId, NodeId},
};
use libp2p::Multiaddr;

use super::{
    record::{ControlAddress, SignedRecord, VerifiedRecord},
    request::PeerKey,
};
use crate::{
    address::{DataAddress, PeerAddress},
    identity::PeerId,
    pool::Resolve,
    wire::Bounded,
};

/// Where nodes are. Shared by both planes.
#[derive(Debug)]
pub struct AddressBook {
    network: NetworkId,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    members: HashMap<PeerId, NodeId>,
    records: HashMap<PeerId, VerifiedRecord>,
    hints: HashMap<PeerId, Vec<DataAddress>>,
    bootstraps: BTreeMap<PeerId, Vec<ControlAddress>>,
    changes: u64,
}

/// From where a peer's address is known, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The peer's own signed record.
    Record,
    /// What the node said when it registered on the chain.
    Chain,
    /// Nowhere.
    Unknown,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Self; 3] = [Self::Record, Self::Chain, Self::Unknown];

    /// A word for metrics and status.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Chain => "chain",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a record is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The same or a later one is there.
    #[error("the same or a later record is known")]
    Known,
    /// The key belongs to another node in the committee.
    #[error("the record names node {found}, the committee says {expected}")]
    OtherNode {
        /// The node the record names.
        found: NodeId,
        /// The node whose key it is.
        expected: NodeId,
    },
    /// Not a member, and there is room for members only.
    #[error("the book is full of records of peers outside the committee")]
    Full,
}

impl AddressBook {
    /// Records kept of peers outside the committee.
    pub const OUTSIDERS: usize = 512;
    /// Bytes of records in one answer.
    const ANSWER_BYTES: usize = 96 << 10;
    /// Addresses given for one peer.
    const MAX_ADDRESSES: usize = 8;

    /// An empty book of a deployment.
    #[must_use]
    pub fn new(network: NetworkId) -> Self {
        Self {
            network,
            inner: Mutex::default(),
        }
    }

    /// The deployment.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// Who is a member of a committee that matters now, and where the chain says each listens.
    pub fn set_members(&self, members: HashMap<PeerId, NodeId>) {
        let mut inner = self.lock();
        inner
            .records
            .retain(|peer, record| members.get(peer).is_none_or(|node| *node == record.node));
        inner.hints.retain(|peer, _| members.contains_key(peer));
        inner.members = members;
        inner.changes += 1;
    }

    /// What the chain says of a member's data plane.
    pub fn set_hint(&self, peer: PeerId, mut addresses: Vec<DataAddress>) {
        addresses.truncate(Self::MAX_ADDRESSES);
        let mut inner = self.lock();
        if inner.members.contains_key(&peer) {
            inner.hints.insert(peer, addresses);
        }
    }

    /// A peer to begin with, from the configuration.
    pub fn add_bootstrap(&self, bootstrap: super::record::Bootstrap) {
        let mut inner = self.lock();
        let addresses = inner.bootstraps.entry(bootstrap.peer).or_default();
        addresses.push(bootstrap.address);
    }

    /// The peers to begin with.
    #[must_use]
    pub fn bootstraps(&self) -> Vec<PeerId> {
        self.lock().bootstraps.keys().copied().collect()
    }

    /// Whether a peer is one to begin with.
    #[must_use]
    pub fn is_bootstrap(&self, peer: &PeerId) -> bool {
        self.lock().bootstraps.contains_key(peer)
    }

    /// Takes a record if it is later than the one there.
    ///
    /// # Errors
    /// See [`NotTaken`].
    pub fn offer(&self, record: VerifiedRecord) -> Result<(), NotTaken> {
        let mut inner = self.lock();
        let peer = record.peer();
        let member = inner.members.get(&peer).copied();
        if let Some(expected) = member
            && expected != record.node
        {
            let found = record.node;
            return Err(NotTaken::OtherNode { found, expected });
        }
        match inner.records.get(&peer) {
            Some(known) if known.written >= record.written => return Err(NotTaken::Known),
            Some(_) => {}
            None if member.is_some() => {}
            None => {
                let members = &inner.members;
                let outsiders = inner
                    .records
                    .keys()
                    .filter(|peer| !members.contains_key(peer));
                if outsiders.count() >= Self::OUTSIDERS {
                    return Err(NotTaken::Full);
                }
            }
        }
        inner.records.insert(peer, record);
        inner.changes += 1;
        Ok(())
    }

    /// Takes a record that was read from disk or sent by a peer, after checking it.
    ///
    /// # Errors
    /// It does not verify.
    pub fn offer_signed(
        &self,
        record: SignedRecord,
        now: ChainTime,
    ) -> Result<Result<(), NotTaken>, super::signed::SignedError> {
        Ok(self.offer(record.verify(self.network, now)?))
    }

    /// A peer's latest record.
    #[must_use]
    pub fn record(&self, peer: &PeerId) -> Option<VerifiedRecord> {
        self.lock().records.get(peer).cloned()
    }

    /// Every record, members first; to be saved, or given to others.
    #[must_use]
    pub fn records(&self) -> Vec<VerifiedRecord> {
        let inner = self.lock();
        let mut records: Vec<_> = inner.records.values().cloned().collect();
        records.sort_by_key(|record| (!inner.members.contains_key(&record.peer()), record.node));
        records
    }

    /// What to answer somebody who asks for the records of `peers`, or with no names for this
    /// peer's own; cut where the answer would become too long.
    #[must_use]
    pub fn answer(&self, local: PeerId, peers: &[PeerKey]) -> Bounded<SignedRecord, 128> {
        let own = std::iter::once(local).filter(|_| peers.is_empty());
        let mut seen = HashSet::new();
        let once = peers.iter().filter_map(PeerKey::peer).chain(own);
        // Each takes arithmetic: not while others wait for the book.
        let wanted: Vec<_> = once.filter(|peer| seen.insert(*peer)).collect();
        let inner = self.lock();
        let mut room = Self::ANSWER_BYTES;
        let records = wanted
            .iter()
            .filter_map(|peer| inner.records.get(peer))
            .map(|record| record.signed().clone())
            .take_while(|record| {
                let left = room.checked_sub(record.size());
                room = left.unwrap_or(0);
                left.is_some()
            });
        let records: Vec<_> = records.take(128).collect();
        records.try_into().expect("at most 128 were taken")
    }

    /// Changes with every record taken and every change of the members.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// The members.
    #[must_use]
    pub fn members(&self) -> HashMap<PeerId, NodeId> {
        self.lock().members.clone()
    }

    /// Whether a peer is a member of a committee that matters now.
    #[must_use]
    pub fn is_member(&self, peer: &PeerId) -> bool {
        self.lock().members.contains_key(peer)
    }

    /// Members whose record is not known.
    #[must_use]
    pub fn without_record(&self) -> Vec<PeerId> {
        let inner = self.lock();
        let unknown = |peer: &&PeerId| !inner.records.contains_key(peer);
        inner.members.keys().filter(unknown).copied().collect()
    }

    /// Where a peer's data plane is, and from where that is known. Records first, hints after.
    #[must_use]
    pub fn data(&self, peer: &PeerId) -> (Origin, Vec<DataAddress>) {
        let inner = self.lock();
        let record = inner.records.get(peer).map(|record| record.data.to_vec());
        let hints = inner.hints.get(peer).cloned().unwrap_or_default();
        let origin = match &record {
            Some(data) if !data.is_empty() => Origin::Record,
            _ if !hints.is_empty() => Origin::Chain,
            _ => Origin::Unknown,
        };
        let mut addresses = record.unwrap_or_default();
        addresses.extend(hints);
        (origin, distinct(addresses))
    }

    /// Where a peer's control plane is.
    #[must_use]
    pub fn control(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let inner = self.lock();
        let record = inner.records.get(peer);
        let said = record.into_iter().flat_map(|record| record.control.iter());
        let given = inner.bootstraps.get(peer).into_iter().flatten();
        said.chain(given)
            .map(|address| address.as_multiaddr().clone())
            .collect()
    }

    /// From where the addresses of members are known: how many of each origin.
    #[must_use]
    pub fn origins(&self) -> BTreeMap<Origin, usize> {
        let members: Vec<_> = self.lock().members.keys().copied().collect();
        let mut counts: BTreeMap<_, _> = Origin::ALL.map(|origin| (origin, 0)).into();
        for peer in members {
            *counts.entry(self.data(&peer).0).or_default() += 1;
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code under this lock panics, so a poisoned one still guards whole data.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolve for AddressBook {
    /// What is known here goes before what the caller knew.
    fn resolve(&self, to: &PeerAddress) -> PeerAddress {
        let (_, mut addresses) = self.data(&to.peer);
        addresses.extend(to.addresses.iter().cloned());
        PeerAddress {
            peer: to.peer,
            addresses: distinct(addresses),
        }
    }
}

fn distinct(addresses: Vec<DataAddress>) -> Vec<DataAddress> {
    let mut kept: Vec<DataAddress> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if kept.len() < AddressBook::MAX_ADDRESSES && !kept.contains(&address) {
            kept.push(address);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::record::NodeRecord;
    use super::super::testing::{NETWORK, NOW, identity, node, record};
    use super::*;

    fn book(members: impl IntoIterator<Item = u16>) -> AddressBook {
        let book = AddressBook::new(NETWORK);
        let members = members
            .into_iter()
            .map(|n| (identity(n).peer_id(), node(n)));
        book.set_members(members.collect());
        book
    }

    #[test]
    fn the_latest_record_counts_and_goes_before_the_chain() {
        let book = book([1]);
        let peer = identity(1).peer_id();
        let hint: DataAddress = "127.0.0.1:1".parse().unwrap();
        assert_eq!(book.data(&peer), (Origin::Unknown, vec![]));
        book.set_hint(peer, vec![hint.clone()]);
        assert_eq!(book.data(&peer), (Origin::Chain, vec![hint.clone()]));
        let (old, new) = (record(1, NOW, 4000), record(1, NOW.plus_ms(1), 5000));
        assert_eq!(book.offer(new.clone()), Ok(()));
        assert_eq!(book.offer(old), Err(NotTaken::Known));
        assert_eq!(book.offer(new.clone()), Err(NotTaken::Known));
        assert_eq!(
            book.data(&peer),
            (Origin::Record, vec![new.data[0].clone(), hint])
        );
        assert_eq!(book.origins()[&Origin::Record], 1);
        assert_eq!(book.without_record(), vec![]);
    }

    #[test]
    fn a_member_key_under_another_name_is_refused_also_later() {
        let stolen = |n| {
            let mut value: NodeRecord = (*record(n, NOW, 4000)).clone();
            value.node = node(9);
            VerifiedRecord::sign(value, &identity(n))
        };
        let book = book([1]);
        assert!(matches!(
            book.offer(stolen(1)),
            Err(NotTaken::OtherNode { .. })
        ));
        book.offer(stolen(2)).unwrap();
        let members = [(identity(2).peer_id(), node(2))];
        book.set_members(members.into());
        assert_eq!(book.record(&identity(2).peer_id()), None);
    }

    #[test]
    fn whoever_is_named_twice_is_answered_once() {
        let book = book([1, 2]);
        for n in 1..=2 {
            book.offer(record(n, NOW, 4000)).unwrap();
        }
        let keys = [1, 2, 1, 1].map(|n| PeerKey::of(&identity(n).peer_id()).unwrap());
        let answer = book.answer(identity(3).peer_id(), &keys);
        let records = [1, 2].map(|n| record(n, NOW, 4000).signed().clone());
        assert_eq!(answer.into_inner(), records);
    }

    #[test]
    fn outsiders_cannot_fill_the_book() {
        let book = book([1]);
        for _ in 0..AddressBook::OUTSIDERS {
            let stranger = crate::identity::Identity::generate();
            let mut value: NodeRecord = (*record(2, NOW, 4000)).clone();
            value.identity = stranger.public_key();
            book.offer(VerifiedRecord::sign(value, &stranger)).unwrap();
        }
        assert_eq!(book.offer(record(3, NOW, 1)), Err(NotTaken::Full));
        assert_eq!(book.offer(record(1, NOW, 1)), Ok(()));
    }
}
