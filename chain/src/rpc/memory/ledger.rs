//! The state of a chain in memory and the order in which operations change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::MemorySettings;
use crate::amount::{Sui, Wal};
use crate::blob::Registration;
use crate::committee::Committee;
use crate::epoch::{ChainTime, Epoch, EpochPhase, Schedule};
use crate::event::ChainEvent;
use crate::id::{Address, NetworkId, NodeId, ObjectId};
use crate::rpc::error::ChainError;
use crate::rpc::operation::{ObjectKind, Operation};
use crate::rpc::state::{Balance, EpochState, Node, NodeCap, Stake, StorageResource, SystemState};

/// What every transaction costs.
pub(super) const GAS: Sui = Sui::from_units(1_000_000);

#[derive(Debug, Clone)]
pub(super) enum Thing {
    Blob {
        registration: Registration,
        attributes: BTreeMap<String, String>,
    },
    Shared {
        registration: Registration,
        funds: Wal,
    },
    Storage(StorageResource),
    Stake(Stake),
    NodeCap(NodeCap),
}

#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) at: ChainTime,
    pub(super) transactions: Vec<Vec<ChainEvent>>,
}

#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) network: NetworkId,
    pub(super) settings: MemorySettings,
    pub(super) now: ChainTime,
    pub(super) schedule: Schedule,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) committees: BTreeMap<Epoch, Committee>,
    pub(super) used: BTreeMap<Epoch, u64>,
    pub(super) objects: BTreeMap<ObjectId, (Option<Address>, Thing)>,
    pub(super) balances: BTreeMap<Address, Balance>,
    pub(super) checkpoints: Vec<Arc<Checkpoint>>,
    ids: u64,
    events: Vec<ChainEvent>,
    created: Vec<(ObjectKind, ObjectId)>,
}

/// 32 bytes that no other purpose, number or seed has.
pub(super) fn fresh(seed: u64, purpose: &str, number: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(number.to_le_bytes());
    hash.update(purpose);
    hash.finalize().into()
}

type Outcome = (Vec<ChainEvent>, Vec<(ObjectKind, ObjectId)>);

impl Ledger {
    pub(super) fn new(network: NetworkId, settings: MemorySettings) -> Self {
        let genesis = Checkpoint {
            at: ChainTime::default(),
            transactions: vec![Vec::new()],
        };
        Self {
            network,
            now: ChainTime::default(),
            schedule: Schedule {
                epoch: Epoch::ZERO,
                phase: EpochPhase::Open,
                started: ChainTime::default(),
                opened: ChainTime::default(),
                duration_ms: settings.epoch_zero_ms,
            },
            settings,
            nodes: BTreeMap::new(),
            committees: BTreeMap::new(),
            used: BTreeMap::new(),
            objects: BTreeMap::new(),
            balances: BTreeMap::new(),
            checkpoints: vec![Arc::new(genesis)],
            ids: 0,
            events: Vec::new(),
            created: Vec::new(),
        }
    }

    pub(super) fn height(&self) -> u64 {
        self.checkpoints.len() as u64
    }

    /// Closes a checkpoint with one transaction and says how many there are now.
    pub(super) fn checkpoint(&mut self, events: Vec<ChainEvent>) -> u64 {
        let record = Checkpoint {
            at: self.now,
            transactions: vec![events],
        };
        self.checkpoints.push(Arc::new(record));
        self.height()
    }

    pub(super) fn mint(&mut self, to: Address, sui: Sui, wal: Wal) {
        let balance = self.balances.entry(to).or_default();
        balance.sui = balance
            .sui
            .checked_add(sui)
            .unwrap_or(Sui::from_units(u64::MAX));
        balance.wal = balance
            .wal
            .checked_add(wal)
            .unwrap_or(Wal::from_units(u64::MAX));
    }

    /// Executes a transaction; on an error the ledger is to be thrown away.
    pub(super) fn apply(
        &mut self,
        sender: Address,
        operations: Vec<Operation>,
    ) -> Result<Outcome, ChainError> {
        let balance = self.balances.entry(sender).or_default();
        let available = balance.sui;
        balance.sui = available.checked_sub(GAS).ok_or(ChainError::Gas {
            needed: GAS,
            available,
        })?;
        for operation in operations {
            self.operate(sender, operation)?;
        }
        Ok((
            std::mem::take(&mut self.events),
            std::mem::take(&mut self.created),
        ))
    }

    pub(super) fn emit(&mut self, event: impl Into<ChainEvent>) {
        self.events.push(event.into());
    }

    /// A new id for an object of this kind.
    pub(super) fn id(&mut self, kind: ObjectKind) -> ObjectId {
        self.ids += 1;
        let id = ObjectId::from_bytes(fresh(self.settings.seed, "object", self.ids));
        self.created.push((kind, id));
        id
    }

    /// An object that was wrapped in the transaction that created it.
    pub(super) fn forget(&mut self, id: ObjectId) {
        self.created.retain(|(_, created)| *created != id);
    }

    pub(super) fn note(&mut self, kind: ObjectKind, id: ObjectId) {
        self.created.push((kind, id));
    }

    pub(super) fn pay(&mut self, from: Address, amount: Wal) -> Result<(), ChainError> {
        let balance = self.balances.entry(from).or_default();
        let available = balance.wal;
        balance.wal = available.checked_sub(amount).ok_or(ChainError::Funds {
            needed: amount,
            available,
        })?;
        Ok(())
    }

    /// An object that the sender owns; taken out of the ledger.
    pub(super) fn take(&mut self, sender: Address, id: ObjectId) -> Result<Thing, ChainError> {
        match self.objects.remove(&id) {
            Some((Some(owner), thing)) if owner == sender => Ok(thing),
            Some(_) => {
                let reason = format!("object {id} is not owned by {sender}");
                Err(ChainError::Rejected { reason })
            }
            None => Err(ChainError::NotFound {
                what: "object",
                id: id.to_string(),
            }),
        }
    }

    pub(super) fn own(&mut self, owner: Address, id: ObjectId, thing: Thing) {
        self.objects.insert(id, (Some(owner), thing));
    }

    pub(super) fn owned<T>(&self, owner: Address, pick: impl Fn(&Thing) -> Option<T>) -> Vec<T> {
        let own = self.objects.values().filter(|(o, _)| *o == Some(owner));
        own.filter_map(|(_, thing)| pick(thing)).collect()
    }

    pub(super) fn system(&self) -> SystemState {
        let epoch = self.schedule.epoch;
        let slots = (0..self.settings.horizon).filter_map(|slot| epoch.after(slot));
        SystemState {
            network: self.network,
            package: self.network.system.into(),
            origin: self.network.system.into(),
            staking: self.network.system.into(),
            wal_type: "0x77616c::wal::WAL".to_owned(),
            shards: self.settings.shards,
            epoch,
            prices: self.settings.prices,
            capacity: self.settings.capacity,
            used: slots
                .map(|e| self.used.get(&e).copied().unwrap_or(0))
                .collect(),
        }
    }

    pub(super) fn epoch_state(&self) -> EpochState {
        let min = self.settings.params.min_stake;
        let candidates = self.nodes.values().map(|node| (node.id, node.active));
        EpochState {
            schedule: self.schedule,
            params: self.settings.params,
            unsettled: false,
            candidates: candidates.filter(|(_, stake)| *stake >= min).collect(),
        }
    }

    fn operate(&mut self, sender: Address, operation: Operation) -> Result<(), ChainError> {
        match operation {
            Operation::Reserve { .. }
            | Operation::SplitStorageByEpoch { .. }
            | Operation::SplitStorageBySize { .. }
            | Operation::FuseStorage { .. }
            | Operation::DestroyStorage { .. }
            | Operation::Register { .. }
            | Operation::Certify { .. }
            | Operation::Extend { .. }
            | Operation::ExtendWith { .. }
            | Operation::Delete { .. }
            | Operation::Burn { .. }
            | Operation::SetAttribute { .. }
            | Operation::RemoveAttribute { .. }
            | Operation::Share { .. }
            | Operation::Fund { .. }
            | Operation::ExtendShared { .. }
            | Operation::MarkInconsistent { .. } => self.store(sender, operation),
            Operation::RegisterNode(registration) => self.register_node(sender, *registration),
            Operation::Stake { node, amount } => self.stake(sender, node, amount),
            Operation::Select => self.select(),
            Operation::Advance => self.advance(),
            Operation::SyncDone { cap, epoch } => self.sync_done(sender, cap, epoch),
            Operation::Settle { .. } | Operation::SettlePool { .. } => Ok(()),
            Operation::SendWal { to, amount } => {
                self.pay(sender, amount)?;
                self.mint(to, Sui::ZERO, amount);
                Ok(())
            }
            Operation::SendSui { to, amount } => self.send_sui(sender, to, amount),
            Operation::Send { object, to } => {
                let thing = self.take(sender, object)?;
                self.own(to, object, thing);
                Ok(())
            }
            other => Err(ChainError::NotSimulated {
                operation: format!("{other:?}"),
            }),
        }
    }

    fn send_sui(&mut self, from: Address, to: Address, amount: Sui) -> Result<(), ChainError> {
        let balance = self.balances.entry(from).or_default();
        let available = balance.sui;
        let needed = amount;
        balance.sui = available
            .checked_sub(amount)
            .ok_or(ChainError::Gas { needed, available })?;
        self.mint(to, amount, Wal::ZERO);
        Ok(())
    }
}
