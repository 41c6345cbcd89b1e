//! The recovery queue: slivers this machine lost, and slivers that could not be recovered yet.

use crate::{
    engine::StoreFailed,
    key::SliverKey,
    store::Storage,
    table::{IndexError, recovery::RecoveryTask},
    writer::{Busy, Pending},
};

impl Storage {
    /// Slivers to be recovered, from `from` on, at most `limit`, whatever their time.
    pub fn recovery_tasks(
        &self,
        from: Option<&SliverKey>,
        limit: usize,
    ) -> Result<Vec<(SliverKey, RecoveryTask)>, IndexError> {
        self.snapshot()?.recovery()?.page(from, limit, |_| true)
    }

    /// Remembers that a sliver is to be recovered, or when to try again. A sliver that is stored
    /// by now is not: whoever stored it removed the task.
    pub fn set_recovery_task(
        &self,
        key: SliverKey,
        task: RecoveryTask,
    ) -> Result<Pending<(), StoreFailed>, Busy> {
        self.0.writer.change(0, move |tables| {
            if !tables.slivers.contains(&key)? {
                tables.recovery.insert(&key, &task)?;
            }
            Ok(Ok(()))
        })
    }

    /// Forgets a task, because its blob has ended or its shard is not kept any more.
    pub fn forget_recovery_task(&self, key: SliverKey) -> Result<Pending<(), StoreFailed>, Busy> {
        self.0.writer.change(0, move |tables| {
            tables.recovery.remove(&key)?;
            Ok(Ok(()))
        })
    }
}
