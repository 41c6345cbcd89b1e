//! The chain in memory: the same traits, for tests and simulation.
//!
//! It plays storage, blobs, nodes, stake and epochs by the contract's rules, refusals included. It
//! does not play commissions, exits, votes or governance, and its income goes nowhere: what those
//! do is shown on the real bytecode. Time moves only when told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use floe_codec::ShardCount;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

use super::state::{
    Balance, EpochState, Node, NodeCap, Params, Stake, StorageResource, SystemState,
};
use super::{
    ChainError, ChainEvents, ChainRead, ChainWrite, CheckpointEvents, Operation, Receipt,
    StakeWorth,
};
use crate::amount::{Sui, Wal};
use crate::blob::Registration;
use crate::committee::Committee;
use crate::cost::Prices;
use crate::epoch::{ChainTime, Epoch};
use crate::event::EventCursor;
use crate::id::{Address, ChainId, NetworkId, NodeId, ObjectId, SystemId, TransactionDigest};

mod blobs;
mod epochs;
mod ledger;
mod storage;

use ledger::{Ledger, Thing};

/// What a chain in memory starts with.
#[derive(Debug, Clone)]
pub struct MemorySettings {
    /// Makes its ids; chains of different seeds share none.
    pub seed: u64,
    /// The number of shards.
    pub shards: ShardCount,
    /// Epochs that can be paid for, the running one included.
    pub horizon: u32,
    /// Length of epoch 0 in milliseconds.
    pub epoch_zero_ms: u64,
    /// As governance would set them.
    pub params: Params,
    /// What storage costs, always.
    pub prices: Prices,
    /// Encoded bytes for sale in each epoch.
    pub capacity: u64,
}

impl MemorySettings {
    /// A small network: epochs of an hour, 52 of them for sale, a terabyte.
    #[must_use]
    pub fn small(seed: u64, shards: ShardCount) -> Self {
        Self {
            seed,
            shards,
            horizon: 52,
            epoch_zero_ms: 2_000,
            params: Params {
                epoch_ms: 3_600_000,
                select_bps: 5_000,
                burn_bps: 300,
                cap_bps: 1_000,
                max_nodes: 300,
                min_stake: Wal::from_units(1_000_000_000),
            },
            prices: Prices {
                storage: Wal::from_units(1_000),
                write: Wal::from_units(2_000),
            },
            capacity: 1 << 40,
        }
    }
}

/// A chain in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryChain {
    ledger: Arc<Mutex<Ledger>>,
    /// Number of checkpoints, for those who wait for the next.
    height: Arc<watch::Sender<u64>>,
}

/// An account on a chain in memory.
#[derive(Clone)]
pub struct MemoryAccount {
    chain: MemoryChain,
    address: Address,
}

impl MemoryChain {
    /// A chain in epoch 0 at time zero.
    #[must_use]
    pub fn new(settings: MemorySettings) -> Self {
        let chain = ledger::fresh(settings.seed, "chain", 0);
        let system = ledger::fresh(settings.seed, "system", 0);
        let network = NetworkId {
            chain: ChainId::from_bytes(chain),
            system: SystemId::from_bytes(system),
        };
        let ledger = Arc::new(Mutex::new(Ledger::new(network, settings)));
        Self {
            ledger,
            height: Arc::new(watch::Sender::new(1)),
        }
    }

    /// Acts in the name of an account.
    #[must_use]
    pub fn account(&self, address: Address) -> MemoryAccount {
        MemoryAccount {
            chain: self.clone(),
            address,
        }
    }

    /// Gives an account money from nowhere.
    pub fn mint(&self, to: Address, sui: Sui, wal: Wal) {
        self.lock().mint(to, sui, wal);
    }

    /// The chain's time.
    #[must_use]
    pub fn now(&self) -> ChainTime {
        self.lock().now
    }

    /// Lets time pass, and an empty checkpoint with it.
    pub fn pass(&self, ms: u64) {
        let height = {
            let mut ledger = self.lock();
            ledger.now = ledger.now.plus_ms(ms);
            ledger.checkpoint(Vec::new())
        };
        self.height.send_replace(height);
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        // A panic while the lock is held is a failed test; the ledger is only then half changed.
        self.ledger
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The events of a checkpoint after `from`; `None` when there is no such checkpoint yet.
    fn events(&self, checkpoint: u64, from: EventCursor) -> Option<CheckpointEvents> {
        let ledger = self.lock();
        let record = ledger.checkpoints.get(usize::try_from(checkpoint).ok()?)?;
        let mut events = Vec::new();
        for (transaction, list) in (0..).zip(&record.transactions) {
            for (event, happened) in (0..).zip(list) {
                let cursor = EventCursor {
                    checkpoint,
                    transaction,
                    event,
                };
                if cursor > from {
                    events.push((cursor, happened.clone()));
                }
            }
        }
        let to = EventCursor::end_of(checkpoint);
        Some(CheckpointEvents {
            checkpoint,
            at: record.at,
            events,
            to,
            behind: false,
        })
    }
}

impl std::fmt::Debug for MemoryChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryChain({})", self.lock().network.system)
    }
}

#[async_trait]
impl ChainRead for MemoryChain {
    fn network(&self) -> NetworkId {
        self.lock().network
    }

    async fn system(&self) -> Result<SystemState, ChainError> {
        Ok(self.lock().system())
    }

    async fn epoch_state(&self) -> Result<EpochState, ChainError> {
        Ok(self.lock().epoch_state())
    }

    async fn committee(&self, epoch: Epoch) -> Result<Option<Committee>, ChainError> {
        Ok(self.lock().committees.get(&epoch).cloned())
    }

    async fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Option<Node>>, ChainError> {
        let ledger = self.lock();
        Ok(ids.iter().map(|id| ledger.nodes.get(id).cloned()).collect())
    }

    async fn blob(&self, object: ObjectId) -> Result<Option<Registration>, ChainError> {
        Ok(match self.lock().objects.get(&object) {
            Some((_, Thing::Blob { registration, .. } | Thing::Shared { registration, .. })) => {
                Some(registration.clone())
            }
            _ => None,
        })
    }

    async fn attributes(&self, object: ObjectId) -> Result<BTreeMap<String, String>, ChainError> {
        match self.lock().objects.get(&object) {
            Some((_, Thing::Blob { attributes, .. })) => Ok(attributes.clone()),
            _ => Ok(BTreeMap::new()),
        }
    }

    async fn owned_blobs(&self, owner: Address) -> Result<Vec<Registration>, ChainError> {
        Ok(self.lock().owned(owner, |thing| match thing {
            Thing::Blob { registration, .. } => Some(registration.clone()),
            _ => None,
        }))
    }

    async fn owned_storage(&self, owner: Address) -> Result<Vec<StorageResource>, ChainError> {
        Ok(self.lock().owned(owner, |thing| match thing {
            Thing::Storage(storage) => Some(storage.clone()),
            _ => None,
        }))
    }

    async fn owned_stakes(&self, owner: Address) -> Result<Vec<Stake>, ChainError> {
        Ok(self.lock().owned(owner, |thing| match thing {
            Thing::Stake(stake) => Some(*stake),
            _ => None,
        }))
    }

    /// Nothing is paid here, so every claim is worth what was put in.
    async fn worth(&self, stakes: &[Stake]) -> Result<Vec<StakeWorth>, ChainError> {
        let ledger = self.lock();
        let worth = stakes.iter().map(|stake| {
            let missing = || ChainError::NotFound {
                what: "node",
                id: stake.node.to_string(),
            };
            let node = ledger.nodes.get(&stake.node).ok_or_else(missing)?;
            Ok(StakeWorth::of(stake, node, None))
        });
        worth.collect()
    }

    async fn owned_node_caps(&self, owner: Address) -> Result<Vec<NodeCap>, ChainError> {
        Ok(self.lock().owned(owner, |thing| match thing {
            Thing::NodeCap(cap) => Some(*cap),
            _ => None,
        }))
    }

    async fn balance(&self, owner: Address) -> Result<Balance, ChainError> {
        Ok(self
            .lock()
            .balances
            .get(&owner)
            .copied()
            .unwrap_or_default())
    }
}

#[async_trait]
impl ChainEvents for MemoryChain {
    fn follow(
        &self,
        from: EventCursor,
    ) -> BoxStream<'static, Result<CheckpointEvents, ChainError>> {
        // The checkpoint that `from` lies in may have events after it, unless it is at the end.
        let first = from.checkpoint + u64::from(from == EventCursor::end_of(from.checkpoint));
        let state = (self.clone(), self.height.subscribe(), first);
        stream::unfold(state, move |(chain, mut height, next)| async move {
            // The sender lives as long as the chain, which this stream holds.
            height.wait_for(|height| *height > next).await.ok()?;
            let events = chain.events(next, from)?;
            Some((Ok(events), (chain, height, next + 1)))
        })
        .boxed()
    }

    async fn start(&self) -> Result<EventCursor, ChainError> {
        Ok(EventCursor::START)
    }
}

#[async_trait]
impl ChainWrite for MemoryAccount {
    fn address(&self) -> Address {
        self.address
    }

    async fn execute(&self, operations: Vec<Operation>) -> Result<Receipt, ChainError> {
        let (receipt, height) = {
            let mut ledger = self.chain.lock();
            // All or nothing: operations work on a copy.
            let mut changed = ledger.clone();
            let (events, created) = changed.apply(self.address, operations)?;
            let checkpoint = changed.height();
            let height = changed.checkpoint(events.clone());
            let digest = ledger::fresh(changed.settings.seed, "transaction", checkpoint);
            let receipt = Receipt {
                digest: TransactionDigest::from_bytes(digest),
                checkpoint,
                at: changed.now,
                gas: ledger::GAS,
                events,
                created,
            };
            *ledger = changed;
            (receipt, height)
        };
        self.chain.height.send_replace(height);
        Ok(receipt)
    }
}

#[cfg(test)]
mod tests {
    use floe_codec::{BlobId, BlobLayout, BlobRoot};

    use super::*;
    use crate::certificate::{Collector, Confirmation};
    use crate::event::ChainEvent;
    use crate::keys::{BlsSecretKey, IdentitySecretKey};
    use crate::rpc::abort::Refusal;
    use crate::rpc::{NodeRegistration, ObjectKind, Room, state::Vote};
    use crate::statement::{Available, Possession};

    const COIN: u64 = 1_000_000_000;

    fn address(n: u8) -> Address {
        Address::from_bytes([n; 32])
    }

    /// Four nodes, epoch 1 open. Their keys come from their numbers, 1 to 4.
    async fn network() -> MemoryChain {
        let chain = MemoryChain::new(MemorySettings::small(7, ShardCount::new(10).unwrap()));
        let vote = Vote {
            prices: chain.lock().settings.prices,
            capacity: 1 << 40,
        };
        for n in 1..=4 {
            chain.mint(
                address(n),
                Sui::from_units(COIN),
                Wal::from_units(100 * COIN),
            );
            let (bls, identity) = (
                BlsSecretKey::from_seed(&[n; 32]),
                IdentitySecretKey::from_seed(&[n; 32]),
            );
            let network = chain.network();
            let (possession, proof) = Possession::prove(network, address(n), &bls, &identity);
            let registration = NodeRegistration {
                name: format!("node {n}"),
                addresses: vec![],
                possession,
                proof,
                commission_bps: 0,
                vote,
                stake: Wal::from_units(10 * COIN),
            };
            let operation = Operation::RegisterNode(Box::new(registration));
            chain
                .account(address(n))
                .execute(vec![operation])
                .await
                .unwrap();
        }
        chain.pass(2_000);
        let driver = chain.account(address(1));
        driver
            .execute(vec![Operation::Select, Operation::Advance])
            .await
            .unwrap();
        for n in 1..=4 {
            let cap = chain.owned_node_caps(address(n)).await.unwrap()[0].object;
            let done = Operation::SyncDone {
                cap,
                epoch: Epoch::FIRST,
            };
            chain.account(address(n)).execute(vec![done]).await.unwrap();
        }
        chain
    }

    fn certify(chain: &MemoryChain, body: Available, signers: u8) -> Option<Operation> {
        let Available { persistence, .. } = body;
        let crate::statement::Persistence::Deletable(blob) = persistence else {
            return None;
        };
        let ledger = chain.lock();
        let committee = &ledger.committees[&ledger.schedule.epoch];
        let mut collector = Collector::new(ledger.network, committee, body);
        for n in 1..=signers {
            let key = BlsSecretKey::from_seed(&[n; 32]);
            let member = committee
                .members()
                .iter()
                .find(|m| *m.bls_key() == key.public());
            let node = member.unwrap().node();
            let statement = collector.statement().clone();
            collector
                .add(&Confirmation::sign(node, statement, &key))
                .unwrap();
        }
        Some(Operation::Certify {
            blob,
            certificate: collector.certificate()?,
        })
    }

    #[tokio::test]
    async fn a_blob_lives_from_registration_to_deletion() {
        let chain = network().await;
        let user = chain.account(address(9));
        chain.mint(address(9), Sui::from_units(COIN), Wal::from_units(COIN));
        let system = chain.system().await.unwrap();
        let layout = BlobLayout::for_shards(system.shards, 1_000).unwrap();
        let root = BlobRoot::from_bytes([5; 32]);
        let period = Epoch::new(1)..Epoch::new(4);
        let register = Operation::Register {
            room: Room::Reserve {
                bytes: 1 << 20,
                period: period.clone(),
            },
            root,
            size: 1_000,
            encoding: layout.encoding(),
            deletable: true,
        };
        let receipt = user.execute(vec![register]).await.unwrap();
        assert_eq!(receipt.created(ObjectKind::Storage).count(), 0);
        let event = *receipt.registered().next().unwrap();
        assert_eq!(event.blob, BlobId::derive(&layout, &root));
        // Three epochs of one MiB and one write.
        let left = chain.balance(address(9)).await.unwrap().wal;
        assert_eq!(left, Wal::from_units(COIN - 3 * 1_000 - 2_000));

        let registration = chain.blob(event.object).await.unwrap().unwrap();
        let certify_op = certify(&chain, registration.available(), 4).unwrap();
        user.execute(vec![certify_op.clone()]).await.unwrap();
        let error = user.execute(vec![certify_op]).await.unwrap_err();
        assert_eq!(error.refusal(), Some(&Refusal::BlobAlreadyCertified));
        let wrong = Available {
            size: 1,
            ..registration.available()
        };
        let other = certify(&chain, wrong, 4).unwrap();
        assert!(user.execute(vec![other]).await.is_err());

        let extend = Operation::Extend {
            blob: event.object,
            epochs: 2,
        };
        user.execute(vec![extend]).await.unwrap();
        let far = Operation::Extend {
            blob: event.object,
            epochs: 52,
        };
        let error = user.execute(vec![far]).await.unwrap_err();
        assert_eq!(error.refusal(), Some(&Refusal::LedgerPeriod));
        user.execute(vec![Operation::Delete { blob: event.object }])
            .await
            .unwrap();
        let storage = chain.owned_storage(address(9)).await.unwrap();
        assert_eq!(storage[0].period, Epoch::new(2)..Epoch::new(6));
        assert_eq!(chain.blob(event.object).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_refused_transaction_changes_nothing() {
        let chain = network().await;
        let before = (
            chain.balance(address(1)).await.unwrap(),
            chain.lock().height(),
        );
        let send = Operation::SendWal {
            to: address(2),
            amount: Wal::from_units(1),
        };
        let error = chain
            .account(address(1))
            .execute(vec![send, Operation::Advance])
            .await;
        assert_eq!(error.unwrap_err().refusal(), Some(&Refusal::SchedulePhase));
        let after = (
            chain.balance(address(1)).await.unwrap(),
            chain.lock().height(),
        );
        assert_eq!(before, after);
    }

    #[tokio::test]
    async fn every_event_comes_exactly_once_wherever_one_starts() {
        let chain = network().await;
        let height = chain.lock().height();
        let all: Vec<_> = chain
            .follow(EventCursor::START)
            .take(usize::try_from(height).unwrap())
            .map(|batch| batch.unwrap())
            .collect::<Vec<_>>()
            .await;
        let events: Vec<_> = all.iter().flat_map(|batch| batch.events.clone()).collect();
        let opened = events
            .iter()
            .filter(|(_, e)| matches!(e, ChainEvent::EpochOpened(_)));
        assert_eq!(opened.count(), 1);
        let cursors = events
            .iter()
            .map(|(cursor, _)| *cursor)
            .chain(all.iter().map(|b| b.to));
        for from in cursors {
            let last = all.last().unwrap().checkpoint;
            let mut rest = Vec::new();
            if from < EventCursor::end_of(last) {
                let mut stream = chain.follow(from);
                loop {
                    let batch = stream.next().await.unwrap().unwrap();
                    rest.extend(batch.events);
                    if batch.checkpoint == last {
                        break;
                    }
                }
            }
            let expected: Vec<_> = events.iter().filter(|(c, _)| *c > from).cloned().collect();
            assert_eq!(rest, expected, "from {from}");
        }
    }

    #[tokio::test]
    async fn shards_move_only_when_they_must() {
        let chain = network().await;
        let first = chain.committee(Epoch::FIRST).await.unwrap().unwrap();
        let driver = chain.account(address(1));
        chain.pass(3_600_000);
        driver
            .execute(vec![Operation::Select, Operation::Advance])
            .await
            .unwrap();
        let second = chain.committee(Epoch::new(2)).await.unwrap().unwrap();
        assert_eq!(first.owners(), second.owners());
        assert_eq!(second.epoch(), Epoch::new(2));
    }

    #[tokio::test]
    async fn twins_share_no_ids() {
        let shards = ShardCount::new(10).unwrap();
        let one = MemoryChain::new(MemorySettings::small(1, shards)).network();
        let two = MemoryChain::new(MemorySettings::small(2, shards)).network();
        assert_ne!(one.chain, two.chain);
        assert_ne!(one.system, two.system);
    }
}
