//! Bought room of a chain in memory.

use std::ops::Range;

use super::blobs::{not_a, overflow};
use super::ledger::{Ledger, Thing};
use crate::epoch::Epoch;
use crate::id::{Address, ObjectId};
use crate::rpc::abort::Refusal;
use crate::rpc::error::ChainError;
use crate::rpc::operation::{ObjectKind, Operation};
use crate::rpc::state::StorageResource;

impl Ledger {
    pub(super) fn store(&mut self, sender: Address, op: Operation) -> Result<(), ChainError> {
        match op {
            Operation::Reserve { bytes, period } => {
                let storage = self.reserve(sender, bytes, period)?;
                self.own(sender, storage.object, Thing::Storage(storage));
                Ok(())
            }
            Operation::SplitStorageByEpoch { storage, at } => {
                self.split_by_epoch(sender, storage, at)
            }
            Operation::SplitStorageBySize { storage, bytes } => {
                self.split_by_size(sender, storage, bytes)
            }
            Operation::FuseStorage { storage, other } => self.fuse(sender, storage, other),
            Operation::DestroyStorage { storage } => self.storage(sender, storage).map(drop),
            other => self.keep(sender, other),
        }
    }

    pub(super) fn started(&self) -> Result<Epoch, ChainError> {
        match self.schedule.epoch {
            Epoch::ZERO => Err(Refusal::SystemNotStarted.into()),
            epoch => Ok(epoch),
        }
    }

    /// Sells room over a period.
    pub(super) fn charge(
        &mut self,
        sender: Address,
        bytes: u64,
        period: &Range<Epoch>,
    ) -> Result<(), ChainError> {
        self.sell(bytes, period)?;
        let cost = self
            .settings
            .prices
            .reserve(bytes, period)
            .map_err(|_| overflow("price"))?;
        self.pay(sender, cost)
            .map_err(|_| Refusal::LedgerPayment.into())
    }

    pub(super) fn sell(&mut self, bytes: u64, period: &Range<Epoch>) -> Result<(), ChainError> {
        let system = self.system();
        if period.start < system.epoch || period.is_empty() || period.end > system.horizon() {
            return Err(Refusal::LedgerPeriod.into());
        }
        if bytes > system.available(period) {
            return Err(Refusal::LedgerCapacity.into());
        }
        for epoch in period.start.get()..period.end.get() {
            *self.used.entry(Epoch::new(epoch)).or_default() += bytes;
        }
        Ok(())
    }

    pub(super) fn reserve(
        &mut self,
        sender: Address,
        bytes: u64,
        period: Range<Epoch>,
    ) -> Result<StorageResource, ChainError> {
        self.started()?;
        if bytes == 0 {
            return Err(Refusal::SystemEmpty.into());
        }
        self.charge(sender, bytes, &period)?;
        Ok(StorageResource {
            object: self.id(ObjectKind::Storage),
            period,
            bytes,
        })
    }

    pub(super) fn storage(
        &mut self,
        sender: Address,
        id: ObjectId,
    ) -> Result<StorageResource, ChainError> {
        match self.take(sender, id)? {
            Thing::Storage(storage) => Ok(storage),
            _ => Err(not_a("Storage", id)),
        }
    }

    fn split_by_epoch(
        &mut self,
        sender: Address,
        id: ObjectId,
        at: Epoch,
    ) -> Result<(), ChainError> {
        let mut storage = self.storage(sender, id)?;
        if at <= storage.period.start || at >= storage.period.end {
            return Err(Refusal::ResourceSplitEpoch.into());
        }
        let mut rest = storage.clone();
        rest.object = self.id(ObjectKind::Storage);
        rest.period.start = at;
        storage.period.end = at;
        self.own(sender, rest.object, Thing::Storage(rest));
        self.own(sender, id, Thing::Storage(storage));
        Ok(())
    }

    fn split_by_size(
        &mut self,
        sender: Address,
        id: ObjectId,
        bytes: u64,
    ) -> Result<(), ChainError> {
        let mut storage = self.storage(sender, id)?;
        if bytes == 0 || bytes >= storage.bytes {
            return Err(Refusal::ResourceSplitSize.into());
        }
        let mut rest = storage.clone();
        rest.object = self.id(ObjectKind::Storage);
        rest.bytes -= bytes;
        storage.bytes = bytes;
        self.own(sender, rest.object, Thing::Storage(rest));
        self.own(sender, id, Thing::Storage(storage));
        Ok(())
    }

    fn fuse(&mut self, sender: Address, id: ObjectId, other: ObjectId) -> Result<(), ChainError> {
        let (mut one, two) = (self.storage(sender, id)?, self.storage(sender, other)?);
        if one.period == two.period {
            one.bytes = one.bytes.checked_add(two.bytes).ok_or(overflow("bytes"))?;
        } else if one.bytes == two.bytes && one.period.end == two.period.start {
            one.period.end = two.period.end;
        } else if one.bytes == two.bytes && two.period.end == one.period.start {
            one.period.start = two.period.start;
        } else {
            return Err(Refusal::ResourceFuse.into());
        }
        self.own(sender, id, Thing::Storage(one));
        Ok(())
    }
}
